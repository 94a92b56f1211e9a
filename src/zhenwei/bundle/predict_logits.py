"""Logits of a network for encoded articles: the one function that training, evaluation and prediction share."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from zhenwei.bundle.device import check_prediction_precision, resolve_precision
from zhenwei.models import DetectorNetwork, int8_inference
from zhenwei.models.dropout import evaluation_mode
from zhenwei.tokens import Batch, EncodedArticles, batch_order, collate

if TYPE_CHECKING:
    from accelerate import Accelerator

GPU_BATCH_SIZE = 256


class PrecomputedStates(Protocol):
    """States of frozen encoder layers, computed before the first epoch (`zhenwei.training.frozen`)."""

    def attach(self, batch: Batch, device: torch.device | str) -> Batch:
        """Return the batch on a device, with the states of its articles."""


def prediction_batch_size(network: DetectorNetwork, device: torch.device | str) -> int:
    """Return the fastest batch size of a network on a device, in articles."""
    return network.prediction_batch_size if torch.device(device).type == "cpu" else GPU_BATCH_SIZE


def predict_logits(
    network: DetectorNetwork,
    articles: EncodedArticles,
    *,
    pad_id: int,
    device: torch.device | str | None = None,
    precision: str = "float32",
    batch_size: int | None = None,
    accelerator: "Accelerator | None" = None,
    frozen: PrecomputedStates | None = None,
) -> NDArray[np.float64]:
    """Return the logit of every article; articles of similar length share a batch.

    Args:
        network: On the device; its training mode is restored afterwards.
        articles: N articles.
        pad_id: Id of the padding token.
        device: Where the network is; the accelerator's by default.
        precision: `float32`, or `auto`: the fastest of the device, or the accelerator's own where there is one.
        batch_size: Articles per batch; `prediction_batch_size` by default.
        accelerator: Shares the batches among its processes; None: this process computes all.
        frozen: Precomputed states of the network's frozen layers; None: the network computes them.

    Returns:
        Logits of fake [N], in the order of the articles, in every process.

    Raises:
        ConfigError: If the precision is unknown.
    """
    if device is None:
        device = "cpu" if accelerator is None else accelerator.device
    batches = batch_order(
        articles.lengths, batch_size or prediction_batch_size(network, device), seed=0, epoch=0, shuffle=False
    )
    context: AbstractContextManager[None]
    if accelerator is None:
        context = prediction_precision(precision, device)
    else:
        batches = batches[accelerator.process_index :: accelerator.num_processes]
        context = accelerator.autocast() if precision == "auto" else nullcontext()
    predicted: list[tuple[NDArray[np.int64], NDArray[np.float32]]] = []
    with context, evaluation_mode(network), torch.inference_mode():
        for rows in batches:
            batch = collate(articles, rows, pad_id=pad_id)
            batch = batch.to(device) if frozen is None else frozen.attach(batch, device)
            predicted.append((rows, network(batch).logits.float().cpu().numpy()))
    if accelerator is not None and accelerator.num_processes > 1:
        from accelerate.utils import gather_object  # noqa: PLC0415  # a single process does not need accelerate

        predicted = gather_object(predicted)
    logits = np.full(len(articles), np.nan)
    for rows, values in predicted:
        logits[rows] = values
    if sum(len(rows) for rows, _ in predicted) != len(articles):
        raise RuntimeError("some articles were predicted twice or not at all")
    return logits


@contextmanager
def prediction_precision(name: str, device: torch.device | str) -> Iterator[None]:
    """Compute in a precision within this context.

    Args:
        name: `float32`, or `auto`: mixed precision (bf16, on older GPUs fp16), and on a CPU with AVX-512 VNNI also
            int8 states of recurrent layers.
        device: Where the network is.

    Raises:
        ConfigError: If the precision is unknown.
    """
    check_prediction_precision(name)
    with ExitStack() as stack:
        if name == "auto":
            kind = torch.device(device).type
            dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(resolve_precision("auto", kind))
            if dtype is not None:
                stack.enter_context(torch.autocast(kind, dtype))
            if kind == "cpu":
                stack.enter_context(int8_inference())
        yield


def sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probabilities of logits, without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * logits))


def mean_cross_entropy(labels: NDArray[np.float64], logits: NDArray[np.float64]) -> float:
    """Return the mean binary cross-entropy of labels and logits."""
    return float(np.mean(np.logaddexp(0.0, logits) - labels * logits))
