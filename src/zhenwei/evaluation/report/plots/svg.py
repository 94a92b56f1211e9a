"""Pictures as inline SVG: text stays text in the page's fonts, and colours follow the page, light or dark."""

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

# Colours that stand for the page's own: each is replaced by a variable of its style sheet.
INK, MUTED, RULE, PAPER = "#010101", "#010102", "#010103", "#010104"
PAST, FUTURE, FAKE, REAL = "#010105", "#010106", "#010107", "#010108"
WARN, FAIL, OTHER = "#010109", "#01010a", "#01010b"
_VARIABLES = {
    INK: "ink", MUTED: "muted", RULE: "rule", PAPER: "paper", PAST: "past", FUTURE: "future", FAKE: "fake",
    REAL: "real", WARN: "warn", FAIL: "fail", OTHER: "other",
}  # fmt: skip

TEXT, SMALL = 11.0, 10.0  # sizes of text, in pixels of a picture that is shown at its own size
NARROW, WIDE = 360, 880  # widths of pictures: a telephone's, and the page's on a desk
_PER_INCH = 72  # matplotlib's SVG has 72 pixels in an inch
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none", "svg.hashsalt": "zhenwei", "text.parse_math": False, "font.family": ["DejaVu Sans"],
    "font.size": TEXT, "axes.unicode_minus": True, "path.simplify": False,
}  # fmt: skip


@dataclass(frozen=True)
class Key:
    """A line of a legend: how a mark looks (a class of the style sheet), and what it stands for."""

    mark: str
    text: str


@dataclass(frozen=True)
class Picture:
    """A picture with all that a page says beside it.

    Attributes:
        svg: The picture.
        title: What it shows.
        note: How to read it.
        legend: What its marks are.
        narrow: The same for narrow screens, where another layout reads better.
    """

    svg: str
    title: str
    note: str = ""
    legend: tuple[Key, ...] = ()
    narrow: str | None = None


class Drawing:
    """A canvas measured in pixels, whose marks can say what they are when a mouse rests on them."""

    def __init__(self, width: float, height: float) -> None:
        """Take the size in pixels."""
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width / _PER_INCH, height / _PER_INCH), dpi=_PER_INCH, facecolor="none")
        self.tips: list[str] = []

    def axes(self, left: float, right: float, top: float, bottom: float) -> Axes:
        """Return axes with these distances in pixels from the edges of the picture."""
        across, up = self.width - left - right, self.height - top - bottom
        box = (left / self.width, bottom / self.height, across / self.width, up / self.height)
        axes = self.figure.add_axes(box, facecolor="none")
        for name, spine in axes.spines.items():
            spine.set_visible(name == "bottom")
            spine.set(color=RULE, linewidth=1)
        axes.tick_params(length=0, pad=5, colors=MUTED, labelsize=SMALL)
        axes.tick_params(axis="x", pad=7)
        axes.set_axisbelow(True)
        return axes

    def tip(self, text: str) -> str:
        """Return the `gid` of a mark that shows a text when pointed at."""
        self.tips.append(text)
        return f"tip-{len(self.tips) - 1}"

    def note(self, axes: Axes, text: str) -> None:
        """Name what heights are, in small print above the axes' left end."""
        axes.annotate(
            text, (0, 1), xycoords="axes fraction", xytext=(-2, 8), textcoords="offset pixels", color=MUTED,
            fontsize=SMALL, annotation_clip=False,
        )  # fmt: skip

    def svg(self, name: str, label: str) -> str:
        """Return the picture as an `svg` element.

        Args:
            name: Tells its inner names from those of the page's other pictures.
            label: What it shows, for those who cannot see it.
        """
        out = io.StringIO()
        nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
        canvas: Any = FigureCanvasSVG(self.figure)
        canvas.print_svg(out, metadata=nothing)
        return self._inline(out.getvalue(), name, label)  # matplotlib has escaped all texts

    def _inline(self, text: str, name: str, label: str) -> str:
        body = text[text.index(">", text.index("<svg")) + 1 :]
        body = re.sub(r"<defs>\s*<style[^>]*>.*?</style>\s*</defs>|<metadata>.*?</metadata>", "", body, flags=re.S)
        body = re.sub(r"\s*font-family: [^;\"]*;?", "", body)
        body = re.sub(r' transform="rotate\(-?0(?:\.0*)? [^"]*"', "", body)
        body = re.sub(r'<g id="[^"]*"\s*/>', "", body)
        body = re.sub(r"<[^>]*>", _with_short_numbers, body)
        body = re.sub(r'<g id="tip-(\d+)">', self._titled, body)
        body = re.sub(r'<g id="[^"]*">', "<g>", body)
        body = re.sub(r'( id="|url\(#|xlink:href="#)', rf"\g<1>{name}-", body)
        body = re.sub(r"<[^>]*>", _with_variables, body)
        body = re.sub(r"\s*\n\s*", " ", body)
        return (
            f'<svg role="img" aria-label="{escape(label)}" viewBox="0 0 {self.width:g} {self.height:g}" '
            f'style="--width: {self.width:g}px">{body.strip()}'
        )

    def _titled(self, found: re.Match[str]) -> str:
        return f"<g><title>{escape(self.tips[int(found[1])])}</title>"


def _with_variables(tag: re.Match[str]) -> str:
    """Replace the colours in a tag by the page's own; in a text, they would be somebody's words."""
    return re.sub(
        r"#0101[0-9a-f]{2}",
        lambda found: f"var(--{_VARIABLES[found[0]]})" if found[0] in _VARIABLES else found[0],
        tag[0],
    )


def _with_short_numbers(tag: re.Match[str]) -> str:
    """Round the places in a tag to a hundredth of a pixel, which nobody sees and everybody loads."""
    return re.sub(r"(\d\.\d\d)\d+", r"\1", tag[0])


@contextmanager
def house_style() -> Iterator[None]:
    """Draw in the house's style, with the names of metrics, domains and months taken literally, `$` included.

    Text is measured by a font that lacks Chinese, and shown by the page's fonts: the warnings are not meant for us.
    """
    with warnings.catch_warnings(), matplotlib.rc_context(_STYLE):
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        yield


def thinned(count: int, room: float, each: float) -> range:
    """Return which of `count` labels to show so that each has `each` pixels of a room; the first always."""
    most = max(int(room // each), 1)
    return range(0, count, max(-(-count // most), 1))
