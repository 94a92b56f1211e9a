"""Characters and n-grams that alone decide the label, or give many articles of one label away."""

import unicodedata
from collections.abc import Callable, Iterator

import numpy as np

from zhenwei.news.audit.bounds import ALPHA, BOUNDS, JUDGED, PURE
from zhenwei.news.audit.collection import Collection, Mask
from zhenwei.news.audit.findings import Finding, Table
from zhenwei.news.audit.shortcut_wording import NO_TRIAL, worded
from zhenwei.news.audit.significance import difference_p
from zhenwei.news.audit.trial import Shortcut, Trial, judged, presence_scores
from zhenwei.news.audit.wording import SHOWN, beginning, finding, spelled, unchecked

_ADVICE = (
    "find out why: the labels may come from different accounts, pages or crawls; take the feature out of the texts, "
    "or collect both labels alike"
)


def shortcut_marks(collection: Collection) -> Finding:
    """Try each mark, symbol, emoji, space and unseen character alone."""
    return _tried(collection, "shortcut_marks", "A mark decides the label", (1,), lambda gram: not _is_letter(gram))


def shortcut_characters(collection: Collection) -> Finding:
    """Try each letter, Chinese character and digit alone."""
    return _tried(collection, "shortcut_characters", "A character decides the label", (1,), _is_letter)


def shortcut_ngrams(collection: Collection) -> Finding:
    """Try each pair and each triple of neighbouring characters; longer phrases hold triples."""
    return _tried(collection, "shortcut_ngrams", "A phrase decides the label", (2, 3), lambda gram: True)


def tell_tales(collection: Collection) -> Finding:
    """Find n-grams that stand in many articles of one label, and in hardly any of the other.

    Such a one need not decide the label of all articles to be learned instead of the news. It counts if, both where
    it was found and where it is judged, at least 95% of its articles would be of its label had both labels the same
    number of articles, and if that is more than chance (Fisher's exact test, over all that are judged).
    """
    names = ("tell_tales", "A phrase gives articles away")
    trial = collection.trial
    if trial is None:
        return unchecked(*names, NO_TRIAL)
    candidates = list(_purest(collection, trial))
    n = [int((collection.targets[trial.judge] == target).sum()) for target in (0, 1)]
    rows = []
    for gram, target, fitted in candidates:
        having = trial.judge[_having(collection, gram, trial.judge)]
        counts = [int((collection.targets[having] == label).sum()) for label in (0, 1)]
        shares = [counts[label] / n[label] for label in (0, 1)]
        chance = difference_p(counts[1], n[1], counts[0], n[0]) * len(candidates)
        if shares[target] >= PURE * (shares[0] + shares[1]) and chance < ALPHA:
            rows.append((spelled(gram), ("real", "fake")[target], fitted, shares[target], counts[1], counts[0], gram))
    rows.sort(key=lambda row: -row[3])
    if not rows:
        return finding(*names, f"no n-gram of train gives articles of {trial.on} away", 0.0)
    name, label, _, value, fakes, reals, gram = rows[0]
    found = (
        f"'{name}' is in {100 * value:.1f}% of the {label} articles of {trial.on}, and tells them: "
        f"of those that have it {fakes:,} are fake, {reals:,} real"
    )
    columns = ("n-gram", "tells", "share in train", f"share in {trial.on}", "fakes with it", "real with it")
    tables = [
        Table("share of the label's articles", columns, tuple(row[:6] for row in rows)),
        _in_context(collection, trial, gram),
    ]
    return finding(*names, found, value, advice=_ADVICE, tables=tables)


