"""How a long training on a CPU is kept from holding ever more memory that it has no use for.

Batches are of ever new sizes. glibc keeps what they leave behind, in pieces that larger ones do not fit into; and
oneDNN, which multiplies in bf16, compiles each product for its sizes, and keeps up to 1,024 of them.
"""

import ctypes
import math
import os
import time
from collections.abc import Callable
from functools import cache

PRODUCTS = 20  # compiled ones that oneDNN keeps, beside those of a GRU's steps
TRIM_EVERY = 2.0  # seconds; it takes some milliseconds


def keep_few_products(batch_size: int) -> None:
    """Have oneDNN keep fewer compiled products, unless the environment says how many, or it has begun already.

    The steps of a GRU multiply ever fewer of a batch's rows, by eights, forward and backward.
    """
    products = PRODUCTS + 2 * math.ceil(max(batch_size, 64) / 8)
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(products))


class MemoryTrimmer:
    """Gives what is free back to the system, unless it was done a moment ago; nothing where there is no glibc."""

    def __init__(self) -> None:
        self._due = 0.0

    def __call__(self) -> None:
        """Give it back, if it is time."""
        trim = _malloc_trim()
        if trim is not None and time.monotonic() >= self._due:
            trim(0)
            self._due = time.monotonic() + TRIM_EVERY


@cache
def _malloc_trim() -> Callable[[int], int] | None:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # another C library; TypeError: Windows
        return None
