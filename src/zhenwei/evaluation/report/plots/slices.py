"""Scores by slice: over time, and by domain, length and entities."""

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from itertools import repeat
from math import nan
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from zhenwei.evaluation.records import Slice
from zhenwei.evaluation.report import formatting
from zhenwei.evaluation.report.dataset_labels import DatasetResult
from zhenwei.evaluation.report.plots.style import Score, name_rows, plot_scores, score_limits
from zhenwei.evaluation.report.plots.svg import COLORS, Chart, render_chart, subplots

METRIC = "macro_f1"
METRIC_NAME = formatting.metric_name(METRIC)
MAX_ROWS = 24  # the table has all
TITLES = {"domain": "By domain", "length": "By length, in characters", "entities": "By named entities"}
_TIMES = ("month", "year")
_INTERVALS = "Lines: 95% intervals; small markers: too few articles for one."


def time_chart(results: Sequence[DatasetResult]) -> Chart | None:
    """Return the scores by month or year, past and future side by side, above the numbers of articles.

    Returns:
        None where no article has a time, or all are of one month.
    """
    results = [result for result in results if result.slices(*_TIMES)]
    names = sorted({each.name for result in results for each in result.slices(*_TIMES)})
    if len(names) < 2:
        return None
    title = f"{METRIC_NAME} by {'year' if len(names[0]) == 4 else 'month'}"
    note = f"{_INTERVALS} A dashed line is the score of all articles."
    label = f"{METRIC_NAME} from {names[0]} to {names[-1]}"
    return render_chart("time", title, note, label, partial(_draw_time, results, names))


