"""The machine of a benchmark: its description and its peak speed, printed with every figure."""

import os
import platform
import re
import time
from importlib.metadata import version
from pathlib import Path

import torch

from zhenwei.bundle.device import resolve_precision

SIZES = {"cpu": 2048, "cuda": 8192}  # of the square matrices of a ceiling
LIBRARIES = ("torch", "transformers", "tokenizers", "numpy", "scikit-learn")


def ceiling(dtype: torch.dtype, device: str = "cpu", rounds: int = 5) -> float:
    """Return the GFLOP/s of a large matrix product, the best of several rounds, with the current number of threads."""
    size = SIZES[device]
    left, right = (torch.randn(size, size).to(device, dtype) for _ in range(2))
    seconds = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        left @ right
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return 2 * size**3 / min(seconds) / 1e9


def ceilings(device: str = "cpu") -> dict[str, float]:
    """Return the ceilings in float32 and, where the device supports it, in bf16, in GFLOP/s."""
    result = {"float32": ceiling(torch.float32, device)}
    has_bf16 = resolve_precision("auto", device) == "bf16"
    return result | {"bf16": ceiling(torch.bfloat16, device)} if has_bf16 else result


def describe(device: str = "cpu") -> str:
    """Describe the processor, its cores and load, the GPU, and the versions of the libraries."""
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    gpu = f", {torch.cuda.get_device_name()}" if device == "cuda" else ""
    versions = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return f"{processor()}, {os.cpu_count()} cores{load}{gpu}; Python {platform.python_version()}, {versions}"


def processor() -> str:
    """Name the processor."""
    info = Path("/proc/cpuinfo")
    match = re.search(r"model name\s*:\s*(.+)", info.read_text()) if info.exists() else None
    return match.group(1).strip() if match else platform.processor() or platform.machine()


def peak_memory_mb(device: str = "cpu") -> float:
    """Return the peak memory of this process in MB, that of the GPU on `cuda`; nan where it is unknown."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    status = Path("/proc/self/status")
    match = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    return int(match.group(1)) / 1024 if match else float("nan")
