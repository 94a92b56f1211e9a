"""The training loop: a generator of optimiser steps, so that printing, saving and stopping stay outside it."""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.nn.utils import clip_grad_norm_

from zhenwei.config import Config
from zhenwei.errors import TrainingError
from zhenwei.models import Output
from zhenwei.tokens import Augmentation, Batch, EncodedArticles, batch_order, collate
from zhenwei.tokens.batches import shard_rows
from zhenwei.training.checkpoints import TrainState
from zhenwei.training.frozen.states import FrozenStates
from zhenwei.training.memory import MemoryTrimmer

Rows = NDArray[np.int64]
READ_AFTER = 0.5  # seconds that steps wait at most to be read, while the next are taken


@dataclass(frozen=True)
class Step:
    """What one optimiser step was.

    Attributes:
        loss: Mean training loss of its articles.
        lr: The rate that it took.
        grad_norm: Norm of the gradient before clipping.
        n_texts: Its articles, over all processes.
        width: Tokens in its longest row, padding included.
        is_latest: Whether the weights are as this step left them: on a graphics card, further steps are taken before
            the figures of the first are read.
    """

    loss: float
    lr: float
    grad_norm: float
    n_texts: int
    width: int
    is_latest: bool = True


@dataclass(frozen=True)
class _PendingStep:
    """An optimiser step whose loss and norm of the gradient [2] may still be on their way."""

    figures: Tensor
    lr: float
    n_texts: int
    width: int


@dataclass(frozen=True)
class TrainingPlan:
    """What a training goes through.

    Attributes:
        articles: To train on.
        config: The run's settings.
        pad_id: Id of the padding token.
        augmentation: Changes the words or entities of each batch, or None.
        widths: The widths that batches are padded to, where the network is compiled; None: each to its longest row.
        frozen: What the frozen layers of the network's encoder make of the articles; None: they compute it each time.
    """

    articles: EncodedArticles
    config: Config
    pad_id: int
    augmentation: Augmentation | None = None
    widths: Sequence[int] | None = None
    frozen: FrozenStates | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps in one pass over the articles."""
        training = self.config.training
        return math.ceil(math.ceil(len(self.articles) / training.batch_size) / training.accumulation_steps)

    @property
    def total_steps(self) -> int:
        """Optimiser steps from the first epoch to the last."""
        return self.steps_per_epoch * self.config.training.epochs

    def is_read_at(self, step: int) -> bool:
        """Whether the log or a checkpoint wants to know of a step, counted from 1, or an epoch ends with it."""
        output = self.config.output
        saved = output.save_steps and step % output.save_steps == 0
        return bool(saved) or step % output.log_interval == 0 or step % self.steps_per_epoch == 0

    def step_rows(self, epoch: int) -> list[list[Rows]]:
        """Return the epoch's articles: per optimiser step a list of batches, a pure function of seed and epoch."""
        training = self.config.training
        order = batch_order(
            self.articles.lengths, training.batch_size, seed=self.config.seed, epoch=epoch, shuffle=True
        )
        size = training.accumulation_steps
        return [order[start : start + size] for start in range(0, len(order), size)]

    def on_device(self, batch: Batch, device: torch.device | str) -> Batch:
        """Give a batch of the articles on a device, with its frozen states where they are kept."""
        if self.frozen is not None:
            return self.frozen.filled(batch, device)
        return batch.to(device, non_blocking=True)


class Graphs(Protocol):
    """Steps that are recorded, and repeated."""

    def gradients(self, batch: Batch) -> tuple[Tensor, Tensor] | None:
        """Compute a batch's gradients -> its loss, the norm of its gradient; None where it is none that repeats."""


