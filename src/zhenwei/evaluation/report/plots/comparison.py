"""Charts of a comparison: scores on past and future, and the differences with their intervals."""

from collections.abc import Sequence
from functools import partial

from matplotlib.figure import Figure

from zhenwei.evaluation.comparison.records import ComparedDetector, Comparison, Difference
from zhenwei.evaluation.report import formatting
from zhenwei.evaluation.report.dataset_labels import ROLES, dataset_name
from zhenwei.evaluation.report.plots.style import Score, name_rows, plot_scores, score_limits
from zhenwei.evaluation.report.plots.svg import COLORS, TEXT, Chart, render_chart, subplots

_WIDTHS = (760, 360)


def change_chart(comparison: Comparison, metric: str) -> Chart | None:
    """Return each detector's scores on past and future, with intervals and single runs.

    Returns:
        None where no detector has the score.
    """
    parts = [part.name for part in comparison.parts]
    scored = {name for part in parts for name in comparison.means(part, metric)}
    detectors = [each for each in comparison.detectors if each.name in scored]
    if not detectors:
        return None
    name = formatting.metric_name(metric)
    note = f"{formatting.capitalize_first(formatting.METRICS[metric][1])}. Lines: 95% intervals."
    label = f"{name} of each detector, past and future"
    draw = partial(_draw_change, detectors, parts, metric)
    return render_chart(f"change-{metric.replace('_', '-')}", name, note, label, draw, _WIDTHS)


def _draw_change(detectors: Sequence[ComparedDetector], parts: Sequence[str], metric: str, width: int) -> Figure:
    figure, axes = subplots(width, 34 + (30 + 12 * len(parts)) * len(detectors))
    name_rows(axes, [detector.name for detector in detectors], 0.3 * width)
    all_runs: list[float] = []
    all_scores: list[Score] = []
    means: dict[int, list[tuple[float, float]]] = {row: [] for row in range(len(detectors))}
    for lane, part in enumerate(parts):
        scores = []
        for row, detector in enumerate(detectors):
            summary, y = detector.summaries.get(part, {}).get(metric), row + 0.36 * (lane - (len(parts) - 1) / 2)
            if summary is None or summary.mean is None:
                continue
            text = formatting.score_with_interval(summary.mean, summary.interval)
            scores.append(Score(y, summary.mean, summary.interval, f"{detector.name}, {dataset_name(part)}: {text}"))
            means[row].append((summary.mean, y))
            runs = [value for run in detector.runs if (value := run.scores.get(part, {}).get(metric)) is not None]
            all_runs += runs
            if len(runs) > 1:
                color = COLORS[ROLES.get(part, "other")]
                axes.plot(runs, [y] * len(runs), "|", markersize=11, color=color, alpha=0.75, label="single run")
        plot_scores(axes, scores, ROLES.get(part, "other"), f"{dataset_name(part)}: mean over runs")
        all_scores += scores
    for points in means.values():
        axes.plot(*zip(*points, strict=True), color=COLORS["muted"], linewidth=1, alpha=0.7, zorder=1)
    axes.set_xlim(*score_limits(all_scores, all_runs))
    return figure


def difference_chart(comparison: Comparison, metric: str) -> Chart | None:
    """Return the paired differences of a metric with their intervals; significant ones are filled.

    Returns:
        None where there are none.
    """
    last = comparison.parts[-1].name
    differences = [each for each in comparison.differences if each.metric == metric and each.part == last]
    if not differences:
        return None
    name = formatting.metric_name(metric)
    note = "First minus second, paired over articles and seeds; p-values corrected by Holm. Lines: 95% intervals."
    return render_chart(
        f"differences-{metric.replace('_', '-')}", f"Differences in {name}, {dataset_name(last)}", note,
        f"Differences in {name}", partial(_draw_differences, differences), _WIDTHS,
    )  # fmt: skip


def _draw_differences(differences: Sequence[Difference], width: int) -> Figure:
    figure, axes = subplots(width, 36 + 46 * len(differences))
    name_rows(axes, [""] * len(differences), width)
    scores: dict[bool, list[Score]] = {True: [], False: []}
    for row, each in enumerate(differences):
        names, figures = (
            f"{each.first} − {each.second}",
            f"{formatting.signed(each.difference)}, {formatting.p_value(each.p_holm)}",
        )
        low, high = map(formatting.signed, each.interval)
        tooltip = f"{names}: {figures} ({low} to {high})"
        scores[each.significant].append(Score(row + 0.22, each.difference, each.interval, tooltip))
        left = formatting.shortened(names, 0.6 * width / TEXT)
        across = {"transform": axes.get_yaxis_transform(), "va": "center"}
        axes.text(0, row - 0.22, left, color=COLORS["ink"], **across)
        axes.text(1, row - 0.22, figures, ha="right", **across)
    plot_scores(axes, scores[True], "future", "significant at 0.05")
    plot_scores(axes, scores[False], "past", "not significant")
    axes.axvline(0, color=COLORS["ink"], linewidth=1, zorder=1)
    limit = max(abs(end) for each in differences for end in (*each.interval, each.difference)) * 1.08 or 0.1
    axes.set_xlim(-limit, limit)
    return figure
