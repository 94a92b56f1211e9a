"""The model card that is shared: its licence, and what of the card on the hub stays."""

import re
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from zhenwei.bundle.card.card import NO_LICENCE
from zhenwei.bundle.card.signature import CardState, is_marked, marked, state_of, unmarked
from zhenwei.errors import ConfigError

_HEAD = re.compile(r"\s*---\s*\n(.*?\n)?---\s*", re.DOTALL)
_LICENCE_FIELDS = ("license", "license_name", "license_link")
_SAID = re.compile(re.escape(NO_LICENCE) + r"|The licence of this detector is `[^`\n]*`\.")


def is_bare(card: str) -> bool:
    """Tell whether a card has no text: as the hub makes one for a new repository, of a head at most."""
    return not card.strip() or _HEAD.fullmatch(card) is not None


def keeps_its_own(there: str | None, card: str) -> bool:
    """Tell whether the hub's card is one that somebody edited there, and so is not to be replaced by this one."""
    return there is not None and there != card and not is_bare(there) and state_of(there) is CardState.EDITED


def with_licence(card: str, there: str | None, licence: str | None) -> str:
    """Return a card with its licence; it stays whole, short or somebody's own.

    Args:
        card: Its text.
        there: That of the card which it replaces on the hub: its licence stays unless another one is given, and of one
            without a text, all that its head has.
        licence: As the hub names it, such as `cc-by-nc-4.0`; None: none is given.

    Raises:
        ConfigError: If one of the heads cannot be read.
    """
    fields: dict[str, Any] = {}
    if state_of(card) is not CardState.EDITED and there is not None and (is_bare(there) or is_marked(there)):
        head = _head(there)
        fields = head if is_bare(there) else {name: head[name] for name in _LICENCE_FIELDS if name in head}
        if fields.get("license_name") == "unspecified":
            fields = {name: value for name, value in fields.items() if name not in _LICENCE_FIELDS}
    if licence is not None:
        fields |= {"license": licence, "license_name": None, "license_link": None}
    elif "license" in fields:
        fields = {"license_name": None} | fields
    if not fields:
        return card
    state, text = state_of(card), card if state_of(card) is CardState.EDITED else unmarked(card)
    changed = _with_head(text, fields)
    if "license" in fields:
        name = fields.get("license_name") or fields["license"]
        changed = _SAID.sub(lambda _: f"The licence of this detector is `{name}`.", changed)
    return changed if state is CardState.EDITED else marked(changed, whole=state is CardState.WHOLE)


def _head(card: str) -> dict[str, Any]:
    fields: dict[str, Any] = _parsed(card).data.to_dict()
    return fields


def _with_head(card: str, fields: Mapping[str, Any]) -> str:
    parsed = _parsed(card)
    for name, value in fields.items():
        setattr(parsed.data, name, value)
    return str(parsed.content)


def _parsed(card: str) -> Any:
    """Read a card as the hub's library does."""
    from huggingface_hub import ModelCard  # noqa: PLC0415

    broken = import_module("yaml").YAMLError  # typed nowhere; the hub's library brings it
    try:
        return ModelCard(card)
    except (ValueError, TypeError, broken) as error:
        raise ConfigError(f"README.md: its head cannot be read: {' '.join(str(error).split())[:300]}") from None
