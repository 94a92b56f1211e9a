"""The results of a comparison as text: for the terminal, as Markdown, and as rows for CSV."""

from collections.abc import Iterator
from typing import Literal

from zhenwei.evaluation.comparison.records import ComparedDetector, Comparison, Difference, Summary

PART_NAMES = {"val": "val (the past)", "test": "test (the future)"}
METRIC_NAMES = {
    "macro_f1": "macro-F1", "auc": "AUC", "spauc": "SPAUC", "acc": "accuracy", "f1_fake": "F1 of fakes", "ece": "ECE",
    "brier": "Brier score",
}  # fmt: skip

CSV_COLUMNS = (
    "detector", "part", "metric", "runs", "mean", "deviation", "low", "high", "baseline", "difference",
    "difference_low", "difference_high", "p", "p_holm",
)  # fmt: skip


def main_table(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the main table: one row per detector."""
    parts = [part.name for part in comparison.parts]
    last = parts[-1]
    header = ["detector", "runs", *(f"{part} macro-F1" for part in parts), f"{last} AUC"]
    if comparison.baseline:
        header += [f"{last} macro-F1 against {comparison.baseline}", "p (Holm)"]
    stressed = any(detector.edits for detector in comparison.detectors)
    header += ["missed after edits", "called fake after edits"] if stressed else []
    header += ["minutes", "peak memory"]
    rows = []
    for detector in comparison.detectors:
        row = [detector.name, _runs(detector), *(format_score(detector.summaries[part]["macro_f1"]) for part in parts)]
        row.append(format_score(detector.summaries[last]["auc"], interval=False))
        if comparison.baseline:
            difference = comparison.difference_to_baseline(detector.name, last, "macro_f1")
            row += ["-", "-"] if difference is None else [format_difference(difference), format_p(difference)]
        if stressed:
            row += [_format_flips(detector, "missed"), _format_flips(detector, "false_alarms")]
        row.append("-" if detector.seconds is None else f"{detector.seconds / 60:.1f}")
        row.append("-" if detector.peak_memory is None else f"{detector.peak_memory / 2**20:,.0f} MiB")
        rows.append(row)
    return header, rows


def notes(comparison: Comparison) -> list[str]:
    """Return the legend of the table, in sentences."""
    parts = "; ".join(
        f"{PART_NAMES[part.name]}: {part.n:,} articles, {part.n_fake:,} fake, in {part.n_groups:,} groups of "
        "near-duplicates"
        for part in comparison.parts
    )
    edits = (
        "After edits: verdicts that change from right to wrong under harmless edits, on the last part: the mean over "
        "the families of edits, and the worst family."
    )
    return [
        f"{parts}.",
        "Mean ± standard deviation over the runs, at each detector's own threshold; in brackets the 95% interval over "
        "articles (bootstrap of groups) and seeds.",
        "p: two-sided, paired over the articles, corrected for all differences and parts (Holm); * below 0.05. Minutes "
        "of an average run; peak memory of the largest run.",
        *([edits] if any(detector.edits for detector in comparison.detectors) else []),
    ]


def markdown(comparison: Comparison) -> str:
    """Return the comparison as a Markdown page."""
    header, rows = main_table(comparison)
    lines = ["# Comparison of detectors", "", *_markdown_table(header, rows), ""]
    lines += [line for note in notes(comparison) for line in (note, "")]
    for warning in comparison.warnings:
        lines += [f"> **Warning:** {warning}.", ""]
    for part in comparison.parts:
        lines += [f"## {PART_NAMES[part.name]}", ""]
        metrics = list(METRIC_NAMES)
        scores = [
            [each.name, *(format_score(each.summaries[part.name][metric], interval=False) for metric in metrics)]
            for each in comparison.detectors
        ]
        lines += [*_markdown_table(["detector", *(METRIC_NAMES[metric] for metric in metrics)], scores), ""]
        differences = [each for each in comparison.differences if each.part == part.name and each.metric == "macro_f1"]
        pairs = [[f"{each.first} - {each.second}", format_difference(each), format_p(each)] for each in differences]
        if pairs:
            lines += [*_markdown_table(["macro-F1 of", "difference", "p (Holm)"], pairs), ""]
    versions = ", ".join(f"{name} {version}" for name, version in comparison.versions.items())
    lines += ["## Reproduce", "", f"    {comparison.command}", "", f"{versions}.", ""]
    return "\n".join(lines)


def csv_rows(comparison: Comparison) -> Iterator[dict[str, object]]:
    """Yield one row per detector, part and metric."""
    for detector in comparison.detectors:
        for part, summaries in detector.summaries.items():
            for metric, summary in summaries.items():
                tested = comparison.difference_to_baseline(detector.name, part, metric)
                values = (
                    detector.name, part, metric, len(detector.runs), summary.mean, summary.deviation,
                    *(summary.interval or (None, None)), comparison.baseline or None,
                    *((tested.difference, *tested.interval, tested.p, tested.p_holm) if tested else [None] * 5),
                )  # fmt: skip
                yield dict(zip(CSV_COLUMNS, values, strict=True))


def format_score(summary: Summary, interval: bool = True) -> str:
    """Format a score: mean, deviation and interval."""
    if summary.mean is None:
        return "undefined"
    text = f"{summary.mean:.3f}"
    if summary.deviation is not None:
        text += f" ± {summary.deviation:.3f}"
    if interval and summary.interval is not None:
        text += f" [{summary.interval[0]:.3f}, {summary.interval[1]:.3f}]"
    return text


def format_difference(difference: Difference) -> str:
    """Format a difference with its interval."""
    return f"{difference.difference:+.3f} [{difference.interval[0]:+.3f}, {difference.interval[1]:+.3f}]"


def format_p(difference: Difference) -> str:
    """Format a corrected p-value; a star marks a significant difference."""
    text = "< 0.001" if difference.p_holm < 0.001 else f"{difference.p_holm:.3f}"
    return text + (" *" if difference.significant else "")


def _format_flips(detector: ComparedDetector, kind: Literal["missed", "false_alarms"]) -> str:
    """Format the mean share of verdicts that change over the families of edits, with the worst family."""
    share: float | None = getattr(detector, kind)
    if share is None:
        return "-"
    worst = max(detector.edits, key=lambda edit: getattr(edit, kind) or 0.0)
    return f"{share:.1%} ({worst.family} {getattr(worst, kind):.1%})"


def _runs(detector: ComparedDetector) -> str:
    return "1 (any seed)" if detector.config["model"]["name"] == "tfidf" else str(len(detector.runs))


def _markdown_table(header: list[str], rows: list[list[str]]) -> list[str]:
    return [
        f"| {' | '.join(header)} |",
        f"| --- | {' | '.join(['---:'] * (len(header) - 1))} |",
        *(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows),
    ]
