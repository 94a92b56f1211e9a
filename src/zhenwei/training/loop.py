"""The training loop: a generator of optimizer steps, so that logging, saving and stopping stay outside it."""

import math
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from zhenwei.errors import TrainingError
from zhenwei.models import Output
from zhenwei.tokens import Batch, EncodedArticles, collate
from zhenwei.tokens.batches import shard_rows
from zhenwei.training.loss import training_loss
from zhenwei.training.memory import MemoryTrimmer
from zhenwei.training.plan import Rows, TrainingPlan
from zhenwei.training.state import TrainState

MAX_PENDING_SECONDS = 0.5  # on a GPU, how long the figures of a step may stay unread


@dataclass(frozen=True)
class Step:
    """One optimizer step.

    Attributes:
        loss: Mean training loss of its articles.
        lr: Learning rate of the step.
        grad_norm: Norm of the gradient before clipping.
        n_texts: Number of articles, over all processes.
        width: Tokens in the longest row, padding included.
        is_latest: Whether the weights are those after this step: on a GPU, further steps are taken before the figures
            of the first are read.
    """

    loss: float
    lr: float
    grad_norm: float
    n_texts: int
    width: int
    is_latest: bool = True


@dataclass(frozen=True)
class PendingStep:
    """An optimizer step whose figures [2], loss and gradient norm, are still on the device."""

    figures: Tensor
    lr: float
    n_texts: int
    width: int


class Graphs(Protocol):
    """Recorded steps that can be replayed (`zhenwei.training.step_graphs`)."""

    def gradients(self, batch: Batch) -> tuple[Tensor, Tensor] | None:
        """Compute a batch's gradients; return its loss and gradient norm, or None if nothing is recorded for it."""


def train_steps(
    model: nn.Module,
    state: TrainState,
    plan: TrainingPlan,
    epoch: int,
    first: int = 0,
    graphs: Graphs | None = None,
) -> Iterator[Step]:
    """Train through one epoch, from its optimizer step `first` on, yielding each step.

    On a CPU each step is yielded before the next one is taken. A GPU would idle while the CPU waits for each loss:
    there, steps are read when one must be logged or saved, or after half a second.

    Args:
        model: The network as it is called: distributed over processes, or compiled.
        state: The network itself, its optimizer and schedule.
        plan: The training articles.
        epoch: Counted from 0.
        first: Number of steps to skip because a resumed run has done them.
        graphs: Recorded steps, on a GPU.

    Raises:
        TrainingError: If the loss or the gradient is not finite; the weights are as before that step.
    """
    model.train()
    done = epoch * plan.steps_per_epoch
    is_async, last_read = _is_async(state), time.monotonic()
    state.optimizer.found_inf = None  # type: ignore[attr-defined]  # all earlier steps have been read
    pending: list[PendingStep] = []
    trim = MemoryTrimmer() if state.accelerator.device.type == "cpu" else None
    for number, group in enumerate(plan.step_rows(epoch)):
        if number < first:
            continue
        if trim is not None:
            trim()
        progress = (done + number) / plan.total_steps
        loss, norm, width = _gradients(model, state, plan, group, epoch, progress, graphs)
        figures = torch.stack([loss, norm.float()])
        _skip_if_not_finite(state, figures)
        pending.append(PendingStep(figures, state.lr, sum(map(len, group)), width))
        if _optimizer_step(state):
            state.schedule.step()
        if not is_async or plan.must_read(done + number + 1) or time.monotonic() - last_read > MAX_PENDING_SECONDS:
            yield from _read(pending, state)
            last_read = time.monotonic()


def _gradients(
    model: nn.Module,
    state: TrainState,
    plan: TrainingPlan,
    group: list[Rows],
    epoch: int,
    progress: float,
    graphs: Graphs | None,
) -> tuple[Tensor, Tensor, int]:
    """Compute the clipped gradient of one optimizer step; return its loss, norm before clipping, and widest batch."""
    accelerator = state.accelerator
    total_weight, consistency = plan.total_weight(group), plan.config.training.consistency
    group = _split_large_batches(group, state, plan)
    assert graphs is None or len(group) == 1  # graphs are recorded of steps of a single batch
    total = torch.zeros((), device=accelerator.device)
    width = 0
    for number, rows in enumerate(group, start=1):
        cut = _cut_batch(plan, rows, epoch, state)
        replayed = None if graphs is None else graphs.gradients(cut)
        if replayed is not None:
            return *replayed, cut.tokens.shape[1]
        batch = plan.on_device(cut, accelerator.device)
        with nullcontext() if number == len(group) else accelerator.no_sync(model):
            with accelerator.autocast():
                output: Output = model(batch, progress)
            loss = training_loss(output, batch, total_weight, consistency) * accelerator.num_processes
            # accelerate's own backward would divide by its accumulation steps once more
            scaled = loss if accelerator.scaler is None else accelerator.scaler.scale(loss)
            scaled.backward()
        total += loss.detach() / accelerator.num_processes
        width = max(width, batch.tokens.shape[1])
    if accelerator.num_processes > 1:
        total = accelerator.reduce(total, "sum")
    if accelerator.scaler is not None:
        accelerator.scaler.unscale_(state.optimizer)
    norm = clip_grad_norm_(state.network.parameters(), plan.config.training.grad_clip or math.inf)
    return total, norm, width


