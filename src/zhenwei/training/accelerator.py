"""The accelerator of a training: device, precision, processes and trackers."""

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

T = TypeVar("T")


def build_accelerator(config: Config, tensorboard: Path) -> Accelerator:
    """Build the accelerator for a training.

    The number of processes is that of `torchrun` or `accelerate launch`; no setting is needed.

    Args:
        config: The settings.
        tensorboard: Folder for the files of TensorBoard.
    """
    device = resolve_device(config.training.device)
    precision = resolve_precision(config.training.precision, device)
    if torch.device(device).index is not None:
        torch.cuda.set_device(device)
    _reset_accelerate()
    return Accelerator(
        cpu=device == "cpu",
        mixed_precision=precision,
        log_with=[name for name in config.output.trackers if name in _installed_trackers()] or None,
        project_config=ProjectConfiguration(logging_dir=str(tensorboard)),
    )


def on_all_ranks(accelerator: Accelerator, work: Callable[[], T]) -> T:
    """Run a function in every process; if it fails in one, raise its error in all.

    A launcher kills all processes once the first has failed: an error that the main process does not have by then is
    never printed.
    """
    result: T | None = None
    error: ZhenweiError | None = None
    try:
        result = work()
    except ZhenweiError as raised:
        error = raised
    for each in gather_object([error]) if accelerator.num_processes > 1 else [error]:
        if each is not None:
            raise each
    return result  # type: ignore[return-value]  # without an error, there is a result


def check_trackers(names: Sequence[str]) -> None:
    """Refuse experiment trackers that are not installed; accelerate would skip them with a warning.

    Raises:
        ConfigError: If a tracker is not installed.
    """
    for name in names:
        if name not in _installed_trackers():
            raise ConfigError(f"output.trackers: '{name}' is not installed; install it, or remove it from the list")


def _installed_trackers() -> set[str]:
    return {str(tracker) for tracker in get_available_trackers()}


def _reset_accelerate() -> None:
    """Let this training choose its own device and precision; accelerate keeps the first choice of a process.

    The trainer of transformers does the same.
    """
    AcceleratorState._reset_state()
    PartialState._reset_state()
