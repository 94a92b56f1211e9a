"""A mistake's text with the words that swayed the detector marked, both ways."""

from dataclasses import dataclass

from zhenwei.evaluation.records import Mistake

LONGEST = 400  # characters of a text that a page shows
_LEAST, _STRONG = 0.15, 0.55  # shares of the strongest attribution from which a word is marked, and marked strongly
_NAMED = 4  # words that are named below the text, each way


@dataclass(frozen=True)
class Word:
    """A piece of text.

    Attributes:
        text: As it stands.
        attribution: How much it spoke for fake; negative: for real.
        way: `fake` or `real` where it is marked, else empty.
        strong: Whether it is marked strongly.
    """

    text: str
    attribution: float = 0.0
    way: str = ""
    strong: bool = False


@dataclass(frozen=True)
class HighlightedText:
    """A text in pieces.

    Attributes:
        words: The pieces; one alone where nothing is known of its words.
        left_out: Characters that are not shown.
        for_fake: The words that spoke most for fake, each once.
        for_real: Those that spoke most for real.
    """

    words: tuple[Word, ...]
    left_out: int
    for_fake: tuple[Word, ...] = ()
    for_real: tuple[Word, ...] = ()


def highlighted_text(mistake: Mistake, longest: int = LONGEST) -> HighlightedText:
    """Mark the words of a mistake's text, as far as they are known, and cut it where it is too long to be read."""
    left_out = max(len(mistake.content) - longest, 0)
    if not mistake.words:
        return HighlightedText((Word(mistake.content[:longest]),), left_out)
    most = max(abs(attribution) for _, attribution in mistake.words) or 1.0
    words, room = [], longest
    for text, attribution in mistake.words:
        if room <= 0:
            break
        words.append(_marked(text[:room], attribution, most))
        room -= len(text)
    ranked = sorted(_strongest(mistake, _LEAST * most).items(), key=lambda item: -abs(item[1]))
    ways = {
        way: tuple(Word(*item, way) for item in ranked if _way(item[1]) == way)[:_NAMED] for way in ("fake", "real")
    }
    return HighlightedText(tuple(words), left_out, ways["fake"], ways["real"])


def _strongest(mistake: Mistake, least: float) -> dict[str, float]:
    """Return the strongest attribution of each word that has at least so strong a one somewhere."""
    found: dict[str, float] = {}
    for text, attribution in mistake.words:
        if text.strip() and abs(attribution) >= max(least, abs(found.get(text, 0.0))):
            found[text] = attribution
    return found


def _way(attribution: float) -> str:
    return "fake" if attribution > 0 else "real"


def _marked(text: str, attribution: float, most: float) -> Word:
    if abs(attribution) < _LEAST * most or not text.strip():
        return Word(text, attribution)
    return Word(text, attribution, _way(attribution), abs(attribution) >= _STRONG * most)
