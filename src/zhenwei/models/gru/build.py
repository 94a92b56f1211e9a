"""C++ of ours, compiled by the compiler of the machine it runs on, for its processor; where there is none, without."""

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
KINDS = {torch.float32: "float32", torch.bfloat16: "bfloat16"}  # of values, by which functions are named
LONGEST = 60  # seconds that a compiler may take: it needs one

logger = logging.getLogger(__name__)


@cache
def load_library(source: Path) -> ctypes.CDLL | None:
    """Compile a file of C++, or take what was compiled before, and load it; None where that cannot be done.

    What is compiled is kept in the folder of caches, by the source, the compiler and the processor. `CXX` names another
    compiler, and ``ZHENWEI_KERNELS=0`` does without any. PyTorch has to be loaded, whose threads are used (OpenMP).
    """
    if sys.platform != "linux" or os.environ.get("ZHENWEI_KERNELS") == "0":
        return None
    compiler = _compiler()
    if compiler is None:
        logger.info("%s: there is no C++ compiler here; PyTorch's operations do it, more slowly", source.stem)
        return None
    try:
        return _loaded(source, compiler)
    except (OSError, subprocess.SubprocessError) as error:
        why = getattr(error, "stderr", None) or str(error)
        logger.warning("%s cannot be compiled; PyTorch's operations do it, more slowly: %s", source.name, why.strip())
        return None


def call_kernel(library: ctypes.CDLL, name: str, dtype: torch.dtype, fields: ctypes.Structure) -> None:
    """Call a function of a library, in its version for a type of values, with its one struct."""
    function = getattr(library, f"{name}_{KINDS[dtype]}")
    function.argtypes, function.restype = (ctypes.c_void_p,), None
    function(ctypes.byref(fields))


def _compiler() -> str | None:
    names = (os.environ["CXX"],) if os.environ.get("CXX") else COMPILERS
    return next((found for found in map(shutil.which, names) if found), None)


def _loaded(source: Path, compiler: str) -> ctypes.CDLL:
    """Load what is kept, or else compile it and keep it, if there is a place for it."""
    kept = _place(source, compiler)
    if kept is not None and kept.exists():
        with suppress(OSError):  # a damaged file is made anew
            return ctypes.CDLL(str(kept))
    with TemporaryDirectory(dir=None if kept is None else kept.parent) as folder:  # each process makes its own
        made = Path(folder) / f"{source.stem}.so"
        command = [compiler, *FLAGS, str(source), "-o", str(made)]
        subprocess.run(command, capture_output=True, text=True, timeout=LONGEST, check=True)
        library = ctypes.CDLL(str(made))
        if kept is not None:
            made.replace(kept)
        return library


def _place(source: Path, compiler: str) -> Path | None:
    """Return where the library is kept; None where nothing can be."""
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True, timeout=LONGEST, check=True)
    sources = [file.read_text(encoding="utf-8") for file in (*sorted(source.parent.glob("*.h")), source)]
    marks = (*sources, compiler, version.stdout, *FLAGS, _processor())
    key = hashlib.sha256("\0".join(marks).encode()).hexdigest()
    try:
        folder = cache_folder("kernels")
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # a disk that cannot be written, or a user without a home
        return None
    return folder / f"{source.stem}-{key[:24]}.so" if os.access(folder, os.W_OK) else None


def _processor() -> str:
    """Return what tells processors apart: a home may be shared by computers whose instructions differ."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    told = sorted({line for line in lines if line.lower().startswith(("model name", "flags", "features", "cpu part"))})
    return "\n".join([platform.machine(), torch.backends.cpu.get_cpu_capability(), *told])