def train_steps(
    model: nn.Module,
    trainee: TrainState,
    course: TrainingPlan,
    epoch: int,
    first: int = 0,
    graphs: Graphs | None = None,
) -> Iterator[Step]:
    """Train through one epoch, from its optimiser step `first` on, yielding each step.

    On a CPU each step is yielded before the next is taken. A graphics card that waited for the processor to read each
    loss would stand still: there, steps are read when the log or a checkpoint wants them, or half a second has passed.

    Args:
        model: The network as it is called: wrapped for several processes, or compiled.
        trainee: The network itself, and what changes it.
        course: What to train on.
        epoch: Counted from 0.
        first: Steps to skip, those that a resumed run has done already.
        graphs: Steps that are recorded on a graphics card.

    Raises:
        TrainingError: If the loss or the gradient is no longer finite; the weights are as before that step.
    """
    model.train()
    done = epoch * course.steps_per_epoch
    waits, read = _can_wait(trainee), time.monotonic()
    trainee.optimizer.found_inf = None  # type: ignore[attr-defined]  # all earlier steps have been read
    taken: list[_PendingStep] = []
    trim = MemoryTrimmer() if trainee.accelerator.device.type == "cpu" else None
    for number, group in enumerate(course.step_rows(epoch)):
        if number < first:
            continue
        if trim is not None:
            trim()
        progress = (done + number) / course.total_steps
        taken.append(_take_step(model, trainee, course, group, epoch, progress, graphs))
        if not waits or course.is_read_at(done + number + 1) or time.monotonic() - read > READ_AFTER:
            yield from _read(taken, trainee)
            read = time.monotonic()


def _can_wait(trainee: TrainState) -> bool:
    """Tell whether steps may be taken before the figures of earlier ones are read.

    AdamW in one pass over the weights can be told, without the processor's knowing, to change nothing any more.
    """
    accelerator = trainee.accelerator
    return accelerator.device.type == "cuda" and accelerator.num_processes == 1 and accelerator.scaler is None


def _read(taken: list[_PendingStep], trainee: TrainState) -> Iterator[Step]:
    """Yield the steps that were taken, and forget them.

    Raises:
        TrainingError: If the figures of one are not finite; it and all after it changed nothing.
    """
    figures = torch.stack([step.figures for step in taken]).tolist()
    for number, (step, (loss, norm)) in enumerate(zip(taken, figures, strict=True), start=1):
        _stop_if_not_finite(loss, norm, trainee.accelerator.scaler is not None)
        yield Step(loss, step.lr, norm, step.n_texts, step.width, is_latest=number == len(taken))
    taken.clear()


def _take_step(
    model: nn.Module,
    trainee: TrainState,
    course: TrainingPlan,
    group: list[Rows],
    epoch: int,
    progress: float,
    graphs: Graphs | None,
) -> _PendingStep:
    """Have the gradients of a group of batches, and step once."""
    optimizer = trainee.optimizer
    n_texts = sum(len(rows) for rows in group)
    if trainee.accelerator.device.type == "cpu" and trainee.network.trained_at_once is not None:
        most = trainee.network.trained_at_once * trainee.accelerator.num_processes
        group = [part for rows in group for part in _parts(rows, course.articles.lengths, most)]
    batches = (_cut_batch(course, rows, epoch, trainee) for rows in group)
    found = None
    if graphs is not None:
        [batch] = batches
        found, batches = graphs.gradients(batch), (batch for _ in group)
    if found is None:
        total, norm, width = _gradients(model, trainee, course, batches, len(group), n_texts, progress)
    else:
        (total, norm), width = found, batch.tokens.shape[1]
    lr = float(optimizer.param_groups[0]["lr"])
    figures = torch.stack([total, norm.float()])
    _guard(trainee, figures)
    stepped = _optimizer_step(trainee)
    optimizer.zero_grad(set_to_none=True)
    if stepped:
        trainee.schedule.step()
    return _PendingStep(figures, lr, n_texts, width)


def _parts(rows: Rows, lengths: NDArray[np.integer[Any]], most: int) -> list[Rows]:
    """Cut a batch into parts of like length that have so many tokens at most, padding included."""
    if len(rows) == 1 or len(rows) * int(lengths[rows].max()) <= most:
        return [rows]
    in_order, half = rows[np.argsort(lengths[rows], kind="stable")], len(rows) // 2
    return [*_parts(in_order[:half], lengths, most), *_parts(in_order[half:], lengths, most)]


