"""The last line of a model card: by it, a card that zhenwei wrote is told from one that somebody has edited."""

import re
from enum import StrEnum
from hashlib import sha256
from pathlib import Path


class CardState(StrEnum):
    """What became of a card."""

    SHORT = "short"
    """As it was written with the bundle, before anybody judged or audited anything."""

    WHOLE = "whole"
    """As it was completed."""

    EDITED = "edited"
    """Somebody's own: it is never replaced unasked."""

    MISSING = "missing"
    """There is none."""


_MARK = re.compile(r"<!-- zhenwei (short|whole) card ([0-9a-f]{16}): edit it, and it stays as you left it -->\s*")


def marked(card: str, *, whole: bool) -> str:
    """Return a card with its last line.

    Args:
        card: Its text.
        whole: Whether it has been completed.
    """
    state = CardState.WHOLE if whole else CardState.SHORT
    return f"{card}\n<!-- zhenwei {state} card {_digest(card)}: edit it, and it stays as you left it -->\n"


def card_state(path: Path) -> CardState:
    """Tell what became of the card in a file."""
    if not path.exists():
        return CardState.MISSING
    return state_of(path.read_text(encoding="utf-8", errors="replace"))


def state_of(text: str) -> CardState:
    """Tell what became of a card, by its text."""
    card, _, mark = text.rstrip("\n").rpartition("\n")
    found = _MARK.fullmatch(mark)
    return CardState(found[1]) if found is not None and found[2] == _digest(card) else CardState.EDITED


def is_marked(text: str) -> bool:
    """Tell whether zhenwei wrote a card in the first place, whoever has edited it since."""
    return _MARK.search(text) is not None


def was_short(text: str) -> bool:
    """Tell whether a card was a short one when somebody began to edit it."""
    found = _MARK.search(text)
    return found is not None and found[1] == CardState.SHORT


def unmarked(text: str) -> str:
    """Return a card that nobody has edited without its last line, as `marked` takes it."""
    return text.rstrip("\n").rpartition("\n")[0]


def _digest(card: str) -> str:
    return sha256(card.encode("utf-8", "surrogatepass")).hexdigest()[:16]
