"""Characters and n-grams that alone decide the label."""

from zhenwei.audit.dataset import Collection
from zhenwei.audit.findings import Finding
from zhenwei.audit.format import finding, spelled, unchecked
from zhenwei.audit.ngram_features import CHARACTERS, MARKS, PHRASES, Family, counted_in, having, in_context
from zhenwei.audit.shortcut_report import COLLECT_ALIKE, NO_TRIAL, worded
from zhenwei.audit.single_feature import Shortcut, judged, presence_scores
from zhenwei.audit.thresholds import BOUNDS, JUDGED


def shortcut_marks(collection: Collection) -> Finding:
    """Try each mark, symbol, emoji, space and unseen character alone."""
    return _tried(collection, "shortcut_marks", "A mark decides the label", MARKS)


def shortcut_characters(collection: Collection) -> Finding:
    """Try each letter, Chinese character and digit alone."""
    return _tried(collection, "shortcut_characters", "A character decides the label", CHARACTERS)


def shortcut_ngrams(collection: Collection) -> Finding:
    """Try each pair and each triple of neighbouring characters; longer phrases hold triples."""
    return _tried(collection, "shortcut_ngrams", "A phrase decides the label", PHRASES)


def _tried(collection: Collection, check: str, title: str, family: Family) -> Finding:
    """Judge the n-grams of the best macro-F1 where they are fitted."""
    trial = collection.trial
    if trial is None:
        return unchecked(check, title, NO_TRIAL)
    grams = counted_in(collection, family)
    if not len(grams.fake):
        return finding(check, title, "none is in enough training articles to decide anything", None)
    n_real, n_fake = collection.n_by_label(trial.fit)
    scores, means_fake = presence_scores(grams.fake.astype(float), grams.real.astype(float), n_fake, n_real)
    best = grams.unlike((-scores).argsort(kind="stable"), JUDGED)
    looks = len(grams.fake) if trial.same else len(best)
    tried: list[tuple[Shortcut, str]] = []
    for place in best:
        gram = grams.spell(place)
        rule = "there: fake, else real" if means_fake[place] else "there: real, else fake"
        verdicts = having(collection, gram, trial.judge) == means_fake[place]
        targets = collection.targets[trial.judge]
        tried.append((judged(spelled(gram), rule, float(scores[place]), verdicts, targets, looks), gram))
    tried.sort(key=lambda pair: -pair[0].low)
    telling = BOUNDS[check].grade(tried[0][0].low) != "good"
    tables = [in_context(collection, tried[0][1], trial.judge)] if telling else []
    return worded(check, title, [shortcut for shortcut, _ in tried], trial, advice=COLLECT_ALIKE, tables=tables)
