"""The page about a comparison: the table, past against future, differences, costs, single runs."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from zhenwei.evaluation.comparison.records import ComparedDetector, Comparison, Difference, Summary
from zhenwei.evaluation.report import wording
from zhenwei.evaluation.report.pages import write_page
from zhenwei.evaluation.report.plots.comparison import change_picture, difference_picture, part_name
from zhenwei.evaluation.report.provenance import CitedFile, digest

MAIN = ("macro_f1", "auc")
METRICS = ("macro_f1", "auc", "spauc", "f1_fake", "acc", "ece", "brier")


@dataclass(frozen=True)
class DetectorRow:
    """A detector's row in the main table.

    Attributes:
        detector: The detector.
        is_baseline: Whether the others are held against it.
        summaries: By part and main metric, in the order of the columns.
        difference: To the baseline, in the last part's macro-F1; None for the baseline, or where it was not tested.
        seconds: Mean time of a training; None where all runs were loaded.
        memory: Most memory of any training, in bytes; None where all runs were loaded.
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
    """Write the page of a comparison, whole or not at all.

    Args:
        comparison: What was compared, and how it came out.
        path: The file to write; an older one is replaced.

    Returns:
        The file.

    Raises:
        ConfigError: If it cannot be written.
    """
    pictures = [change_picture(comparison, metric) for metric in MAIN]
    parts = [part.name for part in comparison.parts]
    rows = tuple(_row(comparison, detector) for detector in comparison.detectors)
    return write_page(
        "comparison.html", path,
        comparison=comparison,
        rows=rows,
        parts=parts,
        part_names={part: part_name(part) for part in parts},
        main=MAIN,
        shown=METRICS,
        headline=_headline(comparison),
        lead=_lead(comparison),
        warnings=tuple(("", warning) for warning in comparison.warnings),
        files=tuple(CitedFile(part_name(part.name), part.file, digest(part.file)) for part in comparison.parts),
        best={(part, metric): _best(comparison, part, metric) for part in parts for metric in METRICS},
        changes=tuple(picture for picture in pictures if picture is not None),
        differences=difference_picture(comparison, MAIN[0]),
    )  # fmt: skip


def _row(comparison: Comparison, detector: ComparedDetector) -> DetectorRow:
    seconds = [run.seconds for run in detector.runs if run.seconds is not None]
    memory = [run.peak_memory for run in detector.runs if run.peak_memory is not None]
    return DetectorRow(
        detector,
        detector.name == comparison.baseline,
        tuple(
            detector.summaries.get(part.name, {}).get(metric) for part in comparison.parts for metric in MAIN
        ),
        _to_baseline(comparison, detector.name),
        mean(seconds) if seconds else None,
        max(memory) if memory else None,
        json.dumps(detector.config, indent=2, ensure_ascii=False),
    )  # fmt: skip


def _to_baseline(comparison: Comparison, name: str) -> Difference | None:
    """Return the difference of a detector to the baseline, the detector first, on the last part."""
    if not comparison.parts:
        return None
    for each in comparison.differences:
        if each.part != comparison.parts[-1].name or each.metric != MAIN[0]:
            continue
        if (each.first, each.second) == (name, comparison.baseline):
            return each
        if (each.second, each.first) == (name, comparison.baseline):
            low, high = each.interval
            return Difference(
                each.part, each.metric, name, comparison.baseline, -each.difference, (-high, -low), each.p,
                each.p_holm, each.significant,
            )  # fmt: skip
    return None


def _best(comparison: Comparison, part: str, metric: str) -> float | None:
    """Return the best mean of a metric."""
    summaries = (each.summaries.get(part, {}).get(metric) for each in comparison.detectors)
    means = [each.mean for each in summaries if each is not None and each.mean is not None]
    if not means:
        return None
    return min(means) if metric in wording.LESS_IS_BETTER else max(means)


def _headline(comparison: Comparison) -> str:
    detectors, seeds = len(comparison.detectors), len(comparison.seeds)
    many = f"{detectors} detectors" if detectors != 1 else "One detector"
    return f"{many} over {seeds} seeds" if seeds != 1 else f"{many}, one seed"


def _lead(comparison: Comparison) -> str:
    """Say who leads in the last part, and whether the baseline is beaten."""
    if not comparison.parts:
        return ""
    part = comparison.parts[-1].name
    known = []
    for detector in comparison.detectors:
        summary = detector.summaries.get(part, {}).get(MAIN[0])
        if summary is not None and summary.mean is not None:
            known.append((summary.mean, detector.name))
    if not known:
        return ""
    value, name = max(known)
    text = f"{name} leads in the {part_name(part)} with a {wording.metric_name(MAIN[0])} of {wording.score(value)}"
    difference = _to_baseline(comparison, name)
    if name == comparison.baseline:
        return f"{text}: no other detector beats the baseline."
    if difference is None:
        return f"{text}."
    proven = "a significant lead over" if difference.significant else "which is not significantly more than"
    return f"{text}, {proven} the baseline {comparison.baseline} ({wording.p_value(difference.p_holm)})."
