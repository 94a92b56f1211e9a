"""Optimizer steps on a GPU, recorded as CUDA graphs once per batch width and replayed.

A step of a small network is hundreds of kernels of a few microseconds each. The CPU launches them more slowly than the
GPU runs them; a graph is launched at once.
"""

import logging
import math
from dataclasses import fields

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from zhenwei.errors import ConfigError, first_line
from zhenwei.tokens import Batch
from zhenwei.training.loss import training_loss
from zhenwei.training.plan import TrainingPlan
from zhenwei.training.state import TrainState

logger = logging.getLogger(__name__)

WIDTH_STEP = 8  # batches are padded to multiples of this many tokens; one graph is recorded per width


def build_step_graphs(state: TrainState, plan: TrainingPlan) -> "StepGraphs | None":
    """Return an empty set of graphs for the steps of a training; None if its steps cannot be recorded."""
    training, accelerator = plan.config.training, state.accelerator
    recordable = (
        training.cuda_graphs
        and accelerator.device.type == "cuda"
        and torch.version.hip is None
        and accelerator.num_processes == 1
        and accelerator.scaler is None
        and training.accumulation_steps == 1
        and not training.compile
        and plan.frozen is None
        and plan.articles.contents is None  # the sizes of batches vary
        and state.network.cuda_graphable
    )
    return StepGraphs(state, plan) if recordable else None


def graph_widths(max_len: int) -> tuple[int, ...]:
    """Return the widths that batches are padded to, up to `max_len`."""
    return (*range(WIDTH_STEP, max_len, WIDTH_STEP), max_len)


class StepGraphs:
    """Gradients of full batches by graphs. The first batch of each width is computed eagerly.

    All graphs write to the same gradients, and share the memory of their intermediate results.
    """

    def __init__(self, state: TrainState, plan: TrainingPlan) -> None:
        """Allocate the gradients, on a GPU."""
        training = plan.config.training
        self.state, self.rows = state, min(training.batch_size, len(plan.articles))
        self.grad_clip = training.grad_clip or math.inf
        self.weights = [weight for weight in state.network.parameters() if weight.requires_grad]
        self.grads = [torch.zeros_like(weight) for weight in self.weights]
        self.pool = torch.cuda.graph_pool_handle()
        self.warm: set[int] = set()
        self.graphs: dict[int, _Graph] = {}

    def gradients(self, batch: Batch) -> tuple[Tensor, Tensor] | None:
        """Compute the clipped gradients of a full batch whose width is not new.

        Args:
            batch: On the CPU.

        Returns:
            Its loss, and the norm of its gradient before clipping; None: nothing was computed.

        Raises:
            ConfigError: If the step cannot be recorded.
        """
        width = batch.tokens.shape[1]
        if len(batch) != self.rows or batch.entity_tokens is not None:
            return None
        if width not in self.warm:  # libraries and kernels are loaded on first use, which a graph cannot record
            self.warm.add(width)
            return None
        for weight, grad in zip(self.weights, self.grads, strict=True):
            weight.grad = grad
        if width not in self.graphs:
            self._record(batch, width)
        return self.graphs[width].replay(batch)

    def _record(self, batch: Batch, width: int) -> None:
        try:
            self.graphs[width] = _Graph(self, batch.to(self.state.accelerator.device))
        except RuntimeError as error:  # a layer needs the CPU, or the GPU is out of memory
            raise ConfigError(
                f"training.cuda_graphs: found true, but a step of {width} tokens cannot be recorded here "
                f"({first_line(error)}); set it to false, then rerun with --resume"
            ) from None  # no fallback: after a failed recording, the GPU's random state cannot be used
        if len(self.graphs) == 1:
            logger.info("steps are recorded as CUDA graphs, once for each width of batch")


class _Graph:
    """The step of batches of one shape."""

    def __init__(self, graphs: StepGraphs, batch: Batch) -> None:
        """Record the step; later batches are copied into the memory of this one."""
        self.batch = batch
        self.graph = torch.cuda.CUDAGraph()
        state = graphs.state
        torch.cuda.synchronize()
        with torch.cuda.graph(self.graph, pool=graphs.pool):
            torch._foreach_zero_(graphs.grads)
            with state.accelerator.autocast():
                output = state.network(batch)
            loss = training_loss(output, batch, len(batch))
            loss.backward()  # type: ignore[no-untyped-call]
            self.norm = clip_grad_norm_(graphs.weights, graphs.grad_clip)
            self.loss = loss.detach()

    def replay(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Compute the gradients of another batch of the shape; return its loss and the norm of its gradient."""
        for name, recorded in _tensors(self.batch).items():
            recorded.copy_(getattr(batch, name).pin_memory(), non_blocking=True)
        self.graph.replay()
        return self.loss.clone(), self.norm.clone()


def _tensors(batch: Batch) -> dict[str, Tensor]:
    """Return the tensors of a batch that are on the device, by name."""
    values = {field.name: getattr(batch, field.name) for field in fields(batch)}
    return {name: value for name, value in values.items() if isinstance(value, Tensor) and name != "lengths"}
