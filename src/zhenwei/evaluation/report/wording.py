"""Figures in words: how pages write scores, intervals, counts, times and sizes."""

import re
import unicodedata
from html import escape
from typing import Any

NOTHING = "–"

# The field's metrics as pages call them, with what each is; in the order of their tables.
METRICS: dict[str, tuple[str, str]] = {
    "macro_f1": ("Macro-F1", "mean of the F1 of real and of fake, at the threshold"),
    "auc": ("AUC", "chance that a fake is ranked above a real one"),
    "spauc": ("SPAUC", "AUC up to a false-alarm rate of 0.1, standardised"),
    "f1_fake": ("F1 of fake", "precision and recall of fakes, their harmonic mean"),
    "f1_real": ("F1 of real", "precision and recall of real news, their harmonic mean"),
    "precision_fake": ("Precision of fake", "share of fakes among what was called fake"),
    "recall_fake": ("Recall of fake", "share of the fakes that was called fake"),
    "precision_real": ("Precision of real", "share of real news among what was called real"),
    "recall_real": ("Recall of real", "share of the real news that was called real"),
    "acc": ("Accuracy", "share of right verdicts"),
    "ece": ("ECE", "mean gap between probability and share of fakes; less is better"),
    "brier": ("Brier score", "mean squared error of the probability; less is better"),
    "loss": ("Log loss", "mean cross-entropy of the probability; less is better"),
}
LESS_IS_BETTER = {"ece", "brier", "loss"}


def upper_first(text: str) -> str:
    """Return a text that begins with a capital letter, and else is as it was."""
    return text[:1].upper() + text[1:]


def metric_name(key: str) -> str:
    """Return what a metric is called on pages."""
    return METRICS[key][0] if key in METRICS else key


def score(value: float | None, digits: int = 3) -> str:
    """Write a score: `0.842`."""
    return NOTHING if value is None else f"{value:.{digits}f}".replace("-", "−")


def signed(value: float | None, digits: int = 3) -> str:
    """Write a difference with its sign: `+0.012`."""
    return NOTHING if value is None else f"{value:+.{digits}f}".replace("-", "−")


def interval(bounds: tuple[float, float] | None, digits: int = 3) -> str:
    """Write an interval: `0.812 to 0.869`."""
    return "" if bounds is None else f"{score(bounds[0], digits)} to {score(bounds[1], digits)}"


def count(value: int | float | None) -> str:
    """Write a number of things: `1,918`."""
    return NOTHING if value is None else f"{value:,.0f}"


def percent(value: float | None, digits: int = 1) -> str:
    """Write a share as per cent: `5.7%`."""
    return NOTHING if value is None else f"{100 * value:.{digits}f}%"


def p_value(value: float) -> str:
    """Write a p-value: `p = 0.032`, `p < 0.001`."""
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def duration(seconds: float | None) -> str:
    """Write a time: `42 s`, `3 min 12 s`, `2 h 05 min`."""
    if seconds is None:
        return NOTHING
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def size(n_bytes: float | None) -> str:
    """Write a number of bytes: `812 MiB`."""
    if n_bytes is None:
        return NOTHING
    amount = float(n_bytes)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"


def cell(value: Any) -> str:
    """Write a cell of a table: counts in full, other figures with three digits."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() and abs(value) >= 2 else score(value)
    return str(value)


def visible(text: str) -> str:
    """Write out what no font shows: control characters, and those for private use, as Weibo's old faces are."""
    return "".join(_written_out(character) for character in text)


def _written_out(character: str) -> str:
    if character in "\n\t" or unicodedata.category(character) not in ("Cc", "Co", "Cs"):
        return character
    return f"‹U+{ord(character):04X}›"


def prose(text: str) -> str:
    """Return a sentence as HTML: escaped, and with what stands between backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(visible(text)))


def language(text: str) -> str | None:
    """Return `zh` for a text with Chinese characters: browsers choose the glyphs by it."""
    return "zh" if any("\u4e00" <= character <= "\u9fff" for character in text) else None


def shortened(text: str, width: float) -> str:
    """Cut a text to a width, in the widths of a Chinese character, and say by `…` that it was cut."""
    text, room = visible(text), width
    for place, character in enumerate(text):
        room -= _width(character)
        if room < 0:
            return text[: max(place - 1, 1)].rstrip() + "…"
    return text


def text_width(text: str) -> float:
    """Return about how wide a text is, in the widths of a Chinese character."""
    return sum(map(_width, text))


def _width(character: str) -> float:
    """Return about how wide a character is, generously: nobody knows the reader's fonts."""
    if unicodedata.east_asian_width(character) in "WF":
        return 1.0
    return 0.72 if character.isupper() or character in "@%&" else 0.6
