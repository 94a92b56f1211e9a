"""The model card of a push: which card is uploaded, and its license."""

import logging
import re
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from zhenwei.bundle import Bundle
from zhenwei.bundle.bundle import CARD
from zhenwei.bundle.card.signature import is_complete, is_edited, sign, without_signature
from zhenwei.errors import ConfigError

if TYPE_CHECKING:
    from huggingface_hub import ModelCard

logger = logging.getLogger(__name__)

CardOrigin = Literal["generated", "edited", "kept"]

_METADATA_ONLY = re.compile(r"\s*(---\s*\n(.*?\n)?---\s*)?", re.DOTALL)


def choose_card(
    bundle: Bundle, folder: Path, remote: str | None, *, license: str | None, overwrite: bool, device: str
) -> tuple[str | None, CardOrigin]:
    """Return the card to upload, or None if that on the hub is kept; and its origin.

    Args:
        bundle: The detector.
        folder: The bundle's. Its card is uploaded if it is complete or edited; otherwise a complete one is written.
        remote: The card on the hub; None if there is none.
        license: As the hub names it, such as `cc-by-nc-4.0`; None keeps that of the card on the hub.
        overwrite: Whether a card on the hub that a person wrote or edited is replaced.
        device: Where the detector is evaluated for its card.

    Raises:
        ConfigError: If the metadata of a card cannot be read.
    """
    if remote is not None and not overwrite and not _METADATA_ONLY.fullmatch(remote) and is_edited(remote):
        logger.warning("README.md on the hub was written or edited by a person: kept; --overwrite-card replaces it")
        return None, "kept"
    card = _local_card(bundle, folder, device)
    return _with_license(card, license, remote), "edited" if is_edited(card) else "generated"


def _local_card(bundle: Bundle, folder: Path, device: str) -> str:
    path = folder / CARD
    if path.exists():
        text = path.read_bytes().decode("utf-8", "surrogateescape")
        if is_edited(text) or is_complete(text):
            return text
    from zhenwei.evaluation.model_card import complete_card  # noqa: PLC0415  # prediction does not need evaluation

    logger.info("%s: evaluating and auditing for the model card", folder)
    return complete_card(bundle, device=device)


def _with_license(card: str, license: str | None, remote: str | None) -> str:
    """Return a card with its license, and the access conditions of the one it replaces; signed again if it was."""
    edited, fields = is_edited(card), dict[str, Any]()
    if remote is not None and not edited:
        metadata: dict[str, Any] = _parse(remote).data.to_dict()  # type: ignore[no-untyped-call]
        prefixes = ("extra_gated",) if metadata.get("license_name") == "unspecified" else ("extra_gated", "license")
        fields = {name: value for name, value in metadata.items() if name.startswith(prefixes)}
    if license is not None:
        fields |= {"license": license, "license_name": None, "license_link": None}
    elif "license" in fields:
        fields = {"license_name": None} | fields
    if not fields:
        return card
    parsed = _parse(card if edited else without_signature(card))
    for name, value in fields.items():
        setattr(parsed.data, name, value)
    text = str(parsed.content)
    return text if edited else sign(text, complete=is_complete(card))


def _parse(card: str) -> "ModelCard":
    from huggingface_hub import ModelCard  # noqa: PLC0415

    yaml_error = import_module("yaml").YAMLError  # untyped; a dependency of huggingface_hub
    try:
        return ModelCard(card)
    except (ValueError, TypeError, yaml_error) as error:
        raise ConfigError(f"README.md: cannot read its metadata: {' '.join(str(error).split())[:300]}") from None
