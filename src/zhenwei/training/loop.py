"""The training loop: a generator of optimiser steps, so that printing, saving and stopping stay outside it."""

import math
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

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
from zhenwei.training.checkpoints import Trainee
from zhenwei.training.frozen_states import FrozenStates

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Step:
    """What one optimiser step was.

    Attributes:
        loss: Mean training loss of its articles.
        lr: The rate that it took.
        grad_norm: Norm of the gradient before clipping.
        n_texts: Its articles, over all processes.
        width: Tokens in its longest row, padding included.
    """

    loss: float
    lr: float
    grad_norm: float
    n_texts: int
    width: int


@dataclass(frozen=True)
class Course:
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


def train_steps(model: nn.Module, trainee: Trainee, course: Course, epoch: int, first: int = 0) -> Iterator[Step]:
    """Train through one epoch, from its optimiser step `first` on, yielding after each step.

    Args:
        model: The network as it is called: wrapped for several processes, or compiled.
        trainee: The network itself, and what changes it.
        course: What to train on.
        epoch: Counted from 0.
        first: Steps to skip, those that a resumed run has done already.

    Raises:
        TrainingError: If the loss or the gradient is no longer finite; the weights are as before that step.
    """
    model.train()
    done = epoch * course.steps_per_epoch
    for number, group in enumerate(course.step_rows(epoch)):
        if number >= first:
            yield _take_step(model, trainee, course, group, epoch, progress=(done + number) / course.total_steps)


def _take_step(
    model: nn.Module, trainee: Trainee, course: Course, group: list[Rows], epoch: int, progress: float
) -> Step:
    """Accumulate the gradients of a group of batches and step once."""
    accelerator, optimizer = trainee.accelerator, trainee.optimizer
    n_texts = sum(len(rows) for rows in group)
    total = torch.zeros((), device=accelerator.device)
    width = 0
    for number, rows in enumerate(group):
        batch = _cut_batch(course, rows, epoch, trainee)
        last = number == len(group) - 1
        with nullcontext() if last else accelerator.no_sync(model):
            with accelerator.autocast():
                output: Output = model(batch, progress)
            loss = training_loss(output, batch, n_texts) * accelerator.num_processes
            _backward(loss, accelerator.scaler)
        total += loss.detach() / accelerator.num_processes
        width = max(width, batch.tokens.shape[1])
    if accelerator.num_processes > 1:
        total = accelerator.reduce(total, "sum")
    lr = float(optimizer.param_groups[0]["lr"])
    if accelerator.scaler is not None:
        accelerator.scaler.unscale_(optimizer)
    norm = clip_grad_norm_(trainee.network.parameters(), course.config.training.grad_clip or math.inf)
    _stop_if_not_finite(total, norm, accelerator.scaler is not None)
    stepped = _optimizer_step(trainee)
    optimizer.zero_grad(set_to_none=True)
    if stepped:
        trainee.schedule.step()
    return Step(float(total), lr, float(norm), n_texts, width)


def _backward(loss: Tensor, scaler: torch.amp.GradScaler | None) -> None:
    """Add to the gradients; accelerate's own backward divides by what `accelerate launch` set, and we have divided."""
    scaled = loss if scaler is None else scaler.scale(loss)
    scaled.backward()  # type: ignore[no-untyped-call]


def _cut_batch(course: Course, rows: Rows, epoch: int, trainee: Trainee) -> Batch:
    """Cut this process's share of a batch."""
    accelerator = trainee.accelerator
    mine, weights = shard_rows(rows, accelerator.process_index, accelerator.num_processes)
    batch = collate(
        course.articles, mine, pad_id=course.pad_id, weights=weights,
        augmentation=course.augmentation, epoch=epoch, widths=course.widths,
    )  # fmt: skip
    return course.on_device(batch, accelerator.device)


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


def _optimizer_step(trainee: Trainee) -> bool:
    """Step; tell whether the weights moved (with fp16, a step whose gradients overflowed is skipped)."""
    scaler = trainee.accelerator.scaler
    if scaler is None:
        trainee.optimizer.step()
        return True
    before = scaler.get_scale()
    scaler.step(trainee.optimizer)
    scaler.update()
    return bool(scaler.get_scale() >= before)


def _stop_if_not_finite(loss: Tensor, norm: Tensor, scaled: bool) -> None:
    """Stop before a step that would destroy the weights; with a scaler, overflowed gradients are its business."""
    if not bool(torch.isfinite(loss)):
        raise TrainingError(f"the loss of the next step is {float(loss)}")
    if not scaled and not bool(torch.isfinite(norm)):
        raise TrainingError(f"the norm of the next step's gradient is {float(norm)}")
