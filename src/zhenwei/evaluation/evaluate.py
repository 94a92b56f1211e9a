"""Scores of a trained detector on a labelled file."""

from pathlib import Path
from typing import Any

import numpy as np

from zhenwei.tokens import batch_order
from zhenwei.training import Bundle, binary_metrics
from zhenwei.training.device import available_device
from zhenwei.training.preparation import encode_file
from zhenwei.training.scoring import SCORING_BATCH, judge_batches, mean_cross_entropy, sigmoid


def evaluate_file(bundle: Bundle, path: Path, device: str = "auto") -> dict[str, Any]:
    """Judge a labelled file.

    Args:
        bundle: The detector; its network is moved to the device.
        path: The file of articles; each needs a label.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.

    Returns:
        The field's metrics at the bundle's threshold, `loss` (mean cross-entropy) and `threshold`.

    Raises:
        DataError: If the file is missing or has bad rows, a missing label included.
    """
    encoded = encode_file(path, bundle.tokenizer, bundle.config.data.max_len, bundle.network.needs)
    place = available_device(device)
    network = bundle.network.to(place)
    batches = batch_order(encoded.lengths, SCORING_BATCH, seed=0, epoch=0, shuffle=False)
    logits = np.empty(len(encoded), np.float64)
    for rows, values in judge_batches(network, encoded, batches, bundle.tokenizer.pad_id, place):
        logits[rows] = values
    labels = encoded.labels.astype(np.int64)
    return {
        **binary_metrics(labels, sigmoid(logits), bundle.threshold),
        "loss": mean_cross_entropy(labels.astype(np.float64), logits),
        "threshold": bundle.threshold,
    }
