"""What a machine can do at most, and what it is: to be shown beside every figure."""

import os
import platform
import re
import time
from importlib.metadata import version
from pathlib import Path

import torch

from zhenwei.training.device import cpu_computes_bf16

SIZE = 2048  # of the square matrices whose product gives the ceiling
LIBRARIES = ("torch", "transformers", "tokenizers", "numpy", "scikit-learn")


def ceiling(dtype: torch.dtype, rounds: int = 5) -> float:
    """Return the GFLOP/s of a large matrix product, the best of some rounds, with the threads as they are set."""
    left, right = (torch.randn(SIZE, SIZE).to(dtype) for _ in range(2))
    seconds = []
    for _ in range(rounds + 1):
        begun = time.perf_counter()
        left @ right
        seconds.append(time.perf_counter() - begun)
    return 2 * SIZE**3 / min(seconds) / 1e9


def ceilings() -> dict[str, float]:
    """Return the ceilings in float32 and, where the processor has instructions for it, bf16, in GFLOP/s."""
    found = {"float32": ceiling(torch.float32)}
    return found | {"bf16": ceiling(torch.bfloat16)} if cpu_computes_bf16() else found


def describe() -> str:
    """Name the processor, its cores, how busy they are, and the versions of the libraries."""
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    versions = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return f"{processor()}, {os.cpu_count()} cores{load}; Python {platform.python_version()}, {versions}"


def processor() -> str:
    """Name the processor."""
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", info.read_text()) if info.exists() else None
    return found.group(1).strip() if found else platform.processor() or platform.machine()


def peak_memory_mb() -> float:
    """Return the most memory that this process has had, in MB; nan where the system does not tell."""
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    return int(found.group(1)) / 1024 if found else float("nan")
