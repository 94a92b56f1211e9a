"""Predictions of a trained detector for a labelled file."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from zhenwei.bundle import Bundle
from zhenwei.bundle.predict_logits import sigmoid
from zhenwei.errors import CheckpointError
from zhenwei.evaluation.resampling import Floats, Integers
from zhenwei.news import Article, iter_articles


@dataclass(frozen=True)
class FilePredictions:
    """The articles of a labelled file, and the logits that a detector gives them.

    Attributes:
        path: The file.
        articles: N articles.
        labels: [N], 0 (real) or 1 (fake).
        network_logits: [N] logits of fake, before calibration.
        logits: [N] log odds of the detector's probabilities of fake, after calibration.
        threshold: Articles with at least this probability count as fake.
        precision: Precision of the forward pass: `float32` or `auto`.
        undecided: [N] whether the detector gives no verdict (`unsure`); empty: it gives all.
    """

    path: Path
    articles: Sequence[Article]
    labels: Integers
    network_logits: Floats
    logits: Floats
    threshold: float
    precision: str = "float32"
    undecided: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))

    @property
    def probabilities(self) -> Floats:
        """[N] probabilities of fake."""
        return sigmoid(self.logits)

    @property
    def verdicts(self) -> Integers:
        """[N] predicted labels, 0 (real) or 1 (fake)."""
        return (self.probabilities >= self.threshold).astype(np.int64)


def predict_file(bundle: Bundle, path: Path, device: torch.device, precision: str = "float32") -> FilePredictions:
    """Read a labelled file once, and predict its articles.

    Args:
        bundle: The detector; its network is on the device.
        path: The file; every article needs a label.
        device: The device of the network.
        precision: `float32`, or `auto` for the fastest precision of the device.

    Raises:
        CheckpointError: If a logit is not finite.
        DataError: If the file is missing or has invalid rows.
    """
    articles = list(iter_articles(path, require_label=True))
    encoded = bundle.featurizer().encode_file(path, articles)
    network_logits = bundle.predict_logits(encoded, device, precision)
    logits = bundle.calibrated(network_logits)
    n_bad = int((~np.isfinite(logits)).sum())
    if n_bad:
        raise CheckpointError(
            f"{n_bad} of the {len(logits)} articles of {path} have no finite logit: the weights are damaged"
        )
    labels = encoded.labels.astype(np.int64)
    undecided = np.array([bool(reasons) for reasons in bundle.abstentions(articles, encoded)], np.bool_)
    return FilePredictions(path, articles, labels, network_logits, logits, bundle.threshold, precision, undecided)