def _draw_time(results: Sequence[DatasetResult], names: Sequence[str], width: int) -> Figure:
    positions = dict(zip(names, _time_positions(names), strict=True))
    slices = [each for result in results for each in result.slices(*_TIMES)]
    counts = Counter(each.name for each in slices)
    figure, (above, below) = subplots(width, 300, nrows=2, sharex=True, height_ratios=(3, 1))
    for number, result in enumerate(results):
        shift = 0.4 * (number - (len(results) - 1) / 2)  # beside each other in months that both have
        own = sorted(result.slices(*_TIMES), key=lambda each: each.name)
        x = [positions[each.name] + (shift if counts[each.name] > 1 else 0) for each in own]
        _draw_scores(above, result, own, x)
        _draw_counts(below, result, own, x, 0.36 if shift else 0.66)
    above.set(title=METRIC_NAME, ylim=score_limits(_all_scores(results, _TIMES)))
    below.set(title="articles", yticks=[0, max(each.n for each in slices)], xlim=(-0.6, max(positions.values()) + 0.6))
    ticks = names[:: 1 + 62 * len(names) // width]
    below.set_xticks([positions[name] for name in ticks], ticks)
    return figure


def _time_positions(names: Sequence[str]) -> list[float]:
    """Return the positions of names in order: of months in proportion to time, of all others one after the other."""
    with suppress(ValueError):  # such as "no time"
        months = np.array(names, dtype="datetime64[M]").astype(int)
        positions = (months - months[0]) / (12 if len(names[0]) == 4 else 1)
        if positions[-1] <= 4 * len(names):  # else so scattered that markers would lie on each other
            return [*map(float, positions)]
    return [*map(float, range(len(names)))]


def _draw_scores(axes: Axes, result: DatasetResult, slices: Sequence[Slice], x: Sequence[float]) -> None:
    heights = [nan if (value := each.scores.get(METRIC)) is None else value for each in slices]
    axes.plot(x, heights, color=COLORS[result.role], linewidth=1, alpha=0.4, zorder=1)
    plot_scores(axes, _scores(result, slices, x), result.role, result.name, vertical=True)
    total = result.evaluation.scores.get(METRIC)
    if total is not None:
        axes.hlines(total, x[0] - 0.3, x[-1] + 0.3, color=COLORS[result.role], linewidth=1.1, linestyle="dashed")


def _draw_counts(axes: Axes, result: DatasetResult, slices: Sequence[Slice], x: Sequence[float], width: float) -> None:
    fake, real = [each.n_fake for each in slices], [each.n - each.n_fake for each in slices]
    axes.bar(x, fake, width, color=COLORS["fake"], alpha=0.85, label="fake articles")
    bars = axes.bar(x, real, width, fake, color=COLORS["real"], alpha=0.6, label="real articles")
    for bar, each in zip(bars, slices, strict=True):
        bar.set_url(_tooltip(each, result.name))


def slice_chart(results: Sequence[DatasetResult], kind: str) -> Chart | None:
    """Return the score of each slice of a kind with its interval and number of articles, one row per slice.

    Returns:
        None where there are no slices of the kind.
    """
    sizes: Counter[str] = Counter()
    for result in results:
        sizes.update({each.name: each.n for each in result.slices(kind)})
    if not sizes:
        return None
    names = [name for name, _ in sizes.most_common()] if kind == "domain" else [*sizes]
    note = f"{METRIC_NAME}. {_INTERVALS}"
    if len(names) > MAX_ROWS:
        note += f" The {MAX_ROWS} largest of {len(names)}; the table has all."
    label = f"{METRIC_NAME} {TITLES[kind].lower()}"
    draw = partial(_draw_rows, results, kind, names[:MAX_ROWS])
    return render_chart(f"slices-{kind}", TITLES[kind], note, label, draw, [400])


def _draw_rows(results: Sequence[DatasetResult], kind: str, names: Sequence[str], width: int) -> Figure:
    results = [result for result in results if result.slices(kind)]
    figure, axes = subplots(width, 42 + (14 + 14 * len(results)) * len(names))
    name_rows(axes, names, width / 3)
    beside: Any = {
        "xycoords": axes.get_yaxis_transform(), "xytext": (44, 0), "textcoords": "offset pixels", "ha": "right",
        "va": "center",
    }  # fmt: skip
    axes.annotate("articles", (1, -0.8), **beside)
    for number, result in enumerate(results):
        shift = 0.48 * (number - (len(results) - 1) / 2)
        own = [each for each in result.slices(kind) if each.name in names]
        y = [names.index(each.name) + shift for each in own]
        plot_scores(axes, _scores(result, own, y), result.role, result.name)
        for each, row in zip(own, y, strict=True):
            axes.annotate(formatting.count(each.n), (1, row), color=COLORS[result.role], **beside)
            if each.scores.get(METRIC) is None:
                axes.text(0, row, _reason(each), transform=axes.get_yaxis_transform(), va="center", fontsize=9)
    axes.set_xlim(*score_limits(_all_scores(results, TITLES)))  # the same limits in all charts
    return figure


def _reason(part: Slice) -> str:
    """Return why a slice has no score."""
    if 0 < part.n_fake < part.n:
        return "undefined"
    return "no articles" if not part.n else "only fakes" if part.n_fake else "only real ones"


def _scores(result: DatasetResult, slices: Iterable[Slice], positions: Iterable[float]) -> list[Score]:
    return [
        Score(position, value, each.intervals.get(METRIC), _tooltip(each, result.name))
        for each, position in zip(slices, positions, strict=False)
        if (value := each.scores.get(METRIC)) is not None
    ]


def _all_scores(results: Sequence[DatasetResult], kinds: Iterable[str]) -> list[Score]:
    return [score for result in results for score in _scores(result, result.slices(*kinds), repeat(0))]


def _tooltip(part: Slice, name: str) -> str:
    score = formatting.score_with_interval(part.scores.get(METRIC), part.intervals.get(METRIC))
    counts = f"{formatting.count(part.n)} articles, {formatting.count(part.n_fake)} fake"
    return f"{part.name}, {name}: {METRIC_NAME} {score}; {counts}"
