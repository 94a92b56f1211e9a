"""Sums of the rows that belong together, as the gradients of an embedding are, into memory that is there already."""

import ctypes
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from zhenwei.models.gru.build import KINDS, call_kernel, load_library

SOURCE = Path(__file__).parent / "cpp" / "segment_sum.cpp"


def sum_rows(rows: Tensor, index: Tensor, scale: Tensor | None, into: Tensor) -> None:
    """Add up rows by an index, each times its scale; PyTorch's `embedding_bag` does it where there is no compiler.

    Args:
        rows: [N, W].
        index: [N] int64, below S: to which sum each row belongs.
        scale: [N], of the rows' type; None: 1.
        into: [S, W], contiguous and of the rows' type, where the sums go. A sum of no rows is 0.
    """
    which, order = index.sort()
    firsts = torch.searchsorted(which, torch.arange(len(into) + 1))
    library = load_library(SOURCE) if rows.dtype in KINDS else None
    if library is None:
        weights = None if scale is None else scale[order]
        into.copy_(embedding_bag(order, rows, firsts[:-1], mode="sum", per_sample_weights=weights))
        return
    held = {"rows": rows.contiguous(), "order": order, "firsts": firsts, "into": into}
    if scale is not None:
        held["scale"] = scale.contiguous()
    pointers = {name: tensor.data_ptr() for name, tensor in held.items()}
    call_kernel(library, "sum", rows.dtype, _Fields(*into.shape, torch.get_num_threads(), **pointers))


class _Fields(ctypes.Structure):
    """`struct RowSums` of the C++."""

    _fields_ = [(name, ctypes.c_int64) for name in ("sums", "width", "threads")] + [
        (name, ctypes.c_void_p) for name in ("rows", "scale", "order", "firsts", "into")
    ]
