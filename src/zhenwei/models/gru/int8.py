"""Opt-in int8 recurrent inference: all steps of a bidirectional GRU with int8 products (`cpp/gru_int8.cpp`).

States are between -1 and 1, and are quantized to 255 even levels; each row of the recurrent weights has a scale of its
own, as in PyTorch's dynamic quantization of linear layers. The state that is carried from step to step and the gates
are float32: only the products W_hh h are quantized. The instructions (AVX-512 VNNI) do twice as many products as those
for bf16.
"""

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

import torch
from torch import Tensor

from zhenwei.models.gru.build import DTYPE_NAMES, load_library
from zhenwei.models.gru.cpu_kernels import gru_params, has_kernel_types
from zhenwei.models.gru.steps import GRUBuffers

SOURCE = Path(__file__).parent / "cpp" / "gru_int8.cpp"
MIN_HIDDEN = 256  # hidden units below which int8 is not faster

_ENABLED: ContextVar[bool] = ContextVar("int8_inference", default=False)


@contextmanager
def int8_inference() -> Iterator[None]:
    """Let recurrent layers compute W_hh h in int8 in inference, where the processor has instructions for it."""
    token = _ENABLED.set(True)
    try:
        yield
    finally:
        _ENABLED.reset(token)


def int8_inference_enabled() -> bool:
    """Return whether `int8_inference` is active."""
    return _ENABLED.get()


def uses_int8(hidden: int) -> bool:
    """Return whether a layer of so many units computes in int8: enabled, possible and faster."""
    return int8_inference_enabled() and hidden >= MIN_HIDDEN and _rows_per_tile(hidden) > 0


def forward_int8(buffers: GRUBuffers, w_hh: Sequence[Tensor], output: Tensor) -> bool:
    """Take all forward steps, if `uses_int8` and the types are float32 or bf16.

    Args:
        buffers: What to read and write.
        w_hh: [3H, H] float32 of each direction.
        output: [B * T * 2, H], of the buffers' type, receives the states.

    Returns:
        Whether the steps were taken.
    """
    hidden = output.shape[-1]
    if not (uses_int8(hidden) and has_kernel_types(buffers) and buffers.packing.batch_sizes):
        return False
    library = load_library(SOURCE)
    assert library is not None  # `uses_int8` has called it
    tensors, params = gru_params(buffers, {"output": output, "h": buffers.new_state(torch.float32).zero_()})
    forward, backward = (weight.contiguous() for weight in w_hh)
    empty, tile = buffers.gates.new_empty, _rows_per_tile(hidden)
    weights = empty(2, 3 * hidden, hidden, dtype=torch.int8)
    offsets, scales = empty(2, 3 * hidden, dtype=torch.int32), empty(2, 3 * hidden, dtype=torch.float32)
    states = empty(2, 2, -(-buffers.packing.rows // tile) * tile, hidden, dtype=torch.uint8)
    pointers = [each.data_ptr() for each in (weights, offsets, scales, states, forward, backward)]
    quantized = _QuantizedGRU(len(buffers.packing.batch_sizes), *pointers)
    for name in ("quantize", f"forward_{DTYPE_NAMES[buffers.gates.dtype]}"):
        function = getattr(library, name)
        function.argtypes, function.restype = (ctypes.c_void_p, ctypes.c_void_p), None
        function(ctypes.byref(params), ctypes.byref(quantized))
    del tensors  # kept alive until here: the parameters only point to them
    return True


class _QuantizedGRU(ctypes.Structure):
    """`struct QuantizedGRU` of the C++ source."""

    POINTERS = ("weights", "offsets", "scales", "states", "forward", "backward")
    _fields_ = [("steps", ctypes.c_int64), *((name, ctypes.c_void_p) for name in POINTERS)]


def _rows_per_tile(hidden: int) -> int:
    """Return the rows that a kernel computes at a time; 0 without a compiler, instructions or a suitable size."""
    library = load_library(SOURCE)
    return 0 if library is None else int(library.rows_per_tile(ctypes.c_int64(hidden)))
