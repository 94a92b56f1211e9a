"""Pictures of an audit's findings: bars for categories, lines for what goes on over months."""

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from zhenwei.audit.findings import Plot
from zhenwei.evaluation.report import wording
from zhenwei.evaluation.report.plots.style import horizontal_rules, row_label, vertical_rules
from zhenwei.evaluation.report.plots.svg import (
    FAIL,
    FAKE,
    FUTURE,
    MUTED,
    NARROW,
    OTHER,
    PAPER,
    PAST,
    REAL,
    SMALL,
    WARN,
    Drawing,
    Key,
    Picture,
    house_style,
    thinned,
)  # fmt: skip

# How each series looks: colour, mark, class in the legend. Known names keep their looks in all pictures.
_LOOKS = ((FUTURE, "o", "series-1"), (PAST, "s", "series-2"), (OTHER, "^", "series-3"), (REAL, "D", "series-4"))
_KNOWN = {
    "val": (PAST, "s", "series-2"), "test": (FUTURE, "o", "series-1"), "train": (OTHER, "^", "series-3"),
    "fake": (FAKE, "o", "block fake"), "real": (REAL, "s", "block real"),
}  # fmt: skip
_LINES = {"warn": (WARN, "dashed warn"), "fail": (FAIL, "dashed fail")}
_MOST_BARS = 30
_WIDTH = 760


def finding_picture(plot: Plot, name: str) -> Picture | None:
    """Show a plot of a finding.

    Args:
        plot: What to show.
        name: Tells it from the other pictures of the page.

    Returns:
        None where it holds nothing.
    """
    if not plot.x or not any(value is not None for values in plot.series.values() for value in values):
        return None
    draw = _lines if plot.kind == "lines" else _bars
    looks = _looks(plot)
    keys = [Key(looks[series][2], series) for series in plot.series] if len(plot.series) > 1 else []
    keys += [Key(_LINES.get(key, (MUTED, "dashed"))[1], f"{key}: {value:g}") for key, value in _marked(plot).items()]
    note = f"{wording.upper_first(plot.y_label)}."
    if plot.kind == "bars" and len(plot.x) > _MOST_BARS:
        note += f" The first {_MOST_BARS} of {len(plot.x)}."
    return Picture(
        draw(plot, looks, _WIDTH, f"{name}-wide"), plot.title, note, tuple(keys),
        draw(plot, looks, NARROW, f"{name}-narrow"),
    )  # fmt: skip


def _marked(plot: Plot) -> dict[str, float]:
    return dict(plot.thresholds or {})


def _looks(plot: Plot) -> dict[str, tuple[str, str, str]]:
    """Return the looks of each series, no two alike: those of known names, and else the next free ones."""
    known = {name: _KNOWN[name] for name in plot.series if name in _KNOWN}
    free = [look for look in _LOOKS if look not in known.values()]
    looks = {}
    for name in plot.series:
        looks[name] = known[name] if name in known else free.pop(0) if free else _LOOKS[0]
    return looks


def _lines(plot: Plot, looks: dict[str, tuple[str, str, str]], width: int, name: str) -> str:
    with house_style():
        drawing = Drawing(width, 220)
        axes = drawing.axes(40, 24, 14, 26)
        for series, values in plot.series.items():
            colour, shape, _ = looks[series]
            known = [(place, value) for place, value in enumerate(values) if value is not None]
            heights: Sequence[float] = [float("nan") if value is None else value for value in values]
            axes.plot(range(len(values)), heights, color=colour, linewidth=1.5, zorder=2)
            for place, value in known:
                tip = f"{plot.x[place]}, {series}: {_figure(value)}"
                axes.plot(
                    [place], [value], shape, markersize=4.5, color=colour, markeredgecolor=PAPER, markeredgewidth=0.6,
                    gid=drawing.tip(tip), zorder=3, clip_on=False,
                )  # fmt: skip
        _draw_bounds(plot, axes.axhline)
        horizontal_rules(axes)
        ticks = thinned(len(plot.x), width - 64, max(60, 11 * max(map(wording.text_width, plot.x))))
        axes.set_xticks(list(ticks), [wording.shortened(plot.x[place], 12) for place in ticks])
        axes.set_xlim(-0.5, len(plot.x) - 0.5)
        _heights(axes, plot)
        return drawing.svg(name, f"{plot.title}: {plot.y_label}")


def _bars(plot: Plot, looks: dict[str, tuple[str, str, str]], width: int, name: str) -> str:
    """Draw bars that lie, so that names of any length can be read."""
    names = plot.x[:_MOST_BARS]
    left = min(max(map(wording.text_width, names)) * (SMALL + 1) + 12, 0.34 * width)
    row, thick = 10 + 12 * len(plot.series), 10
    with house_style():
        drawing = Drawing(width, 10 + row * len(names) + 22)
        axes = drawing.axes(left, 46, 10, 22)
        for number, label in enumerate(names):
            row_label(axes, number, wording.shortened(label, (left - 8) / (SMALL + 1)), left - 2)
        for lane, (series, values) in enumerate(plot.series.items()):
            shift = (lane - (len(plot.series) - 1) / 2) * 12 / row
            for place, value in enumerate(values[:_MOST_BARS]):
                if value is not None:
                    tip = drawing.tip(f"{plot.x[place]}, {series}: {_figure(value)}")
                    (bar,) = axes.barh([place + shift], [value], thick / row, color=looks[series][0], linewidth=0)
                    bar.set_gid(tip)
                    axes.annotate(
                        _figure(value), (value, place + shift), xytext=(4, 0), textcoords="offset pixels",
                        va="center", color=MUTED, fontsize=SMALL - 1, annotation_clip=False,
                    )  # fmt: skip
        _draw_bounds(plot, axes.axvline)
        vertical_rules(axes)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_yticks([])
        axes.xaxis.set_major_locator(MaxNLocator(5))
        _heights(axes, plot, across=True)
        return drawing.svg(name, f"{plot.title}: {plot.y_label}")


def _draw_bounds(plot: Plot, line: Callable[..., Line2D]) -> None:
    for key, value in _marked(plot).items():
        line(value, color=_LINES.get(key, (MUTED, ""))[0], linewidth=1.2, linestyle=(0, (5, 4)), zorder=1)


def _heights(axes: Axes, plot: Plot, across: bool = False) -> None:
    """Let shares run from 0 to about 1 and all else from 0 to a little above the highest."""
    known = [value for values in plot.series.values() for value in values if value is not None]
    top = max([*known, *_marked(plot).values()])
    low = min([*known, 0.0])
    high = 1.0 if 0.5 < top <= 1 else top * 1.1 or 1.0
    (axes.set_xlim if across else axes.set_ylim)(low * 1.1, high)
    if not across:
        axes.yaxis.set_major_locator(MaxNLocator(5))


def _figure(value: float) -> str:
    return wording.count(value) if float(value).is_integer() and abs(value) >= 1 else wording.score(value)
