"""Optimiser steps on a graphics card that are recorded once for each width of batch, as CUDA graphs, and repeated.

A step of a small network is hundreds of kernels of a few microseconds each, and a processor launches them more slowly
than the card runs them. A graph is launched at once.
"""

import logging
import math
from dataclasses import fields, replace

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from zhenwei.errors import ConfigError, first_line
from zhenwei.tokens import Batch
from zhenwei.training.checkpoints import TrainState
from zhenwei.training.loop import TrainingPlan, training_loss

logger = logging.getLogger(__name__)

WIDTHS = 8  # batches are padded to multiples of so many tokens: each width is recorded by itself


def step_graphs(trainee: TrainState, course: TrainingPlan) -> "StepGraphs | None":
    """Return graphs for a training's steps, none recorded yet; None where its steps cannot be repeated as they are."""
    training, accelerator = course.config.training, trainee.accelerator
    repeatable = (
        training.cuda_graphs
        and accelerator.device.type == "cuda"
        and torch.version.hip is None
        and accelerator.num_processes == 1
        and accelerator.scaler is None
        and training.accumulation_steps == 1
        and not training.compile
        and course.frozen is None
        and trainee.network.repeatable
    )
    return StepGraphs(trainee, course) if repeatable else None


def graph_widths(max_len: int) -> tuple[int, ...]:
    """Give the widths that batches are padded to, up to `max_len`."""
    return (*range(WIDTHS, max_len, WIDTHS), max_len)


class StepGraphs:
    """The gradients of full batches, by graphs. What is met for the first time is left to be computed as usual.

    All graphs write to the same gradients, and share their memory for what lies between.
    """

    def __init__(self, trainee: TrainState, course: TrainingPlan) -> None:
        """Take over a training on a graphics card."""
        training = course.config.training
        self.trainee, self.rows = trainee, min(training.batch_size, len(course.articles))
        self.grad_clip = training.grad_clip or math.inf
        self.weights = [weight for weight in trainee.network.parameters() if weight.requires_grad]
        self.grads = [torch.zeros_like(weight) for weight in self.weights]
        self.pool = torch.cuda.graph_pool_handle()
        self.met: set[int] = set()
        self.graphs: dict[int, _Graph] = {}

    def gradients(self, batch: Batch) -> tuple[Tensor, Tensor] | None:
        """Compute a batch's gradients, clipped, where it is of a kind that comes again and was met before.

        Args:
            batch: On the CPU.

        Returns:
            Its loss, and the norm of its gradient before clipping; None: nothing was done.

        Raises:
            ConfigError: If the step cannot be recorded.
        """
        width = batch.tokens.shape[1]
        if len(batch) != self.rows or batch.entity_tokens is not None:
            return None
        if width not in self.met:  # libraries and kernels are loaded on the first time, which no graph can do
            self.met.add(width)
            return None
        for weight, grad in zip(self.weights, self.grads, strict=True):
            weight.grad = grad
        if width not in self.graphs:
            self._record(batch, width)
        return self.graphs[width].replay(batch)

    def _record(self, batch: Batch, width: int) -> None:
        """Record the step of batches of a width."""
        try:
            self.graphs[width] = _Graph(self, batch.to(self.trainee.accelerator.device))
        except RuntimeError as error:  # what a layer does may need the processor, or the card has no more memory
            raise ConfigError(
                f"training.cuda_graphs: found true, but a step of {width} tokens cannot be recorded here "
                f"({first_line(error)}); set it to false, and go on with --resume"
            ) from None  # not without graphs: a card's random numbers are of no use after a recording that failed
        if len(self.graphs) == 1:
            logger.info("steps are recorded as CUDA graphs, for each width of batch once")


class _Graph:
    """The step of batches of one shape."""

    def __init__(self, graphs: StepGraphs, batch: Batch) -> None:
        """Record it, into the gradients that the weights have; the batch's memory becomes that of all later ones."""
        self.batch = batch
        self.graph = torch.cuda.CUDAGraph()
        trainee = graphs.trainee
        torch.cuda.synchronize()
        with torch.cuda.graph(self.graph, pool=graphs.pool):
            torch._foreach_zero_(graphs.grads)
            with trainee.accelerator.autocast():
                output = trainee.network(batch)
            loss = training_loss(output, batch, len(batch))
            loss.backward()  # type: ignore[no-untyped-call]
            self.norm = clip_grad_norm_(graphs.weights, graphs.grad_clip)
            self.loss = loss.detach()

    def replay(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Compute the gradients of another batch of the shape; returns its loss and the norm of its gradient."""
        for name, place in _tensors(self.batch).items():
            place.copy_(getattr(batch, name).pin_memory(), non_blocking=True)
        self.graph.replay()
        return self.loss.clone(), self.norm.clone()


def _tensors(batch: Batch) -> dict[str, Tensor]:
    """Return what a batch has on the device, by name."""
    values = {field.name: getattr(batch, field.name) for field in fields(batch)}
    return {name: value for name, value in values.items() if isinstance(value, Tensor) and name != "lengths"}


def with_graph_widths(course: TrainingPlan) -> TrainingPlan:
    """Give a course whose batches are padded to few widths."""
    return replace(course, widths=graph_widths(course.config.data.max_len))
