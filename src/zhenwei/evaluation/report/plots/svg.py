"""Charts as inline SVG: text stays text in the page's fonts, and colors follow the page, light or dark."""

import io
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from math import ceil
from typing import Any

import matplotlib.style
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from zhenwei.evaluation.report.formatting import shortened, text_width

NARROW, WIDE = 360, 880  # widths of charts in pixels: on a phone, and on a desktop
TEXT = 10  # font size in pixels, as in the style sheet
PIXELS_PER_INCH = 72  # of matplotlib's SVG
_STYLE = "zhenwei.evaluation.report.plots.page"
_PALETTE = files("zhenwei.evaluation.report").joinpath("templates", "palette.css").read_text(encoding="utf-8")
COLORS: dict[str, str] = dict(re.findall(r"--(\w+): (#\w{6})", _PALETTE.split("@media")[0]))
_VARIABLES = {color: f"var(--{name})" for name, color in COLORS.items()}


@dataclass(frozen=True)
class Chart:
    """A chart with the text beside it.

    Attributes:
        title: What it shows.
        note: How to read it.
        svg: The chart.
        narrow: The chart for narrow screens, where it needs another layout.
    """

    title: str
    note: str
    svg: str
    narrow: str | None = None


def render_chart(
    name: str, title: str, note: str, label: str, draw: Callable[[int], Figure], widths: Sequence[int] = (WIDE, NARROW)
) -> Chart:
    """Draw a chart in the style of the report pages.

    Args:
        name: Prefix of the ids in the SVG; unique on the page.
        title: What the chart shows.
        note: How to read it.
        label: Description for screen readers.
        draw: Draws the figure at a width in pixels.
        widths: One width, or a wide and a narrow one.
    """
    with warnings.catch_warnings(), matplotlib.style.context(_STYLE, after_reset=True):
        # Text is laid out with a font without Chinese glyphs, but shown in the page's fonts.
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        svgs = [_inline_svg(draw(width), f"{name}-{width}", label) for width in widths]
    return Chart(title, note, *svgs)


def subplots(width: float, height: float, **layout: Any) -> tuple[Figure, Any]:
    """Return a figure of a size in pixels, and its axes."""
    figure = Figure(figsize=(width / PIXELS_PER_INCH, height / PIXELS_PER_INCH))
    return figure, figure.subplots(**layout)


def add_legend(figure: Figure) -> None:
    """Add a legend of all labels below the axes, and make the figure higher by its lines."""
    found = [axes.get_legend_handles_labels() for axes in figure.axes]
    handles = {label: handle for pairs in found for handle, label in zip(*pairs, strict=True)}
    if not handles:
        return
    width = figure.get_figwidth() * PIXELS_PER_INCH
    labels = [shortened(label, width / TEXT - 4) for label in handles]
    columns = max(int(width / TEXT / (max(map(text_width, labels)) + 4)), 1)
    figure.legend(handles.values(), labels, loc="outside lower left", ncols=min(columns, len(labels)))
    figure.set_figheight(figure.get_figheight() + (16 * ceil(len(labels) / columns) + 6) / PIXELS_PER_INCH)


def _inline_svg(figure: Figure, name: str, label: str) -> str:
    """Return a figure as an `svg` element with a title per marker, the page's colors and short numbers."""
    add_legend(figure)
    out = io.StringIO()
    canvas: Any = FigureCanvasSVG(figure)
    canvas.print_svg(out, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    body = out.getvalue().partition("<svg")[2].partition(">")[2]  # matplotlib escapes all texts
    body = re.sub(r"<defs>\s*<style[^>]*>.*?</style>\s*</defs>|<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'\s*font-family: [^;"]*;?| transform="rotate\(-?0(\.0*)? [^"]*"|<g id="[^"]*"\s*/>', "", body)
    body = re.sub(r'<a xlink:href="([^"]*)"[^>]*>', r"<g><title>\1</title>", body).replace("</a>", "</g>")
    body = re.sub(r'<g id="[^"]*">', "<g>", body)
    for _ in range(2):  # groups of a single element
        body = re.sub(r"<g>\s*(<(?:path|use)[^>]*/>|<text[^>]*>[^<]*</text>)\s*</g>", r"\1", body)
    body = re.sub(r"<[^>]*>", lambda tag: _shorten_tag(tag[0], name), body)
    body = re.sub(r"\s*\n\s*", " ", body).strip()
    width, height = figure.get_size_inches() * PIXELS_PER_INCH
    opening = f'<svg role="img" aria-label="{escape(label)}" viewBox="0 0 {width:g} {height:g}"'
    return f'{opening} style="--width: {width:g}px">{body}'


def _shorten_tag(tag: str, name: str) -> str:
    """Round numbers to a hundredth of a pixel, prefix ids, and replace colors by the page's variables."""
    tag = re.sub(r"(\d\.\d\d)\d+", r"\1", tag)
    tag = re.sub(r'( id="|url\(#|xlink:href="#)', rf"\g<1>{name}-", tag)
    return re.sub(r"#\w{6}\b", lambda color: _VARIABLES.get(color[0], color[0]), tag)
