"""Pictures of a comparison: from the past to the future, and the differences with their intervals."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from zhenwei.evaluation.comparison.records import ComparedDetector, Comparison, Difference
from zhenwei.evaluation.report import wording
from zhenwei.evaluation.report.dataset_labels import Role
from zhenwei.evaluation.report.plots.style import COLOURS, interval_mark, row_label, score_range, vertical_rules
from zhenwei.evaluation.report.plots.svg import (
    INK,
    MUTED,
    NARROW,
    SMALL,
    Drawing,
    Key,
    Picture,
    house_style,
)  # fmt: skip

ROLES: dict[str, Role] = {"val": "past", "test": "future"}
_WIDTH = 760


def part_name(name: str) -> str:
    """Return what a part is called in legends: `past (val)`."""
    return f"{ROLES[name]} ({name})" if name in ROLES else name


def change_picture(comparison: Comparison, metric: str) -> Picture | None:
    """Show each detector's score of the past and of the future on one line, with intervals and single runs.

    Returns:
        None where no detector has the score.
    """
    parts = [part.name for part in comparison.parts]
    shown = [each for each in comparison.detectors if any(_mean(each, part, metric) is not None for part in parts)]
    if not shown:
        return None
    keys = [Key(f"dot {ROLES.get(part, 'other')}", f"{part_name(part)}: mean over runs") for part in parts]
    single = (Key("tick", "single runs"),) if any(len(each.runs) > 1 for each in shown) else ()
    return Picture(
        _change_svg(shown, parts, metric, _WIDTH),
        wording.metric_name(metric),
        f"{wording.upper_first(wording.METRICS[metric][1])}.",
        (*keys, Key("whisker", "95% interval"), *single),
        _change_svg(shown, parts, metric, NARROW),
    )


def _mean(detector: ComparedDetector, part: str, metric: str) -> float | None:
    summary = detector.summaries.get(part, {}).get(metric)
    return None if summary is None else summary.mean


def _change_svg(detectors: Sequence[ComparedDetector], parts: Sequence[str], metric: str, width: int) -> str:
    most = 0.3 * width
    left = min(max(wording.text_width(each.name) for each in detectors) * (SMALL + 1) + 14, most)
    row, values = 30 + 12 * len(parts), []
    with house_style():
        drawing = Drawing(width, 12 + row * len(detectors) + 22)
        axes = drawing.axes(left, 14, 12, 22)
        for number, detector in enumerate(detectors):
            row_label(axes, number, wording.shortened(detector.name, (left - 10) / (SMALL + 1)), left - 2)
            values += _detector_row(drawing, axes, detector, parts, metric, number, 13 / row)
        vertical_rules(axes)
        axes.set_xlim(*score_range(values, 0.02))
        axes.set_ylim(len(detectors) - 0.5, -0.5)
        axes.set_yticks([])
        axes.locator_params(axis="x", nbins=6)
        name = f"change-{metric.replace('_', '-')}-{width}"
        return drawing.svg(name, f"{wording.metric_name(metric)} of each detector, past and future")


def _detector_row(
    drawing: Drawing, axes: Axes, detector: ComparedDetector, parts: Sequence[str], metric: str, y: int, step: float
) -> list[float]:
    """Draw a detector's line, one lane per part, and return all the scores on it."""
    values, ends = [], []
    for lane, part in enumerate(parts):
        summary = detector.summaries.get(part, {}).get(metric)
        if summary is None or summary.mean is None:
            continue
        role, place = ROLES.get(part, "other"), y + (lane - (len(parts) - 1) / 2) * step * 1.5
        single = [value for run in detector.runs if (value := run.scores.get(part, {}).get(metric)) is not None]
        tip = f"{detector.name}, {part_name(part)}: {wording.score(summary.mean)}"
        if summary.interval is not None:
            tip += f" ({wording.interval(summary.interval)})"
        if len(single) > 1:
            axes.plot(single, [place] * len(single), "|", markersize=11, color=COLOURS[role], alpha=0.75, zorder=2)
        interval_mark(drawing, axes, (summary.mean, place), summary.interval, role, tip)
        ends.append((summary.mean, place))
        values += [summary.mean, *(summary.interval or ()), *single]
    if len(ends) > 1:
        axes.plot(*zip(*ends, strict=True), color=MUTED, linewidth=1, alpha=0.7, zorder=1)
    return values


def difference_picture(comparison: Comparison, metric: str) -> Picture | None:
    """Show the paired differences of a metric with their intervals; significant ones are filled.

    Returns:
        None where there are none.
    """
    last = comparison.parts[-1].name if comparison.parts else ""
    found = [each for each in comparison.differences if each.metric == metric and each.part == last]
    if not found:
        return None
    return Picture(
        _difference_svg(found, metric, _WIDTH),
        f"Differences in {wording.metric_name(metric)}, {part_name(last)}",
        "First minus second, paired over articles and seeds; p-values corrected by Holm.",
        (Key("dot future", "significant at 0.05"), Key("dot past", "not significant"), Key("whisker", "95% interval")),
        _difference_svg(found, metric, NARROW),
    )


def _difference_svg(found: Sequence[Difference], metric: str, width: int) -> str:
    with house_style():
        drawing = Drawing(width, 14 + 46 * len(found) + 22)
        axes = drawing.axes(4, 14, 14, 22)
        ends = [end for each in found for end in (*each.interval, each.difference, 0.0)]
        span = max(abs(end) for end in ends) * 1.08 or 0.1
        for number, each in enumerate(found):
            name = wording.shortened(f"{each.first} − {each.second}", 0.6 * width / SMALL)
            figures = f"{wording.signed(each.difference)}, {wording.p_value(each.p_holm)}"
            for place, text, side, colour in ((0, name, "left", INK), (1, figures, "right", MUTED)):
                axes.annotate(
                    text, (place, number - 0.22), xycoords=("axes fraction", "data"), ha=side, va="center",
                    color=colour, fontsize=SMALL, annotation_clip=False,
                )  # fmt: skip
            tip = f"{each.first} − {each.second}: {figures} ({wording.signed(each.interval[0])} to "
            tip += f"{wording.signed(each.interval[1])})"
            role: Role = "future" if each.significant else "past"
            interval_mark(drawing, axes, (each.difference, number + 0.22), each.interval, role, tip)
        vertical_rules(axes)
        axes.axvline(0, color=INK, linewidth=1, zorder=1)
        axes.set_xlim(-span, span)
        axes.set_ylim(len(found) - 0.5, -0.5)
        axes.set_yticks([])
        axes.locator_params(axis="x", nbins=5)
        return drawing.svg(f"differences-{metric.replace('_', '-')}-{width}", f"Differences in {metric}")
