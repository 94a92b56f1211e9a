"""Which model card a bundle gets when it is saved."""

import logging
from pathlib import Path

from zhenwei.bundle.bundle import CARD, Bundle
from zhenwei.bundle.card.card import model_card
from zhenwei.bundle.card.signature import CardState, card_state, marked

logger = logging.getLogger(__name__)


def updated_card(bundle: Bundle, folder: Path) -> str | None:
    """Return the card of a bundle that replaces the one in a folder; None where a person has edited that one.

    Args:
        bundle: The detector.
        folder: Where it will be saved.
    """
    path = folder / CARD
    if card_state(path) is CardState.EDITED:
        logger.warning(
            "%s: you have edited this card, so it is kept; check whether its scores, threshold and calibration are "
            "still correct",
            path,
        )
        return None
    return marked(model_card(bundle), whole=False)
