"""Where and in which precision a network runs; importing this is cheap, so that prediction may use it too."""

import logging
import os
from typing import Any

import torch

from zhenwei.errors import ConfigError

logger = logging.getLogger(__name__)


def resolve_device(setting: str, name: str = "training.device") -> str:
    """Return the device to use: the one asked for, or the CPU with one warning where that is not there."""
    found = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if setting in ("auto", "cpu"):
        return found if setting == "auto" else "cpu"
    wanted = torch.device(setting)
    there = wanted.type == found and (wanted.index or 0) < (torch.cuda.device_count() if found == "cuda" else 1)
    if there:
        return setting
    logger.warning("%s is '%s', but this machine has no such device: going on with the CPU", name, setting)
    return "cpu"


def check_prediction_precision(name: str) -> str:
    """Return the name of a precision in which a trained detector judges as it is.

    Raises:
        ConfigError: If it is neither `float32` nor `auto`, the fastest that the device has.
    """
    if name not in ("float32", "auto"):
        raise ConfigError(f"precision: found {name!r}; expected float32 or auto")
    return name


def resolve_precision(setting: str, device: str) -> str:
    """Return the mixed precision to use: `no`, `fp16` or `bf16`; for `auto` the best that the device computes in."""
    kind = torch.device(device).type
    if setting == "auto":
        if kind == "cuda":
            return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
        return "bf16" if kind == "cpu" and cpu_computes_bf16() else "no"
    if setting == "fp16" and kind == "cpu":
        logger.warning("training.precision is 'fp16', which needs a GPU: going on with 'bf16' on the CPU")
        return "bf16"
    return setting


def cpu_computes_bf16() -> bool:
    """Tell whether the processor has instructions for bf16; emulated, it is slower than float32."""
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # since torch 2.10
    return any(bool(capabilities.get(name)) for name in ("avx512_bf16", "amx_bf16", "arm_bf16", "bf16"))


def is_main_process() -> bool:
    """Tell whether this process is the one that writes and speaks, before an accelerator is there to ask."""
    return int(os.environ.get("RANK", "0")) == 0


def processes_here(n_processes: int) -> int:
    """Return how many of a training's processes run on this machine, which is all that a launcher does not tell of."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", n_processes))


def end_processes() -> None:
    """Close the connections between the processes of a training; called once, at a program's end."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
