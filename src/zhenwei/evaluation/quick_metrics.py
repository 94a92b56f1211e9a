"""Scores of a trained detector on a labelled file."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from zhenwei.bundle import Bundle
from zhenwei.bundle.metrics import metrics_from_logits


def evaluate_file(bundle: Bundle, path: str | os.PathLike[str], device: str = "auto") -> dict[str, Any]:
    """Judge a labelled file.

    Args:
        bundle: The detector; its network is moved to the device.
        path: The file of articles; each needs a label.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.

    Returns:
        The field's metrics at the bundle's threshold (None for what one class alone leaves undefined), `n` and
        `n_fake`, `loss` (mean cross-entropy) and `threshold`.

    Raises:
        ConfigError: If no device is so called.
        DataError: If the file is missing or has bad rows, a missing label included.
    """
    encoded = bundle.featurizer().encode_file(Path(path))
    logits = bundle.predict_logits(encoded, bundle.to(device))
    scores = metrics_from_logits(encoded.labels.astype(np.int64), bundle.calibrated(logits), bundle.threshold)
    return {**scores, "threshold": bundle.threshold}
