"""Format scores, intervals, counts, times, sizes and texts for pages."""

import re
import unicodedata
from html import escape
from typing import Any

MISSING = "–"

# Names and meanings of the metrics, in the order of the tables.
METRICS: dict[str, tuple[str, str]] = {
    "macro_f1": ("Macro-F1", "mean of the F1 scores of real and fake"),
    "auc": ("AUC", "probability that a fake is ranked above a real article"),
    "spauc": ("SPAUC", "AUC up to a false-positive rate of 0.1, standardized"),
    "f1_fake": ("F1 of fake", "harmonic mean of precision and recall of fake"),
    "f1_real": ("F1 of real", "harmonic mean of precision and recall of real"),
    "precision_fake": ("Precision of fake", "share of fakes among articles predicted fake"),
    "recall_fake": ("Recall of fake", "share of fakes that are predicted fake"),
    "precision_real": ("Precision of real", "share of real articles among those predicted real"),
    "recall_real": ("Recall of real", "share of real articles that are predicted real"),
    "acc": ("Accuracy", "share of correct predictions"),
    "ece": ("ECE", "mean gap between probability and share of fakes; lower is better"),
    "brier": ("Brier score", "mean squared error of the probability; lower is better"),
    "loss": ("Log loss", "mean cross-entropy of the probability; lower is better"),
}


def capitalize_first(text: str) -> str:
    """Capitalize the first letter only."""
    return text[:1].upper() + text[1:]


def metric_name(key: str) -> str:
    """Return the name of a metric on pages."""
    return METRICS[key][0] if key in METRICS else key


def score(value: float | None, digits: int = 3) -> str:
    """Format a score: `0.842`."""
    return MISSING if value is None else f"{value:.{digits}f}".replace("-", "−")


def signed(value: float | None, digits: int = 3) -> str:
    """Format a difference with its sign: `+0.012`."""
    return MISSING if value is None else f"{value:+.{digits}f}".replace("-", "−")


def interval(bounds: tuple[float, float] | None, digits: int = 3) -> str:
    """Format an interval: `0.812 to 0.869`."""
    return "" if bounds is None else f"{score(bounds[0], digits)} to {score(bounds[1], digits)}"


def score_with_interval(value: float | None, bounds: tuple[float, float] | None) -> str:
    """Format a score with its interval: `0.842 (0.812 to 0.869)`."""
    return f"{score(value)} ({interval(bounds)})" if bounds else score(value)


def count(value: int | float | None) -> str:
    """Format a count: `1,918`."""
    return MISSING if value is None else f"{value:,.0f}"


def percent(value: float | None, digits: int = 1) -> str:
    """Format a share as a percentage: `5.7%`."""
    return MISSING if value is None else f"{100 * value:.{digits}f}%"


def p_value(value: float) -> str:
    """Format a p-value: `p = 0.032`, `p < 0.001`."""
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def duration(seconds: float | None) -> str:
    """Format a duration: `42 s`, `3 min 12 s`, `2 h 05 min`."""
    if seconds is None:
        return MISSING
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def size(n_bytes: float | None) -> str:
    """Format a number of bytes: `812 MiB`."""
    if n_bytes is None:
        return MISSING
    amount = float(n_bytes)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"


def cell(value: Any) -> str:
    """Format a cell of a table: counts in full, other numbers with three digits."""
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() and abs(value) >= 2 else score(value)
    return str(value)


def printable(text: str) -> str:
    """Replace characters that no font has by their code points: control and private-use ones, such as old emoji."""
    return "".join(map(_printable, text))


def _printable(character: str) -> str:
    if character in "\n\t" or unicodedata.category(character) not in ("Cc", "Co", "Cs"):
        return character
    return f"‹U+{ord(character):04X}›"


def prose(text: str) -> str:
    """Return a sentence as escaped HTML; text between backticks becomes code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(printable(text)))


def language(text: str) -> str | None:
    """Return `zh` for a text with Chinese characters, from which browsers choose the font."""
    return "zh" if any("\u4e00" <= character <= "\u9fff" for character in text) else None


def shortened(text: str, width: float) -> str:
    """Truncate a text to a width in em, with `…` at its end."""
    text, remaining = printable(text), width
    for index, character in enumerate(text):
        remaining -= _width(character)
        if remaining < 0:
            return text[: max(index - 1, 1)].rstrip() + "…"
    return text


def text_width(text: str) -> float:
    """Estimate the width of a text in em, the width of a Chinese character."""
    return sum(map(_width, text))


def _width(character: str) -> float:
    """Estimate the width of a character in em, rather too large: the reader's fonts are not known."""
    if unicodedata.east_asian_width(character) in "WF":
        return 1.0
    return 0.72 if character.isupper() or character in "@%&" else 0.6
