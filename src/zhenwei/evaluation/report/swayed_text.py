"""A mistake's text with the words that swayed the detector marked, both ways."""

from dataclasses import dataclass

from zhenwei.evaluation.assessment import Mistake

LONGEST = 400  # characters of a text that a page shows
_LEAST, _STRONG = 0.15, 0.55  # shares of the strongest sway from which a word is marked, and marked strongly
_NAMED = 4  # words that are named below the text, each way


@dataclass(frozen=True)
class Word:
    """A piece of text.

    Attributes:
        text: As it stands.
        sway: How much it spoke for fake; negative: for real.
        way: `fake` or `real` where it is marked, else empty.
        strong: Whether it is marked strongly.
    """

    text: str
    sway: float = 0.0
    way: str = ""
    strong: bool = False


@dataclass(frozen=True)
class SwayedText:
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


def swayed_text(mistake: Mistake, longest: int = LONGEST) -> SwayedText:
    """Mark the words of a mistake's text, as far as they are known, and cut it where it is too long to be read."""
    left_out = max(len(mistake.content) - longest, 0)
    if not mistake.words:
        return SwayedText((Word(mistake.content[:longest]),), left_out)
    most = max(abs(sway) for _, sway in mistake.words) or 1.0
    words, room = [], longest
    for text, sway in mistake.words:
        if room <= 0:
            break
        words.append(_marked(text[:room], sway, most))
        room -= len(text)
    ranked = sorted(_strongest(mistake, _LEAST * most).items(), key=lambda item: -abs(item[1]))
    ways = {
        way: tuple(Word(*item, way) for item in ranked if _way(item[1]) == way)[:_NAMED] for way in ("fake", "real")
    }
    return SwayedText(tuple(words), left_out, ways["fake"], ways["real"])


def _strongest(mistake: Mistake, least: float) -> dict[str, float]:
    """Return the strongest sway of each word that has at least so strong a one somewhere."""
    found: dict[str, float] = {}
    for text, sway in mistake.words:
        if text.strip() and abs(sway) >= max(least, abs(found.get(text, 0.0))):
            found[text] = sway
    return found


def _way(sway: float) -> str:
    return "fake" if sway > 0 else "real"


def _marked(text: str, sway: float, most: float) -> Word:
    if abs(sway) < _LEAST * most or not text.strip():
        return Word(text, sway)
    return Word(text, sway, _way(sway), abs(sway) >= _STRONG * most)
