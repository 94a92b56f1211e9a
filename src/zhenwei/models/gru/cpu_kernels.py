"""The steps of `steps.py` as compiled kernels (`cpp/gru.cpp`), or as PyTorch operations without a compiler.

A step of the published BiGRU is a dozen operations on half a megabyte each, beside its two matrix products; a step of a
small one is a dozen calls that take longer than their arithmetic. A kernel is one pass over memory.
"""

import ctypes
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from zhenwei.models.gru.build import DTYPE_NAMES, load_library
from zhenwei.models.gru.steps import BackwardSteps, ForwardSteps, GRUBuffers

SOURCE = Path(__file__).parent / "cpp" / "gru.cpp"


def forward_steps(buffers: GRUBuffers, output: Tensor) -> "ForwardSteps | _KernelSteps":
    """Return `ForwardSteps`, or a kernel that does the same."""
    library = load_library(SOURCE) if has_kernel_types(buffers) else None
    if library is None:
        return ForwardSteps(buffers, output)
    return _KernelSteps(library, "forward_step", buffers, output=output, h=buffers.new_state(torch.float32).zero_())


def backward_steps(buffers: GRUBuffers, grad_output: Tensor) -> "BackwardSteps | _KernelSteps":
    """Return `BackwardSteps`, or a kernel that does the same."""
    library = load_library(SOURCE) if has_kernel_types(buffers) else None
    if library is None:
        return BackwardSteps(buffers, grad_output)
    grad_h = buffers.new_state(torch.float32)
    return _KernelSteps(library, "backward_step", buffers, grad_output=grad_output, grad_h=grad_h)


class _KernelSteps:
    def __init__(self, library: ctypes.CDLL, name: str, buffers: GRUBuffers, **tensors: Tensor) -> None:
        self._tensors, self._params = gru_params(buffers, tensors)
        self._step = getattr(library, f"{name}_{DTYPE_NAMES[buffers.gates.dtype]}")
        self._step.argtypes = (ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)
        self._step.restype = None
        self._pointer = ctypes.byref(self._params)

    def step(self, number: int, products: Sequence[Tensor]) -> None:
        """Take a step, given the matrix products of both directions."""
        forward, backward = products
        self._step(self._pointer, number, forward.data_ptr(), backward.data_ptr())


class GRUParams(ctypes.Structure):
    """`struct GRUParams` of the C++ sources: sizes and pointers to tensors."""

    SIZES = ("hidden", "n_tokens", "n_rows", "threads", "keep_all")
    TENSORS = (
        "step_offsets", "token_index", "unique_index", "position_index", "unique_proj", "position_proj", "scale",
        "constant", "b_hn", "gates", "hidden_new", "prev_hidden", "h", "output", "grad_output", "grad_h",
    )  # fmt: skip
    _fields_ = [(name, ctypes.c_int64) for name in SIZES] + [(name, ctypes.c_void_p) for name in TENSORS]


def gru_params(buffers: GRUBuffers, more: dict[str, Tensor]) -> tuple[dict[str, Tensor], GRUParams]:
    """Fill in the parameters of the kernels; the returned tensors must outlive them."""
    packing, ends = buffers.packing, buffers.packing.step_ends
    tensors: dict[str, Tensor | None] = {
        **more,
        "step_offsets": torch.tensor([0, *ends, ends[-1]]),  # an empty step follows the last one
        "token_index": packing.token_index,
        **{name: getattr(buffers, name) for name in ("gates", "hidden_new", "prev_hidden", "b_hn")},
        **({} if buffers.projection is None else vars(buffers.projection)),
    }
    contiguous = {name: tensor.contiguous() for name, tensor in tensors.items() if tensor is not None}
    hidden, threads = buffers.hidden_new.shape[-1], torch.get_num_threads()
    sizes = (hidden, packing.n_tokens, packing.rows, threads, int(buffers.keep_all))
    return contiguous, GRUParams(*sizes, **{name: tensor.data_ptr() for name, tensor in contiguous.items()})


def has_kernel_types(buffers: GRUBuffers) -> bool:
    """Return whether kernels exist for the types of the buffers."""
    return buffers.gates.dtype in DTYPE_NAMES and buffers.state_dtype == torch.float32
