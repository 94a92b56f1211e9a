"""`torch.compile` on request, and on without it where it cannot work."""

import logging

import torch
from torch import nn

from zhenwei.errors import first_line
from zhenwei.tokens import collate
from zhenwei.training.checkpoints import TrainState
from zhenwei.training.loop import TrainingPlan, training_loss

logger = logging.getLogger(__name__)


def compiled_or_plain(model: nn.Module, trainee: TrainState, course: TrainingPlan) -> nn.Module:
    """Compile a model and try it forwards and backwards on one batch; where that fails, warn and return it plain.

    Args:
        model: The network as it is called.
        trainee: The network itself; its gradients are cleared, its weights and random numbers stay as they are.
        course: What it will be trained on, for the trial's batch.
    """
    compiled: nn.Module = torch.compile(model)  # type: ignore[assignment]
    rows = course.step_rows(epoch=0)[0][0]
    batch = collate(course.articles, rows, pad_id=course.pad_id, widths=course.widths)
    batch = course.on_device(batch, trainee.accelerator.device)
    try:
        with torch.random.fork_rng(_generators_of(batch.tokens.device)), trainee.accelerator.autocast():
            training_loss(compiled(batch, 0.0), batch, len(rows)).backward()  # type: ignore[no-untyped-call]
    except Exception as error:  # a missing compiler, an unsupported layer: anything may come out of a compiler
        logger.warning("training.compile: torch.compile cannot work here, going on without it: %s", first_line(error))
        torch._dynamo.reset()
        return model
    finally:
        trainee.network.zero_grad(set_to_none=True)
    logger.info("compiled the network; batches are padded to one of %s tokens", list(course.widths or ()))
    return compiled


def _generators_of(device: torch.device) -> list[int]:
    """Return the GPU whose random numbers a network on this device draws, the CPU's own aside."""
    if device.type != "cuda":
        return []
    return [torch.cuda.current_device() if device.index is None else device.index]
