"""The page about a comparison: main table, scores on past and future, differences, cost, single runs."""

import os
from pathlib import Path

from zhenwei.config.training import LOWER_IS_BETTER
from zhenwei.evaluation.comparison.records import Comparison
from zhenwei.evaluation.report import formatting
from zhenwei.evaluation.report.dataset_labels import dataset_name
from zhenwei.evaluation.report.pages import write_page
from zhenwei.evaluation.report.plots.comparison import change_chart, difference_chart
from zhenwei.evaluation.report.provenance import CitedFile, digest

MAIN_METRICS = ("macro_f1", "auc")
METRICS = ("macro_f1", "auc", "spauc", "f1_fake", "acc", "ece", "brier")


def write_comparison_page(comparison: Comparison, path: str | os.PathLike[str]) -> Path:
    """Write the page of a comparison atomically.

    Args:
        comparison: The comparison.
        path: The file to write; an older one is replaced.

    Returns:
        The file.

    Raises:
        ConfigError: If the file cannot be written.
    """
    parts = [part.name for part in comparison.parts]
    return write_page(
        "comparison.html", path,
        comparison=comparison,
        parts=parts,
        part_names={part: dataset_name(part) for part in parts},
        main_metrics=MAIN_METRICS,
        all_metrics=METRICS,
        stressed=any(detector.edits for detector in comparison.detectors),
        lead=_lead(comparison, parts[-1]),
        files=[CitedFile(dataset_name(part.name), part.file, digest(part.file)) for part in comparison.parts],
        best={(part, metric): _best(comparison, part, metric) for part in parts for metric in METRICS},
        changes=[*filter(None, (change_chart(comparison, metric) for metric in MAIN_METRICS))],
        differences=difference_chart(comparison, MAIN_METRICS[0]),
    )  # fmt: skip


def _best(comparison: Comparison, part: str, metric: str) -> float | None:
    """Return the best mean of a metric."""
    best = min if metric in LOWER_IS_BETTER else max
    return best(comparison.means(part, metric).values(), default=None)


def _lead(comparison: Comparison, part: str) -> str:
    """Return which detector is best on the last part, and whether it is significantly better than the baseline."""
    metric = MAIN_METRICS[0]
    means = comparison.means(part, metric)
    if not means:
        return ""
    value, name = max((value, name) for name, value in means.items())
    score = f"a {formatting.metric_name(metric)} of {formatting.score(value)}"
    text = f"{name} is best on the {dataset_name(part)} with {score}"
    if name == comparison.baseline:
        return f"{text}: no other detector beats the baseline."
    difference = comparison.difference_to_baseline(name, part, metric)
    if difference is None:
        return f"{text}."
    significance = "significantly" if difference.significant else "but not significantly"
    p_value = formatting.p_value(difference.p_holm)
    return f"{text}, {significance} better than the baseline {comparison.baseline} ({p_value})."
