"""Charts of an audit's findings: bars for categories, lines for series over months."""

from functools import partial
from itertools import cycle

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from zhenwei.audit.findings import Plot
from zhenwei.evaluation.report import formatting
from zhenwei.evaluation.report.plots.style import Look, name_rows, plot_line
from zhenwei.evaluation.report.plots.svg import COLORS, Chart, render_chart, subplots

# Color and marker of each series; series of other names get those that are not in use.
_LOOKS = {
    "test": ("future", "o"),
    "val": ("past", "s"),
    "train": ("other", "^"),
    "real": ("real", "D"),
    "fake": ("fake", "o"),
}
_MAX_BARS = 30


def finding_chart(plot: Plot, name: str) -> Chart | None:
    """Return the chart of a finding.

    Args:
        plot: The data.
        name: Prefix of the ids in the SVG; unique on the page.

    Returns:
        None where there is no data.
    """
    if not plot.x or not any(value is not None for values in plot.series.values() for value in values):
        return None
    note = f"{formatting.capitalize_first(plot.y_label)}."
    if plot.kind == "bars" and len(plot.x) > _MAX_BARS:
        note += f" The first {_MAX_BARS} of {len(plot.x)}."
    draw = partial(_draw_lines if plot.kind == "lines" else _draw_bars, plot)
    return render_chart(name, plot.title, note, f"{plot.title}: {plot.y_label}", draw, (760, 360))


def _looks(plot: Plot) -> dict[str, Look]:
    unused = cycle([look for name, look in _LOOKS.items() if name not in plot.series] or _LOOKS.values())
    return {name: _LOOKS.get(name) or next(unused) for name in plot.series}


def _label(plot: Plot, series: str) -> str | None:
    return series if len(plot.series) > 1 else None  # the title names a single one


def _draw_lines(plot: Plot, width: int) -> Figure:
    figure, axes = subplots(width, 220)
    for series, look in _looks(plot).items():
        values = plot.series[series]
        tooltips = [f"{x}, {series}: {formatting.cell(value)}" for x, value in zip(plot.x, values, strict=True)]
        plot_line(axes, range(len(values)), values, tooltips, look, _label(plot, series))
    for name, value in (plot.thresholds or {}).items():
        axes.axhline(value, color=COLORS.get(name, COLORS["muted"]), linestyle="dashed", label=f"{name}: {value:g}")
    space = max(60, 11 * max(map(formatting.text_width, plot.x)))
    ticks = range(0, len(plot.x), 1 + int(space * len(plot.x) / width))
    axes.set_xticks(ticks, [formatting.shortened(plot.x[tick], 12) for tick in ticks])
    axes.set(xlim=(-0.5, len(plot.x) - 0.5), ylim=_limits(plot))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    return figure


def _draw_bars(plot: Plot, width: int) -> Figure:
    names, height = plot.x[:_MAX_BARS], 10 + 12 * len(plot.series)
    figure, axes = subplots(width, 32 + height * len(names))
    name_rows(axes, names, 0.34 * width)
    for lane, (series, (color, _)) in enumerate(_looks(plot).items()):
        bars = {row: value for row, value in enumerate(plot.series[series][:_MAX_BARS]) if value is not None}
        y = [row + (lane - (len(plot.series) - 1) / 2) * 12 / height for row in bars]
        container = axes.barh(y, bars.values(), 10 / height, color=COLORS[color], label=_label(plot, series))
        axes.bar_label(container, map(formatting.cell, bars.values()), padding=4, fontsize=9)
        for bar, (row, value) in zip(container, bars.items(), strict=True):
            bar.set_url(f"{plot.x[row]}, {series}: {formatting.cell(value)}")
    for name, value in (plot.thresholds or {}).items():
        axes.axvline(value, color=COLORS.get(name, COLORS["muted"]), linestyle="dashed", label=f"{name}: {value:g}")
    axes.set_xlim(*_limits(plot))
    return figure


def _limits(plot: Plot) -> tuple[float, float]:
    """Return the limits of the axis of values: 0 to 1 for shares, else from 0 to a little above the largest value."""
    values = [value for values in plot.series.values() for value in values if value is not None]
    high = max(*values, *(plot.thresholds or {}).values(), 0)
    return min(*values, 0) * 1.1, 1.0 if 0.5 < high <= 1 else high * 1.1 or 1.0