def _cut_batch(plan: TrainingPlan, rows: Rows, epoch: int, state: TrainState) -> Batch:
    """Cut this process's share of a batch, on the CPU."""
    accelerator = state.accelerator
    own_rows, weights = shard_rows(rows, accelerator.process_index, accelerator.num_processes)
    if plan.weights is not None:
        weights *= plan.weights[own_rows]
    return collate(
        plan.articles, own_rows, pad_id=plan.pad_id, weights=weights,
        augmentation=plan.augmentation, epoch=epoch, widths=plan.widths,
    )  # fmt: skip


def _split_large_batches(group: list[Rows], state: TrainState, plan: TrainingPlan) -> list[Rows]:
    """Split batches that have more tokens than the network trains at once on a CPU."""
    limit = state.network.max_tokens_per_step
    if state.accelerator.device.type != "cpu" or limit is None:
        return group
    limit *= state.accelerator.num_processes
    return [part for rows in group for part in _split(rows, plan.articles, limit)]


def _split(rows: Rows, articles: EncodedArticles, limit: int) -> list[Rows]:
    """Split a batch into parts of similar length with at most `limit` tokens each, padding included.

    With rewrites, it is split between contents first, so that the loss can compare the articles of a content.
    """
    lengths = articles.lengths[rows]
    if len(rows) == 1 or len(rows) * int(lengths.max()) <= limit:
        return [rows]
    half = len(rows) // 2
    changes = np.diff(articles.contents[rows]) if articles.contents is not None else np.zeros(0, np.int64)
    if changes.any():
        boundaries = np.flatnonzero(changes) + 1
        half = int(boundaries[np.abs(boundaries - half).argmin()])
    else:
        rows = rows[np.argsort(lengths, kind="stable")]
    return [*_split(rows[:half], articles, limit), *_split(rows[half:], articles, limit)]


def _optimizer_step(state: TrainState) -> bool:
    """Step and clear the gradients; return whether the weights moved (with fp16, an overflowed step is skipped)."""
    scaler, moved = state.accelerator.scaler, True
    if scaler is None:
        state.optimizer.step()
    else:
        before = scaler.get_scale()
        scaler.step(state.optimizer)
        scaler.update()
        moved = bool(scaler.get_scale() >= before)
    state.optimizer.zero_grad(set_to_none=True)
    return moved


def _is_async(state: TrainState) -> bool:
    """Return whether steps may be taken before the figures of earlier ones are read.

    Fused AdamW on a GPU skips a step by itself if `found_inf` is set, without waiting for the CPU.
    """
    accelerator = state.accelerator
    return accelerator.device.type == "cuda" and accelerator.num_processes == 1 and accelerator.scaler is None


def _skip_if_not_finite(state: TrainState, figures: Tensor) -> None:
    """Make sure that a step whose figures [2] are not finite changes no weight, and neither do the steps after it."""
    if not _is_async(state):
        loss, norm = figures.tolist()
        _check_finite(loss, norm, state.accelerator.scaler is not None)
        return
    broken = 1.0 - torch.isfinite(figures).all().float()
    before: Tensor | None = state.optimizer.found_inf  # type: ignore[attr-defined]
    state.optimizer.found_inf = broken if before is None else torch.maximum(before, broken)  # type: ignore[attr-defined]


def _read(pending: list[PendingStep], state: TrainState) -> Iterator[Step]:
    """Yield the pending steps, and clear the list.

    Raises:
        TrainingError: If the figures of one are not finite; it and all steps after it changed nothing.
    """
    figures = torch.stack([step.figures for step in pending]).tolist()
    for number, (step, (loss, norm)) in enumerate(zip(pending, figures, strict=True), start=1):
        _check_finite(loss, norm, state.accelerator.scaler is not None)
        yield Step(loss, step.lr, norm, step.n_texts, step.width, is_latest=number == len(pending))
    pending.clear()


def _check_finite(loss: float, norm: float, scaled: bool) -> None:
    """Stop before a step that would destroy the weights; a scaler skips overflowed gradients itself."""
    if not math.isfinite(loss):
        raise TrainingError(f"the loss of the next step is {loss}")
    if not scaled and not math.isfinite(norm):
        raise TrainingError(f"the norm of the next step's gradient is {norm}")
