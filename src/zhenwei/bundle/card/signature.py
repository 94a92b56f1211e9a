"""The last line of a model card, which tells a card that zhenwei wrote from one that a person wrote or edited."""

import re
from hashlib import sha256

_SIGNATURE = re.compile(r"<!-- zhenwei (short|complete) card ([0-9a-f]{16}); an edited card is kept -->\s*")


def sign(card: str, *, complete: bool) -> str:
    """Append the signature to a card.

    Args:
        card: Its text.
        complete: Whether it has the results of an evaluation and an audit.
    """
    kind = "complete" if complete else "short"
    return f"{card}\n<!-- zhenwei {kind} card {_digest(card)}; an edited card is kept -->\n"


def is_edited(text: str) -> bool:
    """Return whether a person wrote or edited a card."""
    return _signed_kind(text) is None


def is_complete(text: str) -> bool:
    """Return whether zhenwei wrote a card, with the results of an evaluation and an audit."""
    return _signed_kind(text) == "complete"


def without_signature(text: str) -> str:
    """Return the text that `sign` was given for a card."""
    return text.rstrip("\n").rpartition("\n")[0]


def _signed_kind(text: str) -> str | None:
    card, _, last_line = text.rstrip("\n").rpartition("\n")
    signature = _SIGNATURE.fullmatch(last_line)
    return signature[1] if signature is not None and signature[2] == _digest(card) else None


def _digest(card: str) -> str:
    return sha256(card.encode("utf-8", "surrogatepass")).hexdigest()[:16]
