"""Return of free memory to the system during a long training on a CPU.

Batches have ever new sizes, and glibc keeps the memory that they free, in pieces that larger batches do not fit into.
"""

import ctypes
import time
from collections.abc import Callable
from functools import cache

TRIM_SECONDS = 2.0  # between two trims, which take some milliseconds each


class MemoryTrimmer:
    """Returns free memory to the system at most every `TRIM_SECONDS`; does nothing without glibc."""

    def __init__(self) -> None:
        self._due = 0.0

    def __call__(self) -> None:
        """Trim, if it is due."""
        trim = _malloc_trim()
        if trim is not None and time.monotonic() >= self._due:
            trim(0)
            self._due = time.monotonic() + TRIM_SECONDS


@cache
def _malloc_trim() -> Callable[[int], int] | None:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # another C library; TypeError: Windows
        return None
