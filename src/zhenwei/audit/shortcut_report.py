"""Findings about features that alone predict the label."""

from collections.abc import Iterable, Sequence

from zhenwei.audit.findings import Finding, Plot, Table
from zhenwei.audit.format import make_finding
from zhenwei.audit.single_feature import FeatureScore, FeatureSplit
from zhenwei.audit.thresholds import THRESHOLDS

TOO_FEW_LABELS = "too few labeled articles of both labels to fit a rule on some and evaluate it on others"

COLLECTION_ADVICE = (
    "find out why: the labels may come from different accounts, pages or crawls; remove the feature from the texts, "
    "or collect both labels in the same way"
)


def shortcut_finding(
    check: str,
    title: str,
    scores: Sequence[FeatureScore],
    split: FeatureSplit,
    *,
    advice: str,
    tables: Iterable[Table] = (),
) -> Finding:
    """Report the scores of single features, the best first.

    The threshold applies to the lower bound of the best score: the score of a few articles may be chance.
    """
    ordered = sorted(scores, key=lambda score: -score.lower_bound)
    best = ordered[0]
    summary = (
        f"the most predictive, '{best.name}' ({best.rule}), alone scores a macro-F1 of {best.score:.3f} on "
        f"{split.name} (lower bound {best.lower_bound:.3f})"
    )
    columns = ("feature", "rule", "macro-F1 where fitted", f"macro-F1 on {split.name}", "lower bound")
    cells = tuple((each.name, each.rule, each.fit_score, each.score, each.lower_bound) for each in ordered)
    threshold = THRESHOLDS[check]
    lines = {"warn": threshold.warn} | ({} if threshold.fail is None else {"fail": threshold.fail})
    series = {f"macro-F1 on {split.name}": tuple(each.score for each in ordered)}
    plot = Plot("bars", title, tuple(each.name for each in ordered), "macro-F1", series, lines)
    table = Table("the most predictive features", columns, cells)
    return make_finding(check, title, summary, best.lower_bound, advice=advice, tables=[*tables, table], plots=[plot])
