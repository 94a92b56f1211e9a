"""The model card that a bundle gets when it is saved."""

import logging
from pathlib import Path

from zhenwei.bundle.bundle import CARD, Bundle, save_bundle
from zhenwei.bundle.card.card import model_card
from zhenwei.bundle.card.signature import is_edited

logger = logging.getLogger(__name__)


def updated_card(bundle: Bundle, folder: Path) -> str | None:
    """Return the card that replaces the one in a bundle's folder; None if a person edited that one.

    Args:
        bundle: The detector.
        folder: The folder that the bundle is saved to.
    """
    path = folder / CARD
    if not path.exists() or not is_edited(path.read_text(encoding="utf-8", errors="replace")):
        return model_card(bundle)
    logger.warning(
        "%s: kept, because it was edited; check that its scores, threshold and calibration are still correct", path
    )
    return None


def save_with_card(bundle: Bundle, folder: Path) -> None:
    """Write a bundle with an updated model card; see `save_bundle` and `updated_card`."""
    save_bundle(bundle, folder, card=updated_card(bundle, folder))
