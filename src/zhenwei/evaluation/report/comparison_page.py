"""The page about a comparison: main table, scores on past and future, differences, cost, single runs."""

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean

from zhenwei.evaluation.comparison.records import ComparedDetector, Comparison, Difference, Summary
from zhenwei.evaluation.report import formatting
from zhenwei.evaluation.report.dataset_labels import dataset_name
from zhenwei.evaluation.report.pages import write_page
from zhenwei.evaluation.report.plots.comparison import change_chart, difference_chart
from zhenwei.evaluation.report.provenance import CitedFile, digest

MAIN_METRICS = ("macro_f1", "auc")
METRICS = ("macro_f1", "auc", "spauc", "f1_fake", "acc", "ece", "brier")


@dataclass(frozen=True)
class DetectorRow:
    """A detector's row in the main table.

    Attributes:
        detector: The detector.
        is_baseline: Whether it is the baseline.
        summaries: By part and main metric, in the order of the columns.
        difference: From the baseline, in macro-F1 on the last part; None for the baseline, or if not tested.
        seconds: Mean duration of a training; None where all runs were loaded.
        memory: Peak memory of any training, in bytes; None where all runs were loaded.
        settings: As JSON.
    """

    detector: ComparedDetector
    is_baseline: bool
    summaries: tuple[Summary | None, ...]
    difference: Difference | None
    seconds: float | None
    memory: int | None
    settings: str


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
    changes = [change_chart(comparison, metric) for metric in MAIN_METRICS]
    parts = [part.name for part in comparison.parts]
    return write_page(
        "comparison.html", path,
        comparison=comparison,
        rows=tuple(_row(comparison, detector) for detector in comparison.detectors),
        parts=parts,
        part_names={part: dataset_name(part) for part in parts},
        main_metrics=MAIN_METRICS,
        all_metrics=METRICS,
        headline=_headline(comparison),
        lead=_lead(comparison),
        files=tuple(CitedFile(dataset_name(part.name), part.file, digest(part.file)) for part in comparison.parts),
        best={(part, metric): _best(comparison, part, metric) for part in parts for metric in METRICS},
        changes=tuple(chart for chart in changes if chart is not None),
        differences=difference_chart(comparison, MAIN_METRICS[0]),
    )  # fmt: skip


def _row(comparison: Comparison, detector: ComparedDetector) -> DetectorRow:
    seconds = [run.seconds for run in detector.runs if run.seconds is not None]
    memory = [run.peak_memory for run in detector.runs if run.peak_memory is not None]
    return DetectorRow(
        detector,
        detector.name == comparison.baseline,
        tuple(
            detector.summaries.get(part.name, {}).get(metric) for part in comparison.parts for metric in MAIN_METRICS
        ),
        _difference_from_baseline(comparison, detector.name),
        mean(seconds) if seconds else None,
        max(memory, default=None),
        json.dumps(detector.config, indent=2, ensure_ascii=False),
    )


def _difference_from_baseline(comparison: Comparison, name: str) -> Difference | None:
    """Return detector minus baseline on the last part."""
    if not comparison.parts:
        return None
    for each in comparison.differences:
        if each.part != comparison.parts[-1].name or each.metric != MAIN_METRICS[0]:
            continue
        if (each.first, each.second) == (name, comparison.baseline):
            return each
        if (each.second, each.first) == (name, comparison.baseline):
            low, high = each.interval
            return replace(
                each, first=name, second=comparison.baseline, difference=-each.difference, interval=(-high, -low)
            )
    return None


def _best(comparison: Comparison, part: str, metric: str) -> float | None:
    """Return the best mean of a metric."""
    means = [mean for mean, _ in _means(comparison, part, metric)]
    return (min if metric in formatting.LOWER_IS_BETTER else max)(means, default=None)


def _means(comparison: Comparison, part: str, metric: str) -> list[tuple[float, str]]:
    """Return the mean of a metric and the name of each detector that has one."""
    summaries = [(detector.summaries.get(part, {}).get(metric), detector.name) for detector in comparison.detectors]
    return [(each.mean, name) for each, name in summaries if each is not None and each.mean is not None]


def _headline(comparison: Comparison) -> str:
    n_detectors, n_seeds = len(comparison.detectors), len(comparison.seeds)
    detectors = f"{n_detectors} detectors" if n_detectors != 1 else "One detector"
    return f"{detectors} over {n_seeds} seeds" if n_seeds != 1 else f"{detectors}, one seed"


def _lead(comparison: Comparison) -> str:
    """Return which detector is best on the last part, and whether it is significantly better than the baseline."""
    means = _means(comparison, comparison.parts[-1].name, MAIN_METRICS[0]) if comparison.parts else []
    if not means:
        return ""
    value, name = max(means)
    part = dataset_name(comparison.parts[-1].name)
    text = f"{name} is best on the {part} with a {formatting.metric_name(MAIN_METRICS[0])} of {formatting.score(value)}"
    difference = _difference_from_baseline(comparison, name)
    if name == comparison.baseline:
        return f"{text}: no other detector beats the baseline."
    if difference is None:
        return f"{text}."
    significance = "significantly" if difference.significant else "but not significantly"
    p_value = formatting.p_value(difference.p_holm)
    return f"{text}, {significance} better than the baseline {comparison.baseline} ({p_value})."
