"""The marks that pictures share: a score with its interval, past and future told apart by colour and by shape."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from zhenwei.evaluation.report.dataset_labels import Judged, Role
from zhenwei.evaluation.report.plots.svg import FUTURE, INK, OTHER, PAPER, PAST, RULE, SMALL, Drawing, Key

COLOURS: dict[Role, str] = {"past": PAST, "future": FUTURE, "other": OTHER}
SHAPES: dict[Role, str] = {"past": "o", "future": "o", "other": "D"}


def interval_mark(
    drawing: Drawing,
    axes: Axes,
    place: tuple[float, float],
    bounds: tuple[float, float] | None,
    role: Role,
    tip: str,
    upright: bool = False,
) -> None:
    """Mark a score: a ring for the past, a disc for the future, small without the line that is its interval.

    Args:
        drawing: Holds the texts that marks show when pointed at.
        axes: Where to draw.
        place: The score's place on the axes, (x, y).
        bounds: The interval, along x, or along y where upright.
        role: Past, future or neither.
        tip: What the mark says when pointed at.
        upright: Whether scores run along y.
    """
    colour, (x, y) = COLOURS[role], place
    if bounds is not None:
        ends: tuple[Any, Any] = ([x, x], bounds) if upright else (bounds, [y, y])
        axes.plot(*ends, color=colour, linewidth=1.6, alpha=0.55, solid_capstyle="round", zorder=2)
    size, edge, alpha = (6.5, 1.7, 1.0) if bounds is not None else (4.0, 1.2, 0.65)
    axes.plot(
        [x], [y], SHAPES[role], markersize=size, markeredgewidth=edge, alpha=alpha, markeredgecolor=colour,
        markerfacecolor=PAPER if role == "past" else colour, zorder=3, gid=drawing.tip(tip), clip_on=False,
    )  # fmt: skip


def role_keys(
    parts: Sequence[Judged], interval: str = "95% interval; small marks: too few articles for one"
) -> tuple[Key, ...]:
    """Return the legend of parts that are told apart by their marks."""
    return (*(Key(f"dot {part.role}", part.name) for part in parts), Key("whisker", interval))


def score_range(values: Sequence[float], room: float = 0.04) -> tuple[float, float]:
    """Return the range of an axis of scores from 0 to 1: wide enough for all, and never so narrow that noise looms."""
    low, high = max(min(values) - room, 0.0), min(max(values) + room, 1.0)
    if high - low < 0.2:
        low, high = max(min(low, high - 0.2), 0.0), min(max(high, low + 0.2), 1.0)
    return low, high


def vertical_rules(axes: Axes) -> None:
    """Draw fine lines up from the ticks below."""
    axes.grid(axis="x", color=RULE, linewidth=0.8)
    axes.spines["bottom"].set_visible(False)


def horizontal_rules(axes: Axes) -> None:
    """Draw fine lines across from the ticks at the left."""
    axes.grid(axis="y", color=RULE, linewidth=0.8)


def row_label(axes: Axes, y: float, text: str, left: float) -> None:
    """Name a row, at the far left, in ink."""
    axes.annotate(
        text, (0, y), xycoords=("axes fraction", "data"), xytext=(-left, 0), textcoords="offset pixels", va="center",
        color=INK, fontsize=SMALL + 1, annotation_clip=False,
    )  # fmt: skip
