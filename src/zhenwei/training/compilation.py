"""`torch.compile` on request, with a fallback to the plain network."""

import logging

import torch
from torch import nn

from zhenwei.errors import first_line
from zhenwei.tokens import collate
from zhenwei.training.loss import training_loss
from zhenwei.training.plan import TrainingPlan
from zhenwei.training.state import TrainState

logger = logging.getLogger(__name__)


def compile_if_possible(model: nn.Module, state: TrainState, plan: TrainingPlan) -> nn.Module:
    """Compile a model and run one batch forward and backward; if that fails, warn and return the model as it is.

    Args:
        model: The network as it is called.
        state: The network itself; its gradients are cleared, its weights and random states stay as they are.
        plan: The training articles, from which the batch is cut.
    """
    compiled: nn.Module = torch.compile(model)  # type: ignore[assignment]
    rows = plan.step_rows(epoch=0)[0][0]
    batch = collate(plan.articles, rows, pad_id=plan.pad_id, widths=plan.widths)
    batch = plan.on_device(batch, state.accelerator.device)
    try:
        with torch.random.fork_rng(_generators_of(batch.tokens.device)), state.accelerator.autocast():
            training_loss(compiled(batch, 0.0), batch, len(rows)).backward()  # type: ignore[no-untyped-call]
    except Exception as error:  # a missing compiler, an unsupported layer: a compiler may raise anything
        logger.warning("training.compile: torch.compile does not work here, training without it: %s", first_line(error))
        torch._dynamo.reset()
        return model
    finally:
        state.network.zero_grad(set_to_none=True)
    logger.info("compiled the network; batches are padded to one of %s tokens", list(plan.widths or ()))
    return compiled


def _generators_of(device: torch.device) -> list[int]:
    """Return the GPU whose random numbers a network on this device draws; the CPU's are always forked."""
    if device.type != "cuda":
        return []
    return [torch.cuda.current_device() if device.index is None else device.index]