def _tried(
    collection: Collection, check: str, title: str, lengths: tuple[int, ...], wanted: Callable[[str], bool]
) -> Finding:
    trial = collection.trial
    if trial is None:
        return unchecked(check, title, NO_TRIAL)
    best = _best_of_fit(collection, trial, lengths, wanted)
    tried: list[tuple[Shortcut, str]] = []
    for gram, fitted, means_fake in best:
        rule = "there: fake, else real" if means_fake else "there: real, else fake"
        verdicts = _having(collection, gram, trial.judge) == means_fake
        shortcut = judged(spelled(gram), rule, fitted, verdicts, collection.targets[trial.judge], len(best))
        tried.append((shortcut, gram))
    if not tried:
        return finding(check, title, "none is in enough training articles to decide anything", None)
    tried.sort(key=lambda pair: -pair[0].low)
    telling = BOUNDS[check].grade(tried[0][0].low) != "good"
    tables = [_in_context(collection, trial, tried[0][1])] if telling else []
    return worded(check, title, [shortcut for shortcut, _ in tried], trial, advice=_ADVICE, tables=tables)


def _best_of_fit(
    collection: Collection, trial: Trial, lengths: tuple[int, ...], wanted: Callable[[str], bool]
) -> list[tuple[str, float, bool]]:
    """The n-grams of the best macro-F1 where they are fitted, that score, and whether they mean fake."""
    n = [int((collection.targets[trial.fit] == target).sum()) for target in (0, 1)]
    found: dict[tuple[int, int], tuple[str, float, bool]] = {}  # one of those that stand in like numbers of articles
    for counts in collection.gram_counts:
        if counts.n not in lengths:
            continue
        scores, means_fake = presence_scores(counts.fake.astype(float), counts.real.astype(float), n[1], n[0])
        fresh = 0
        for place in np.argsort(-scores, kind="stable"):
            gram, key = counts.spell(place), (int(counts.fake[place]), int(counts.real[place]))
            if not wanted(gram) or key in found:
                continue
            found[key] = (gram, float(scores[place]), bool(means_fake[place]))
            fresh += 1
            if fresh == JUDGED:
                break
    return sorted(found.values(), key=lambda item: -item[1])[:JUDGED]


def _purest(collection: Collection, trial: Trial) -> Iterator[tuple[str, int, float]]:
    """The n-grams of the largest share of each label among those that tell it: n-gram, label, share."""
    n = [int((collection.targets[trial.fit] == target).sum()) for target in (0, 1)]
    for target in (0, 1):
        found: dict[tuple[int, int], tuple[str, int, float]] = {}
        for counts in collection.gram_counts:
            shares = counts.real / n[0], counts.fake / n[1]
            pure = np.flatnonzero(shares[target] >= PURE * (shares[0] + shares[1]))
            for place in pure[np.argsort(-shares[target][pure], kind="stable")][: 4 * JUDGED]:
                key = (int(counts.fake[place]), int(counts.real[place]))
                found.setdefault(key, (counts.spell(place), target, float(shares[target][place])))
        yield from sorted(found.values(), key=lambda item: -item[2])[:JUDGED]


def _having(collection: Collection, gram: str, rows: np.ndarray) -> Mask:
    return np.array([gram in collection.texts[row] for row in rows], bool)


def _in_context(collection: Collection, trial: Trial, gram: str) -> Table:
    """Articles that have an n-gram, of both labels where there are, around the place where it stands."""
    having = [int(row) for row in trial.judge if gram in collection.texts[row]]
    fakes = [row for row in having if collection.targets[row] == 1]
    reals = [row for row in having if collection.targets[row] == 0]
    few, many = sorted((fakes[:SHOWN], reals[:SHOWN]), key=len)
    cells = []
    for row in [*few[:2], *many][:SHOWN]:
        at = collection.texts[row].index(gram)
        start = max(0, at - 30)
        text = ("…" if start else "") + collection.texts[row][start:]
        cells.append((*collection.place(row), collection.label(row), beginning(text)))
    return Table(f"articles with '{spelled(gram)}'", ("part", "row", "label", "text"), tuple(cells))


def _is_letter(gram: str) -> bool:
    return unicodedata.category(gram[0])[0] in "LN"
