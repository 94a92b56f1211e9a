"""Elements that charts share: scores with intervals, lines with tooltips, rows with names, limits of axes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

from matplotlib.axes import Axes

from zhenwei.evaluation.report.dataset_labels import Role
from zhenwei.evaluation.report.formatting import shortened
from zhenwei.evaluation.report.plots.svg import COLORS, TEXT

Look = tuple[str, str]  # color and marker

_LARGE, _SMALL = 40, 18  # areas of markers
_ON_TOP: dict[str, Any] = {"clip_on": False, "zorder": 3}


@dataclass(frozen=True)
class Score:
    """A score in a chart.

    Attributes:
        position: On the other axis.
        value: The score.
        interval: Its interval; None where there are too few articles for one.
        tooltip: Shown when a pointer rests on the marker.
    """

    position: float
    value: float
    interval: tuple[float, float] | None
    tooltip: str


def plot_scores(
    axes: Axes, scores: Sequence[Score], role: Role, label: str | None = None, *, vertical: bool = False
) -> None:
    """Plot scores with their intervals: rings for the past, else filled; markers without an interval are small."""
    fill, edge, marker = COLORS["paper" if role == "past" else role], COLORS[role], "D" if role == "other" else "o"
    for size, has_interval in ((_LARGE, True), (_SMALL, False)):
        group = [score for score in scores if (score.interval is not None) == has_interval]
        x, y = [score.value for score in group], [score.position for score in group]
        axes.scatter(
            *((y, x) if vertical else (x, y)), s=size, c=fill, marker=marker, edgecolors=edge, linewidths=1.6,
            urls=[score.tooltip for score in group], label=label if group else None, **_ON_TOP,
        )  # fmt: skip
    bars = [(score.position, *score.interval) for score in scores if score.interval is not None]
    if bars:
        lines = axes.vlines if vertical else axes.hlines
        lines(*zip(*bars, strict=True), color=edge, linewidth=1.6, alpha=0.55, zorder=2)


def plot_line(
    axes: Axes, x: Sequence[float], y: Iterable[float | None], tooltips: Sequence[str], look: Look, label: str | None
) -> None:
    """Plot a line whose points have tooltips; it is interrupted where a value is missing."""
    values, color = list(y), COLORS[look[0]]
    axes.plot(x, [nan if value is None else value for value in values], color=color)
    known = [point for point in zip(x, values, tooltips, strict=True) if point[1] is not None]
    points: dict[str, Any] = {"s": 28, "c": color, "marker": look[1], "edgecolors": COLORS["paper"], "linewidths": 0.6}
    at, heights, urls = zip(*known, strict=True) if known else ((), (), ())
    axes.scatter(at, heights, urls=urls, label=label, **points, **_ON_TOP)


def name_rows(axes: Axes, names: Sequence[str], width: float) -> None:
    """Name the rows of a chart from top to bottom, each name in at most so many pixels, and draw a vertical grid."""
    axes.set_yticks(range(len(names)), [shortened(name, width / TEXT) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params("y", labelcolor=COLORS["ink"])
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x")
    axes.locator_params(axis="x", nbins=6)


def score_limits(scores: Iterable[Score], others: Iterable[float] = ()) -> tuple[float, float]:
    """Return the limits of an axis of scores from 0 to 1, at least 0.2 apart so that noise does not look large."""
    values = [*others, *(value for score in scores for value in (score.value, *(score.interval or ())))]
    low, high = min(values, default=0.0), max(values, default=1.0)
    low = max(min(low - 0.04, high - 0.2), 0.0)
    return low, min(max(high + 0.04, low + 0.2), 1.0)
