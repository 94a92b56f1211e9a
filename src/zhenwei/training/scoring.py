"""Logits of many articles, each judged exactly once over all processes."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from zhenwei.models import DetectorNetwork, int8_states
from zhenwei.tokens import EncodedArticles, batch_order, collate
from zhenwei.training.device import available_precision, check_scoring_precision

if TYPE_CHECKING:
    from accelerate import Accelerator

    from zhenwei.training.frozen_states import FrozenStates


def scoring_batch(network: DetectorNetwork, device: torch.device | str) -> int:
    """Return how many articles a network had better judge at once on a device."""
    return network.scored_at_once if torch.device(device).type == "cpu" else 256


def score_articles(
    network: DetectorNetwork,
    encoded: EncodedArticles,
    *,
    pad_id: int,
    batch_size: int,
    accelerator: "Accelerator",
    mixed: bool = True,
    frozen: "FrozenStates | None" = None,
) -> NDArray[np.float64]:
    """Judge all articles.

    Args:
        network: On the accelerator's device; its mode is put back afterwards.
        encoded: N articles.
        pad_id: Id of the padding token.
        batch_size: Articles per batch.
        accelerator: Device, precision and processes; each process judges its share of the batches.
        mixed: In the accelerator's mixed precision; False: in float32.
        frozen: What the frozen layers of the network's encoder make of the articles; None: they compute it.

    Returns:
        Logits of fake [N], in the order of the articles, in every process.
    """
    batches = batch_order(encoded.lengths, batch_size, seed=0, epoch=0, shuffle=False)
    share = batches[accelerator.process_index :: accelerator.num_processes]
    with accelerator.autocast() if mixed else nullcontext():
        mine = list(judge_batches(network, encoded, share, pad_id, accelerator.device, frozen))
    everyone = mine
    if accelerator.num_processes > 1:
        from accelerate.utils import gather_object  # noqa: PLC0415  # prediction, in one process, does without

        everyone = gather_object(mine)
    logits = np.full(len(encoded), np.nan)
    for rows, values in everyone:
        logits[rows] = values
    if sum(len(rows) for rows, _ in everyone) != len(encoded):
        raise RuntimeError("articles were judged twice or not at all")
    return logits


@contextmanager
def scoring_precision(name: str, device: torch.device | str) -> Iterator[None]:
    """Let networks judge within in a precision.

    Args:
        name: `float32`, or `auto`: the fastest that the device has. That is mixed precision (bf16, on older graphics
            cards fp16), and on a CPU with AVX-512 VNNI also states of recurrent layers in 8 bits.
        device: Where they are.

    Raises:
        ConfigError: If no precision is so called.
    """
    check_scoring_precision(name)
    with ExitStack() as within:
        if name == "auto":
            kind = torch.device(device).type
            low = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(available_precision("auto", kind))
            if low is not None:
                within.enter_context(torch.autocast(kind, low))
            if kind == "cpu":
                within.enter_context(int8_states())
        yield


def score_alone(
    network: DetectorNetwork,
    encoded: EncodedArticles,
    *,
    pad_id: int,
    batch_size: int,
    device: torch.device | str,
    precision: str = "float32",
) -> NDArray[np.float64]:
    """Judge all articles in this one process; returns logits of fake [N], in the order of the articles.

    Args:
        network: On the device.
        encoded: N articles.
        pad_id: Id of the padding token.
        batch_size: Articles per batch; those of like length are judged together.
        device: Where the network is.
        precision: As `scoring_precision` takes it.
    """
    batches = batch_order(encoded.lengths, batch_size, seed=0, epoch=0, shuffle=False)
    logits = np.empty(len(encoded), np.float64)
    with scoring_precision(precision, device):
        for rows, values in judge_batches(network, encoded, batches, pad_id, device):
            logits[rows] = values
    return logits


def judge_batches(
    network: DetectorNetwork,
    encoded: EncodedArticles,
    batches: Iterable[NDArray[np.int64]],
    pad_id: int,
    device: torch.device | str,
    frozen: "FrozenStates | None" = None,
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Judge articles batch by batch, yielding their row numbers [B] and logits [B]; the network's mode is put back.

    Args:
        network: On the device.
        encoded: The articles.
        batches: Row numbers of each batch.
        pad_id: Id of the padding token.
        device: Where the network is.
        frozen: What the frozen layers of its encoder make of the articles; None: they compute it.
    """
    training = network.training
    network.eval()
    try:
        for rows in batches:
            with torch.inference_mode():
                batch = collate(encoded, rows, pad_id=pad_id)
                batch = batch.to(device) if frozen is None else frozen.filled(batch, device)
                logits = network(batch).logits
            yield rows, logits.float().cpu().numpy()
    finally:
        network.train(training)


def sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn logits into probabilities without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * logits))


def mean_cross_entropy(labels: NDArray[np.float64], logits: NDArray[np.float64]) -> float:
    """Return the mean binary cross-entropy of labels and logits."""
    return float(np.mean(np.logaddexp(0.0, logits) - labels * logits))
