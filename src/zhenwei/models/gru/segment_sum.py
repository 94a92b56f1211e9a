"""Sums of the rows that share an index, as in the gradient of an embedding, into memory that is already allocated."""

import ctypes
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from zhenwei.models.gru.build import DTYPE_NAMES, call_kernel, load_library

SOURCE = Path(__file__).parent / "cpp" / "segment_sum.cpp"


def segment_sum(rows: Tensor, index: Tensor, scale: Tensor | None, out: Tensor) -> None:
    """Add up rows by index, each times its scale; without a compiler, PyTorch's `embedding_bag` does it.

    Args:
        rows: [N, W].
        index: [N] int64, below S: the segment of each row.
        scale: [N], of the rows' type; None: 1.
        out: [S, W], contiguous and of the rows' type, receives the sums. The sum of an empty segment is 0.
    """
    segments, order = index.sort()
    offsets = torch.searchsorted(segments, torch.arange(len(out) + 1))
    library = load_library(SOURCE) if rows.dtype in DTYPE_NAMES else None
    if library is None:
        weights = None if scale is None else scale[order]
        out.copy_(embedding_bag(order, rows, offsets[:-1], mode="sum", per_sample_weights=weights))
        return
    tensors = {"rows": rows.contiguous(), "order": order, "offsets": offsets, "out": out}
    if scale is not None:
        tensors["scale"] = scale.contiguous()
    pointers = {name: tensor.data_ptr() for name, tensor in tensors.items()}
    call_kernel(library, "segment_sum", rows.dtype, _Params(*out.shape, torch.get_num_threads(), **pointers))


class _Params(ctypes.Structure):
    """`struct SegmentSum` of the C++ source."""

    _fields_ = [(name, ctypes.c_int64) for name in ("segments", "width", "threads")] + [
        (name, ctypes.c_void_p) for name in ("rows", "scale", "order", "offsets", "out")
    ]
