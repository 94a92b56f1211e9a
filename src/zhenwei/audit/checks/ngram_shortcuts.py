"""Symbols, characters and phrases that alone predict the label."""

from zhenwei.audit.dataset import AuditDataset
from zhenwei.audit.findings import Finding
from zhenwei.audit.format import make_finding, not_checked, readable_ngram
from zhenwei.audit.ngram_features import (
    CHARACTERS,
    PHRASES,
    SYMBOLS,
    NgramFamily,
    contains_ngram,
    context_table,
    ngram_features,
)
from zhenwei.audit.shortcut_report import COLLECTION_ADVICE, TOO_FEW_LABELS, shortcut_finding
from zhenwei.audit.single_feature import FeatureScore, presence_scores, score_presence
from zhenwei.audit.thresholds import N_CANDIDATES, THRESHOLDS


def shortcut_symbols(dataset: AuditDataset) -> Finding:
    """Test each punctuation mark, symbol, emoji, space and invisible character alone."""
    return _test_family(dataset, "shortcut_symbols", "A symbol predicts the label", SYMBOLS)


def shortcut_characters(dataset: AuditDataset) -> Finding:
    """Test each letter, Chinese character and digit alone."""
    return _test_family(dataset, "shortcut_characters", "A character predicts the label", CHARACTERS)


def shortcut_ngrams(dataset: AuditDataset) -> Finding:
    """Test each pair and each triple of adjacent characters; longer phrases contain triples."""
    return _test_family(dataset, "shortcut_ngrams", "A phrase predicts the label", PHRASES)


def _test_family(dataset: AuditDataset, check: str, title: str, family: NgramFamily) -> Finding:
    """Evaluate the n-grams with the best macro-F1 on the articles on which rules are fitted."""
    split = dataset.feature_split
    if split is None:
        return not_checked(check, title, TOO_FEW_LABELS)
    features = ngram_features(dataset, family)
    if not len(features.fake):
        return make_finding(check, title, "none is in enough training articles to predict anything", None)
    n_real, n_fake = dataset.count_by_label(split.fit)
    fit_scores, means_fake = presence_scores(features.fake.astype(float), features.real.astype(float), n_fake, n_real)
    best = features.first_distinct((-fit_scores).argsort(kind="stable"), N_CANDIDATES)
    n_comparisons = len(features.fake) if split.same else len(best)
    targets = dataset.targets[split.evaluate]
    scores: dict[str, FeatureScore] = {}
    for feature in best:
        ngram, fit_score, is_fake = features.text(feature), float(fit_scores[feature]), bool(means_fake[feature])
        present = contains_ngram(dataset, ngram, split.evaluate)
        scores[ngram] = score_presence(readable_ngram(ngram), fit_score, is_fake, present, targets, n_comparisons)
    most_predictive = max(scores, key=lambda ngram: scores[ngram].lower_bound)
    flagged = THRESHOLDS[check].status_of(scores[most_predictive].lower_bound) != "good"
    tables = [context_table(dataset, most_predictive, split.evaluate)] if flagged else []
    return shortcut_finding(check, title, list(scores.values()), split, advice=COLLECTION_ADVICE, tables=tables)
