"""What a machine can do at most, and what it is: to be shown beside every figure."""

import os
import platform
import re
import time
from importlib.metadata import version
from pathlib import Path

import torch

from zhenwei.bundle.device import resolve_precision

SIZES = {"cpu": 2048, "cuda": 8192}  # of the square matrices whose product gives the ceiling
LIBRARIES = ("torch", "transformers", "tokenizers", "numpy", "scikit-learn")


def ceiling(dtype: torch.dtype, device: str = "cpu", rounds: int = 5) -> float:
    """Return the GFLOP/s of a large matrix product, the best of some rounds, with the threads as they are set."""
    size = SIZES[device]
    left, right = (torch.randn(size, size).to(device, dtype) for _ in range(2))
    seconds = []
    for _ in range(rounds + 1):
        begun = time.perf_counter()
        left @ right
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - begun)
    return 2 * size**3 / min(seconds) / 1e9


def ceilings(device: str = "cpu") -> dict[str, float]:
    """Return the ceilings in float32 and, where the device has instructions for it, bf16, in GFLOP/s."""
    found = {"float32": ceiling(torch.float32, device)}
    low = resolve_precision("auto", device) == "bf16"
    return found | {"bf16": ceiling(torch.bfloat16, device)} if low else found


def describe(device: str = "cpu") -> str:
    """Name the processor, its cores, how busy they are, the graphics card, and the versions of the libraries."""
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    card = f", {torch.cuda.get_device_name()}" if device == "cuda" else ""
    versions = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return f"{processor()}, {os.cpu_count()} cores{load}{card}; Python {platform.python_version()}, {versions}"


def processor() -> str:
    """Name the processor."""
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", info.read_text()) if info.exists() else None
    return found.group(1).strip() if found else platform.processor() or platform.machine()


def peak_memory_mb(device: str = "cpu") -> float:
    """Return the most memory that this process has had, of a graphics card's where it computes there, in MB.

    It is nan where the system does not tell.
    """
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    return int(found.group(1)) / 1024 if found else float("nan")
