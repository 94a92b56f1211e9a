"""Compilation of C++ kernels at first use, for the processor of this machine; optional."""

import ctypes
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from zhenwei.caches import cache_folder

FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-fopenmp", "-shared", "-fPIC")
COMPILERS = ("c++", "g++", "clang++")
DTYPE_NAMES = {torch.float32: "float32", torch.bfloat16: "bfloat16"}  # suffixes of kernel names
TIMEOUT = 60  # seconds for a compiler run, which takes about one

logger = logging.getLogger(__name__)


@cache
def load_library(source: Path) -> ctypes.CDLL | None:
    """Compile a C++ file, or take its cached library, and load it; return None where that is not possible.

    Libraries are cached by source, compiler and processor. `CXX` names another compiler; ``ZHENWEI_KERNELS=0`` turns
    kernels off. PyTorch must be loaded, because kernels use its OpenMP threads.
    """
    if sys.platform != "linux" or os.environ.get("ZHENWEI_KERNELS") == "0":
        return None
    compiler = _find_compiler()
    if compiler is None:
        logger.info("%s: no C++ compiler found; using PyTorch operations, which are slower", source.stem)
        return None
    try:
        return _load_or_compile(source, compiler)
    except (OSError, subprocess.SubprocessError) as error:
        reason = getattr(error, "stderr", None) or str(error)
        logger.warning(
            "%s cannot be compiled; using PyTorch operations, which are slower: %s", source.name, reason.strip()
        )
        return None


def call_kernel(library: ctypes.CDLL, name: str, dtype: torch.dtype, params: ctypes.Structure) -> None:
    """Call the version of a kernel for a type of values, with its parameter struct."""
    function = getattr(library, f"{name}_{DTYPE_NAMES[dtype]}")
    function.argtypes, function.restype = (ctypes.c_void_p,), None
    function(ctypes.byref(params))


def _find_compiler() -> str | None:
    names = (os.environ["CXX"],) if os.environ.get("CXX") else COMPILERS
    return next((path for path in map(shutil.which, names) if path), None)


def _load_or_compile(source: Path, compiler: str) -> ctypes.CDLL:
    """Load the cached library; without one, compile it, and cache it where the cache can be written."""
    cached = _cache_path(source, compiler)
    if cached is not None and cached.exists():
        with suppress(OSError):  # a damaged file is compiled again
            return ctypes.CDLL(str(cached))
    with TemporaryDirectory(dir=None if cached is None else cached.parent) as folder:  # one per process
        compiled = Path(folder) / f"{source.stem}.so"
        command = [compiler, *FLAGS, str(source), "-o", str(compiled)]
        subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=True)
        library = ctypes.CDLL(str(compiled))
        if cached is not None:
            compiled.replace(cached)
        return library


def _cache_path(source: Path, compiler: str) -> Path | None:
    """Return the path of the cached library; None where the cache cannot be written."""
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True, timeout=TIMEOUT, check=True)
    sources = [file.read_text(encoding="utf-8") for file in (*sorted(source.parent.glob("*.h")), source)]
    parts = (*sources, compiler, version.stdout, *FLAGS, _processor())
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    try:
        folder = cache_folder("kernels")
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # a read-only disk, or a user without a home folder
        return None
    return folder / f"{source.stem}-{key[:24]}.so" if os.access(folder, os.W_OK) else None


def _processor() -> str:
    """Describe the processor: computers with different instruction sets may share a home folder."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    prefixes = ("model name", "flags", "features", "cpu part")
    described = sorted({line for line in lines if line.lower().startswith(prefixes)})
    return "\n".join([platform.machine(), torch.backends.cpu.get_cpu_capability(), *described])
