"""The machine that figures come from, in words."""

import os
import platform
from pathlib import Path


def machine() -> str:
    """The processor's name, its cores, and how busy they are."""
    names = [platform.processor() or platform.machine()]
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")] or names
    busy = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{names[0]}, {os.cpu_count()} cores{busy}"
