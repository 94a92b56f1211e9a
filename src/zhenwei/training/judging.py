"""Scores of labelled articles while training: the field's metrics, over all processes."""

from typing import Any

import numpy as np
from accelerate import Accelerator
from numpy.typing import NDArray

from zhenwei.models import DetectorNetwork
from zhenwei.tokens import EncodedArticles
from zhenwei.training.frozen_states import FrozenStates
from zhenwei.training.metrics import check_finite, metrics_of_logits
from zhenwei.training.scoring import score_articles, scoring_batch


def judge(
    network: DetectorNetwork,
    articles: EncodedArticles,
    pad_id: int,
    accelerator: Accelerator,
    mixed: bool,
    frozen: FrozenStates | None = None,
) -> dict[str, Any]:
    """Score labelled articles: the field's metrics at a threshold of 0.5, and the mean cross-entropy `loss`.

    Args:
        network: On the accelerator's device.
        articles: The articles.
        pad_id: Id of the padding token.
        accelerator: Device, precision and processes.
        mixed: In the accelerator's mixed precision; False: in float32.
        frozen: What the frozen layers of the network's encoder make of the articles; None: they compute it.

    Raises:
        TrainingError: If a logit is not finite.
    """
    logits = finite_logits(network, articles, pad_id, accelerator, mixed, frozen)
    return metrics_of_logits(articles.labels.astype(np.int64), logits)


def finite_logits(
    network: DetectorNetwork,
    articles: EncodedArticles,
    pad_id: int,
    accelerator: Accelerator,
    mixed: bool,
    frozen: FrozenStates | None = None,
) -> NDArray[np.float64]:
    """Return the logits of fake [N], in the order of the articles; see `judge`.

    Raises:
        TrainingError: If a logit is not finite.
    """
    batch_size = scoring_batch(network, accelerator.device)
    logits = score_articles(
        network, articles, pad_id=pad_id, batch_size=batch_size, accelerator=accelerator, mixed=mixed, frozen=frozen
    )
    check_finite(logits)
    return logits