def _gradients(
    model: nn.Module, trainee: TrainState, course: TrainingPlan, batches: Iterator[Batch], n_batches: int, n_texts: int,
    progress: float,
) -> tuple[Tensor, Tensor, int]:  # fmt: skip
    """Add up the gradients of batches, and clip them -> the loss, the norm before, and the width of the widest."""
    accelerator = trainee.accelerator
    total = torch.zeros((), device=accelerator.device)
    width = 0
    for number, cut in enumerate(batches):
        batch = course.on_device(cut, accelerator.device)
        last = number == n_batches - 1
        with nullcontext() if last else accelerator.no_sync(model):
            with accelerator.autocast():
                output: Output = model(batch, progress)
            loss = training_loss(output, batch, n_texts) * accelerator.num_processes
            _backward(loss, accelerator.scaler)
        total += loss.detach() / accelerator.num_processes
        width = max(width, batch.tokens.shape[1])
    if accelerator.num_processes > 1:
        total = accelerator.reduce(total, "sum")
    if accelerator.scaler is not None:
        accelerator.scaler.unscale_(trainee.optimizer)
    norm = clip_grad_norm_(trainee.network.parameters(), course.config.training.grad_clip or math.inf)
    return total, norm, width


def _guard(trainee: TrainState, figures: Tensor) -> None:
    """See to it that a step whose loss or gradient [2] is not finite changes no weight, nor any step after it."""
    if not _can_wait(trainee):
        loss, norm = figures.tolist()
        _stop_if_not_finite(loss, norm, trainee.accelerator.scaler is not None)
        return
    broken = 1.0 - torch.isfinite(figures).all().float()
    before: Tensor | None = trainee.optimizer.found_inf  # type: ignore[attr-defined]
    trainee.optimizer.found_inf = broken if before is None else torch.maximum(before, broken)  # type: ignore[attr-defined]


def _backward(loss: Tensor, scaler: torch.amp.GradScaler | None) -> None:
    """Add to the gradients; accelerate's own backward divides by what `accelerate launch` set, and we have divided."""
    scaled = loss if scaler is None else scaler.scale(loss)
    scaled.backward()  # type: ignore[no-untyped-call]


def _cut_batch(course: TrainingPlan, rows: Rows, epoch: int, trainee: TrainState) -> Batch:
    """Cut this process's share of a batch, on the CPU."""
    accelerator = trainee.accelerator
    mine, weights = shard_rows(rows, accelerator.process_index, accelerator.num_processes)
    return collate(
        course.articles, mine, pad_id=course.pad_id, weights=weights,
        augmentation=course.augmentation, epoch=epoch, widths=course.widths,
    )  # fmt: skip


def training_loss(output: Output, batch: Batch, n_texts: int) -> Tensor:
    """Return a batch's part of the loss of one optimiser step.

    Args:
        output: What the network said.
        batch: Its labels [B] and weights [B] (0 for rows that only fill a process's share).
        n_texts: Articles in the whole step: the cross-entropies are summed and divided by it, and the network's
            further losses, which are means over the batch's articles, count by its share of them.
    """
    assert batch.labels is not None
    logits = (output.logits if output.train_logits is None else output.train_logits).float()  # [B]
    each = binary_cross_entropy_with_logits(logits, batch.labels, reduction="none")
    loss = (each * batch.weights).sum() / n_texts
    share = batch.weights.sum() / n_texts
    for further in output.losses.values():
        loss = loss + further.float() * share
    return loss


def _optimizer_step(trainee: TrainState) -> bool:
    """Step; tell whether the weights moved (with fp16, a step whose gradients overflowed is skipped)."""
    scaler = trainee.accelerator.scaler
    if scaler is None:
        trainee.optimizer.step()
        return True
    before = scaler.get_scale()
    scaler.step(trainee.optimizer)
    scaler.update()
    return bool(scaler.get_scale() >= before)


def _stop_if_not_finite(loss: float, norm: float, scaled: bool) -> None:
    """Stop before a step that would destroy the weights; with a scaler, overflowed gradients are its business."""
    if not math.isfinite(loss):
        raise TrainingError(f"the loss of the next step is {loss}")
    if not scaled and not math.isfinite(norm):
        raise TrainingError(f"the norm of the next step's gradient is {norm}")
