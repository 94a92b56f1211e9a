"""A text with the words highlighted that are evidence for fake or for real."""

from collections.abc import Sequence
from dataclasses import dataclass

Attributions = Sequence[tuple[str, float]]

MAX_LENGTH = 400  # characters of a text on a page
_WEAK, _STRONG = 0.15, 0.55  # shares of the largest attribution from which a word is highlighted weakly, or strongly
_LISTED = 4  # words that are listed below the text for each label


@dataclass(frozen=True)
class Word:
    """A piece of text.

    Attributes:
        text: The characters.
        attribution: Positive for evidence for fake, negative for real.
        label: `fake` or `real` where the word is highlighted, else empty.
        strong: Whether it is highlighted strongly.
    """

    text: str
    attribution: float = 0.0
    label: str = ""
    strong: bool = False


@dataclass(frozen=True)
class HighlightedText:
    """A text in words.

    Attributes:
        words: The words; a single piece where attributions are not known.
        n_omitted: Characters that are not shown.
        for_fake: The strongest distinct words for fake.
        for_real: The strongest distinct words for real.
    """

    words: tuple[Word, ...]
    n_omitted: int
    for_fake: tuple[Word, ...] = ()
    for_real: tuple[Word, ...] = ()


def highlight_text(content: str, attributions: Attributions, max_length: int = MAX_LENGTH) -> HighlightedText:
    """Highlight the words of a text by their attributions (empty: unknown), and truncate the text."""
    n_omitted = max(len(content) - max_length, 0)
    if not attributions:
        return HighlightedText((Word(content[:max_length]),), n_omitted)
    largest = max(abs(attribution) for _, attribution in attributions) or 1.0
    words, remaining = [], max_length
    for text, attribution in attributions:
        if remaining <= 0:
            break
        words.append(_highlight(text[:remaining], attribution, largest))
        remaining -= len(text)
    ranked = sorted(_strongest(attributions, _WEAK * largest).items(), key=lambda item: -abs(item[1]))
    listed = {
        label: tuple(Word(*item, label) for item in ranked if _label(item[1]) == label)[:_LISTED]
        for label in ("fake", "real")
    }
    return HighlightedText(tuple(words), n_omitted, listed["fake"], listed["real"])


def _strongest(attributions: Attributions, minimum: float) -> dict[str, float]:
    """Return the strongest attribution of each distinct word that reaches the minimum."""
    strongest: dict[str, float] = {}
    for text, attribution in attributions:
        if text.strip() and abs(attribution) >= max(minimum, abs(strongest.get(text, 0.0))):
            strongest[text] = attribution
    return strongest


def _label(attribution: float) -> str:
    return "fake" if attribution > 0 else "real"


def _highlight(text: str, attribution: float, largest: float) -> Word:
    if abs(attribution) < _WEAK * largest or not text.strip():
        return Word(text, attribution)
    return Word(text, attribution, _label(attribution), abs(attribution) >= _STRONG * largest)
