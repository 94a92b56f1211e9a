"""The accelerator of a training: its device, its precision, its processes, its trackers."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, PartialState
from accelerate.tracking import get_available_trackers
from accelerate.utils import ProjectConfiguration, gather_object

from zhenwei.bundle.device import resolve_device, resolve_precision
from zhenwei.config import Config
from zhenwei.errors import ConfigError, ZhenweiError
from zhenwei.training.memory import keep_few_products

T = TypeVar("T")


def build_accelerator(config: Config, tensorboard: Path) -> Accelerator:
    """Build the accelerator that a training's settings ask for.

    Processes are those that `torchrun` or `accelerate launch` started; the settings need not know of them.

    Args:
        config: The settings.
        tensorboard: Where TensorBoard's files go.
    """
    device = resolve_device(config.training.device)
    precision = resolve_precision(config.training.precision, device)
    if torch.device(device).index is not None:
        torch.cuda.set_device(device)
    keep_few_products(config.training.batch_size)
    _forget_earlier_trainings()
    return Accelerator(
        cpu=device == "cpu",
        mixed_precision=precision,
        log_with=[name for name in config.output.trackers if name in _installed_trackers()] or None,
        project_config=ProjectConfiguration(logging_dir=str(tensorboard)),
    )


def on_all_ranks(accelerator: Accelerator, work: Callable[[], T]) -> T:
    """Do the same work in every process; where it fails in one, fail in all, with that error.

    A launcher kills all processes once the first has failed: an error that the main process does not know of by
    then would never be printed.
    """
    outcome: T | None = None
    error: ZhenweiError | None = None
    try:
        outcome = work()
    except ZhenweiError as found:
        error = found
    errors = gather_object([error]) if accelerator.num_processes > 1 else [error]
    for each in errors:
        if each is not None:
            raise each
    return outcome  # type: ignore[return-value]  # without an error, there is an outcome


def check_trackers(names: Sequence[str]) -> None:
    """Refuse an experiment tracker that is not installed; accelerate would leave it out with a warning.

    Raises:
        ConfigError: If there is one.
    """
    for name in names:
        if name not in _installed_trackers():
            raise ConfigError(f"output.trackers: '{name}' is not installed; install it, or leave it out")


def _installed_trackers() -> set[str]:
    return {str(tracker) for tracker in get_available_trackers()}


def _forget_earlier_trainings() -> None:
    """Let this training choose its device and precision anew; accelerate keeps the first choice of a process.

    transformers' own trainer does the same for the same reason.
    """
    AcceleratorState._reset_state()
    PartialState._reset_state()
