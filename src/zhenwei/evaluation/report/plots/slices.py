"""Scores by slice: over time, and by domain, length and entities."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes

from zhenwei.evaluation.records import Slice
from zhenwei.evaluation.report import wording
from zhenwei.evaluation.report.dataset_labels import Judged
from zhenwei.evaluation.report.plots.style import (
    COLOURS,
    horizontal_rules,
    interval_mark,
    role_keys,
    row_label,
    score_range,
    vertical_rules,
)  # fmt: skip
from zhenwei.evaluation.report.plots.svg import (
    FAKE,
    MUTED,
    NARROW,
    REAL,
    SMALL,
    WIDE,
    Drawing,
    Key,
    Picture,
    house_style,
    thinned,
)  # fmt: skip

METRIC = "macro_f1"
MOST_ROWS = 24  # more are in the table
TITLES = {
    "domain": "By domain",
    "length": "By length, in characters",
    "entities": "By named entities",
}


def shown(part: Slice) -> float | None:
    """Return the score that pictures show of a slice."""
    return part.scores.get(METRIC)


def _tip(part: Slice, name: str) -> str:
    bounds = part.intervals.get(METRIC)
    of = f" ({wording.interval(bounds)})" if bounds else ""
    return (
        f"{part.name}, {name}: {wording.metric_name(METRIC)} {wording.score(shown(part))}{of}; "
        f"{wording.count(part.n)} articles, {wording.count(part.n_fake)} fake"
    )


def _values(slices: Sequence[Slice]) -> Iterator[float]:
    for part in slices:
        value = shown(part)
        if value is not None:
            yield value
            yield from part.intervals.get(METRIC) or ()


def time_picture(parts: Sequence[Judged]) -> Picture | None:
    """Show the score by month (or year), the past beside the future, over how many articles there were.

    Returns:
        None where no article has a time, or all are of one month.
    """
    spans = [part for part in parts if part.slices("month", "year")]
    names = sorted({each.name for part in spans for each in part.slices("month", "year")})
    if len(names) < 2:
        return None
    step = "year" if len(names[0]) == 4 else "month"
    return Picture(
        _time_svg(spans, names, WIDE, "time"),
        f"{wording.metric_name(METRIC)} by {step}",
        "Below: the articles of each, fakes at the bottom. A dashed line is the score of the whole part.",
        (*role_keys(spans), Key("block fake", "fake"), Key("block real", "real")),
        _time_svg(spans, names, NARROW, "time-narrow"),
    )


def _time_svg(parts: Sequence[Judged], names: Sequence[str], width: int, name: str) -> str:
    places = _places(names)
    end = max(places.values())
    with house_style():
        drawing = Drawing(width, 300)
        above, below = drawing.axes(34, 24, 26, 98), drawing.axes(34, 24, 226, 24)
        drawing.note(above, wording.metric_name(METRIC))
        drawing.note(below, "articles")
        for number, part in enumerate(parts):
            shift = 0.4 * (number - (len(parts) - 1) / 2)
            _time_marks(drawing, above, part, _beside(part, parts, places, shift))
            _time_bars(drawing, below, part, _beside(part, parts, places, shift), 0.36 if shift else 0.66)
        slices = [each for part in parts for each in part.slices("month", "year")]
        above.set_ylim(*score_range([*_values(slices)] or [0.0, 1.0]))
        horizontal_rules(above)
        below.set_yticks([0, max(each.n for each in slices)])
        ticks = [names[at] for at in thinned(len(names), width - 58, 62)]
        for axes in (above, below):
            axes.set_xlim(-0.6, end + 0.6)
            axes.set_xticks([places[each] for each in ticks], ticks if axes is below else [""] * len(ticks))
        return drawing.svg(name, f"{wording.metric_name(METRIC)} from {names[0]} to {names[-1]}")


def _places(names: Sequence[str]) -> dict[str, float]:
    """Return where names stand on the axis: months as far apart as they are, or else one after the other."""
    try:
        months = [12 * int(name[:4]) + int(name[5:7] or 0) / (1 if len(name) > 4 else 12) for name in names]
    except ValueError:
        return {name: float(place) for place, name in enumerate(names)}
    unit = 12 if len(names[0]) == 4 else 1
    if (months[-1] - months[0]) / unit > 4 * len(names):  # so scattered that marks would be lost
        return {name: float(place) for place, name in enumerate(names)}
    return {name: (month - months[0]) / unit for name, month in zip(names, months, strict=True)}


def _beside(part: Judged, parts: Sequence[Judged], places: dict[str, float], shift: float) -> dict[str, float]:
    """Move a part's marks aside in the months that it shares with another part."""
    others = {each.name for other in parts if other is not part for each in other.slices("month", "year")}
    return {name: place + shift if name in others else place for name, place in places.items()}


