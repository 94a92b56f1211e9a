"""The device and precision of a network; importing this module is cheap, so prediction uses it, too."""

import logging
import os
from typing import Any

import torch

from zhenwei.errors import ConfigError

logger = logging.getLogger(__name__)


def resolve_device(setting: str, name: str = "training.device") -> str:
    """Return the device to use: the requested one, or the CPU with a warning if it is not available."""
    available = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if setting in ("auto", "cpu"):
        return available if setting == "auto" else "cpu"
    requested = torch.device(setting)
    count = torch.cuda.device_count() if available == "cuda" else 1
    if requested.type == available and (requested.index or 0) < count:
        return setting
    logger.warning("%s is '%s', but this machine has no such device: using the CPU", name, setting)
    return "cpu"


def check_prediction_precision(name: str) -> str:
    """Return the name of a prediction precision if it is valid.

    Raises:
        ConfigError: If it is neither `float32` nor `auto`, the fastest of the device.
    """
    if name not in ("float32", "auto"):
        raise ConfigError(f"precision: found {name!r}; expected float32 or auto")
    return name


def resolve_precision(setting: str, device: str) -> str:
    """Return the mixed precision to use: `no`, `fp16` or `bf16`; for `auto` the best of the device."""
    kind = torch.device(device).type
    if setting == "auto":
        if kind == "cuda":
            return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
        return "bf16" if kind == "cpu" and cpu_computes_bf16() else "no"
    if setting == "fp16" and kind == "cpu":
        logger.warning("training.precision is 'fp16', which needs a GPU: using 'bf16' on the CPU")
        return "bf16"
    return setting


def cpu_computes_bf16() -> bool:
    """Return whether the CPU has instructions for bf16; emulated, it is slower than float32."""
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # since torch 2.10
    return any(bool(capabilities.get(name)) for name in ("avx512_bf16", "amx_bf16", "arm_bf16", "bf16"))


def is_main_process() -> bool:
    """Return whether this is the main process, which writes and logs; needs no accelerator."""
    return int(os.environ.get("RANK", "0")) == 0


def local_processes(n_processes: int) -> int:
    """Return how many of `n_processes` run on this machine: all of them unless the launcher sets another number."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", n_processes))


def end_processes() -> None:
    """Close the connections between the processes of a training; call it once, when the program ends."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
