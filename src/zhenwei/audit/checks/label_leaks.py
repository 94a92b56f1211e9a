"""N-grams that occur in many articles of one label and in almost none of the other."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from zhenwei.audit.dataset import AuditDataset
from zhenwei.audit.findings import Finding, Table
from zhenwei.audit.format import make_finding, not_checked, readable_ngram
from zhenwei.audit.ngram_features import FAMILIES, NgramFamily, contains_ngram, context_table, ngram_features
from zhenwei.audit.shortcut_report import COLLECTION_ADVICE, TOO_FEW_LABELS
from zhenwei.audit.significance import fisher_p_value
from zhenwei.audit.single_feature import FeatureSplit
from zhenwei.audit.thresholds import ALPHA, MIN_PURITY, N_CANDIDATES

_LABELS = ("real", "fake")


@dataclass(frozen=True)
class _LabelLeak:
    ngram: str
    target: int  # label of the articles that contain it
    fit_share: float  # share of that label's articles that contain it, on the articles for fitting
    share: float  # the same on the articles for evaluation
    counts: tuple[int, int]  # number of real and of fake articles that contain it, on the articles for evaluation


def label_leaks(dataset: AuditDataset) -> Finding:
    """Find n-grams that occur in many articles of one label and in almost none of the other.

    Such an n-gram can be learned instead of the content, even if it does not predict the label of all articles. It
    counts if two conditions hold both on the articles for fitting and on those for evaluation: at least 95% of its
    articles would have its label if both labels had the same number of articles, and the difference is significant
    (Fisher's exact test, corrected for the n-grams of its family that are evaluated).
    """
    names = ("label_leaks", "A phrase leaks the label")
    split = dataset.feature_split
    if split is None:
        return not_checked(*names, TOO_FEW_LABELS)
    leaks = [leak for family in FAMILIES for leak in _leaks_of_family(dataset, split, family)]
    leaks.sort(key=lambda leak: -leak.share)
    if not leaks:
        return make_finding(*names, f"no n-gram leaks the label of articles of {split.name}", 0.0)
    largest = [next(leak for leak in leaks if leak.target == target) for target in {leak.target for leak in leaks}]
    largest.sort(key=lambda leak: -leak.share)
    summary = "; ".join(
        f"'{readable_ngram(leak.ngram)}' is in {100 * leak.share:.1f}% of the {_LABELS[leak.target]} articles of "
        f"{split.name} ({leak.counts[1]:,} fake and {leak.counts[0]:,} real articles contain it)"
        for leak in largest
    )
    columns = ("n-gram", "label", "share where fitted", f"share in {split.name}", "fake articles", "real articles")
    cells = tuple(
        (readable_ngram(leak.ngram), _LABELS[leak.target], leak.fit_share, leak.share, leak.counts[1], leak.counts[0])
        for leak in leaks
    )
    tables = [Table("share of the label's articles", columns, cells)]
    tables += [context_table(dataset, leak.ngram, split.evaluate) for leak in largest]
    return make_finding(*names, summary, leaks[0].share, advice=COLLECTION_ADVICE, tables=tables)


def _leaks_of_family(dataset: AuditDataset, split: FeatureSplit, family: NgramFamily) -> Iterator[_LabelLeak]:
    """Yield the label leaks among the purest n-grams of a family."""
    features = ngram_features(dataset, family)
    totals = dataset.count_by_label(split.fit)
    fit_shares = [counts / total for counts, total in zip((features.real, features.fake), totals, strict=True)]
    candidates = []
    for target in (0, 1):
        pure = np.flatnonzero(fit_shares[target] >= MIN_PURITY * (fit_shares[0] + fit_shares[1]))
        order = pure[np.argsort(-fit_shares[target][pure], kind="stable")]
        candidates += [(feature, target) for feature in features.first_distinct(order, N_CANDIDATES)]
    n_comparisons = len(features.fake) if split.same else len(candidates)
    n_real, n_fake = dataset.count_by_label(split.evaluate)
    for feature, target in candidates:
        ngram = features.text(feature)
        real, fake = dataset.count_by_label(split.evaluate[contains_ngram(dataset, ngram, split.evaluate)])
        shares = real / n_real, fake / n_fake
        significant = fisher_p_value(fake, n_fake, real, n_real) * n_comparisons < ALPHA
        if significant and shares[target] >= MIN_PURITY * (shares[0] + shares[1]):
            yield _LabelLeak(ngram, target, float(fit_shares[target][feature]), shares[target], (real, fake))