def _time_marks(drawing: Drawing, axes: Axes, part: Judged, places: dict[str, float]) -> None:
    points = []
    for each in part.slices("month", "year"):
        value = shown(each)
        points.append((places[each.name], value, each))
        if value is not None:
            place, bounds = (points[-1][0], value), each.intervals.get(METRIC)
            interval_mark(drawing, axes, place, bounds, part.role, _tip(each, part.name), upright=True)
    colour = COLOURS[part.role]
    for (x, y, _), (next_x, next_y, _) in pairwise(sorted(points, key=lambda point: point[0])):
        if y is not None and next_y is not None:
            axes.plot([x, next_x], [y, next_y], color=colour, linewidth=1, alpha=0.4, zorder=1)
    whole = part.assessment.scores.get(METRIC)
    if whole is not None and points:
        ends = (min(x for x, _, _ in points) - 0.3, max(x for x, _, _ in points) + 0.3)
        axes.plot(ends, [whole, whole], color=colour, linewidth=1.1, linestyle=(0, (5, 4)), zorder=1)


def _time_bars(drawing: Drawing, axes: Axes, part: Judged, places: dict[str, float], thick: float) -> None:
    for each in part.slices("month", "year"):
        place, gid = places[each.name], drawing.tip(_tip(each, part.name))
        axes.bar([place], [each.n_fake], thick, color=FAKE, alpha=0.85, linewidth=0)
        bars = axes.bar([place], [each.n - each.n_fake], thick, bottom=[each.n_fake], color=REAL, alpha=0.6)
        for bar in bars:
            bar.set(gid=gid, linewidth=0)


def slice_picture(parts: Sequence[Judged], kind: str) -> Picture | None:
    """Show the score of each slice of a kind with its interval and its articles, one row per slice.

    Returns:
        None where there are no slices of the kind.
    """
    with_slices = [part for part in parts if part.slices(kind)]
    names = _row_names(with_slices, kind)
    if not names:
        return None
    rows = names[:MOST_ROWS]
    note = f"The {len(rows)} largest of {len(names)}; the table has all." if len(rows) < len(names) else ""
    return Picture(
        _rows_svg(with_slices, kind, rows),
        TITLES.get(kind, kind),
        f"{wording.metric_name(METRIC)}. {note}".strip(),
        role_keys(with_slices),
    )


def _row_names(parts: Sequence[Judged], kind: str) -> list[str]:
    """Return the names of a kind's slices: domains by their size, all others in the order of the assessment."""
    sizes: dict[str, int] = {}
    for part in parts:
        for each in part.slices(kind):
            sizes[each.name] = sizes.get(each.name, 0) + each.n
    return sorted(sizes, key=lambda name: -sizes[name]) if kind == "domain" else list(sizes)


def _rows_svg(parts: Sequence[Judged], kind: str, names: Sequence[str]) -> str:
    left = min(max(wording.text_width(name) for name in names) * (SMALL + 1) + 12, 132)
    row = 14.0 + 14.0 * len(parts)
    with house_style():
        drawing = Drawing(400, 22 + row * len(names) + 20)
        axes = drawing.axes(left, 48, 22, 20)
        axes.annotate(
            "articles", (1, 1), xycoords="axes fraction", xytext=(46, 8), textcoords="offset pixels", ha="right",
            color=MUTED, fontsize=SMALL,
        )  # fmt: skip
        for number, name in enumerate(names):
            row_label(axes, number, wording.shortened(name, (left - 8) / (SMALL + 1)), left - 2)
        for number, part in enumerate(parts):
            shift = (number - (len(parts) - 1) / 2) * 13 / row
            for each in part.slices(kind):
                if each.name in names:
                    _row_mark(drawing, axes, part, each, names.index(each.name) + shift)
        vertical_rules(axes)
        everywhere = [each for part in parts for each in part.slices(*TITLES)]  # one range, for eyes to compare
        axes.set_xlim(*score_range([*_values(everywhere)] or [0.0, 1.0]))
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_yticks([])
        axes.locator_params(axis="x", nbins=5)
        return drawing.svg(f"slices-{kind}", f"{wording.metric_name(METRIC)} {TITLES.get(kind, kind).lower()}")


def _row_mark(drawing: Drawing, axes: Axes, part: Judged, each: Slice, y: float) -> None:
    value, colour = shown(each), COLOURS[part.role]
    at_row: Any = {"xycoords": ("axes fraction", "data"), "textcoords": "offset pixels", "va": "center"}
    axes.annotate(
        wording.count(each.n), (1, y), xytext=(46, 0), ha="right", color=colour, fontsize=SMALL, annotation_clip=False,
        **at_row,
    )  # fmt: skip
    if value is not None:
        interval_mark(drawing, axes, (value, y), each.intervals.get(METRIC), part.role, _tip(each, part.name))
        return
    only = "no articles" if not each.n else "only fakes" if each.n_fake == each.n else "only real ones"
    text = only if each.n_fake in (0, each.n) else "undefined"
    axes.annotate(text, (0, y), xytext=(3, 0), color=MUTED, fontsize=SMALL - 1, annotation_clip=False, **at_row)
