"""Logits of articles by a trained detector, in one process, as everybody uses it."""

import numpy as np
import torch
from numpy.typing import NDArray

from zhenwei.config import check_device
from zhenwei.errors import ConfigError
from zhenwei.tokens import EncodedArticles
from zhenwei.training import Bundle
from zhenwei.training.device import available_device
from zhenwei.training.scoring import score_alone


def to_device(bundle: Bundle, device: str) -> torch.device:
    """Move a bundle's network to a device, and return where it is now.

    Args:
        bundle: The detector.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`; one that is not there: a warning, and the CPU.

    Raises:
        ConfigError: If no device is so called.
    """
    try:
        place = torch.device(available_device(check_device(device), "device"))
    except ValueError as error:
        raise ConfigError(f"device: {error}") from None
    bundle.network.to(place)
    return place


def judge_articles(
    bundle: Bundle, encoded: EncodedArticles, device: torch.device, batch_size: int, precision: str = "float32"
) -> NDArray[np.float64]:
    """Judge articles, those of like length together.

    Args:
        bundle: The detector; its network is on the device.
        encoded: N articles.
        device: Where the network is.
        batch_size: Articles that are judged at once.
        precision: `float32`, or `auto`: the fastest that the device has.

    Returns:
        Logits of fake [N], in the order of the articles.
    """
    pad_id = bundle.tokenizer.pad_id
    return score_alone(
        bundle.network, encoded, pad_id=pad_id, batch_size=batch_size, device=device, precision=precision
    )
