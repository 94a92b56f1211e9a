"""Limits on the memory that a long training on a CPU holds without using it.

Batches have many different sizes. glibc keeps freed memory in pieces that larger batches do not fit into, and oneDNN,
which multiplies in bf16, compiles a product for each of its sizes and caches up to 1,024 of them.
"""

import ctypes
import math
import os
import time
from collections.abc import Callable
from functools import cache

CACHED_PRODUCTS = 20  # compiled products that oneDNN caches, beside those of the steps of a GRU
TRIM_SECONDS = 2.0  # between two trims, which take some milliseconds each


def limit_onednn_cache(batch_size: int) -> None:
    """Let oneDNN cache fewer compiled products; has no effect if the environment sets a number or oneDNN has started.

    The steps of a GRU multiply fewer and fewer rows of a batch, in multiples of eight, forward and backward.
    """
    products = CACHED_PRODUCTS + 2 * math.ceil(max(batch_size, 64) / 8)
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(products))


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
