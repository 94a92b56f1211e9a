"""A text with the words highlighted that are evidence for fake or for real."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

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
        share: Its absolute value, as a share of the largest one in the text.
    """

    text: str
    attribution: float = 0.0
    share: float = 0.0

    @property
    def label(self) -> str:
        """`fake` or `real` where the word is highlighted, else empty."""
        if self.share < _WEAK or not self.text.strip():
            return ""
        return "fake" if self.attribution > 0 else "real"

    @property
    def strong(self) -> bool:
        """Whether the word is highlighted strongly."""
        return bool(self.label) and self.share >= _STRONG


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
    for_fake: tuple[Word, ...]
    for_real: tuple[Word, ...]


def highlight_text(content: str, attributions: Attributions, max_length: int = MAX_LENGTH) -> HighlightedText:
    """Highlight the words of a text by their attributions (empty: unknown), and truncate the text."""
    largest = max((abs(attribution) for _, attribution in attributions), default=0.0) or 1.0
    words = [Word(*each, abs(each[1]) / largest) for each in attributions] or [Word(content)]
    strongest: dict[str, Word] = {}
    for word in sorted(words, key=lambda word: -word.share):
        strongest.setdefault(word.text, word)
    for_fake, for_real = (
        tuple(word for word in strongest.values() if word.label == label)[:_LISTED] for label in ("fake", "real")
    )
    shown, remaining = [], max_length
    for word in words:
        if remaining > 0:
            shown.append(replace(word, text=word.text[:remaining]))
        remaining -= len(word.text)
    return HighlightedText(tuple(shown), max(len(content) - max_length, 0), for_fake, for_real)
