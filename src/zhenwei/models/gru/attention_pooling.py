"""LayerNorm, dropout and masked attention over a GRU's states as one compiled kernel on a CPU.

As PyTorch operations, each of them reads and writes all states, and keeps them for the backward pass: for the published
BiGRU a seventh of a training step, and more memory than anything but the gates.
"""

import ctypes
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from zhenwei.models.dropout import is_tracing
from zhenwei.models.gru.bigru_layer import MANY_ROWS
from zhenwei.models.gru.build import DTYPE_NAMES, call_kernel, load_library
from zhenwei.models.layers import MaskAttention

SOURCE = Path(__file__).parent / "cpp" / "attention.cpp"
_RANDOM_VALUES = 2**32  # 32 random bits decide on each value
_MAX_SEED = 2**63 - 1


def prefers_kernel(states: Tensor, norm: nn.LayerNorm) -> bool:
    """Return whether `fused_attention_pooling` should pool states [B, T, D]: small batches need no compiler."""
    if is_tracing() or states.device.type != "cpu":  # checked first: a graph would record the number of rows
        return False
    if states.dtype not in DTYPE_NAMES or norm.weight.dtype != torch.float32:
        return False
    return (states.requires_grad or len(states) >= MANY_ROWS) and load_library(SOURCE) is not None


def fused_attention_pooling(
    states: Tensor, mask: Tensor, norm: nn.LayerNorm, dropout: nn.Dropout, attention: MaskAttention
) -> tuple[Tensor, Tensor]:
    """Compute ``attention(dropout(norm(states)), mask)``, where `prefers_kernel` says so.

    The backward pass overwrites the states by their gradient: a graph can be walked back once, and the states must not
    be needed elsewhere.

    Args:
        states: [B, T, D] float32 or bfloat16.
        mask: [B, T] bool, True at real tokens.
        norm: Over D.
        dropout: Where active, draws one seed from PyTorch's generator.
        attention: Over D.

    Returns:
        The pooled features [B, D] and the weights [B, T], which have no gradient; both float32.
    """
    rate = dropout.p if dropout.training else 0.0
    dropped = min(round(rate * _RANDOM_VALUES), _RANDOM_VALUES - 1)
    settings = {
        "seed": int(torch.randint(_MAX_SEED, (1,), device="cpu")) if rate > 0 else 0,
        "dropped": dropped,
        "epsilon": norm.eps,
        "keep_scale": _RANDOM_VALUES / (_RANDOM_VALUES - dropped),
    }
    score = attention.score
    return _FusedPooling.apply(  # type: ignore[no-any-return, no-untyped-call]
        states, mask, settings, norm.weight, norm.bias, score.weight, score.bias
    )


Settings = dict[str, float]
"""The numbers that a kernel reads beside tensors."""

_WEIGHTS = ("norm_weight", "norm_bias", "score_weight", "score_bias")
_SAVED = ("states", "mask", *_WEIGHTS, "mean", "inverse_std", "weights", "pooled")


class _FusedPooling(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, states: Tensor, mask: Tensor, settings: Settings, *weights: Tensor) -> tuple[Tensor, Tensor]:
        rows, width, size = states.shape
        results = [torch.empty(rows, n) for n in (width, width, width, size)]
        tensors = dict(zip(_SAVED, (states.contiguous(), mask.contiguous(), *weights, *results), strict=True))
        _call("forward", tensors, settings)
        ctx.save_for_backward(*tensors.values())
        ctx.settings = settings
        ctx.mark_non_differentiable(tensors["weights"])
        return tensors["pooled"], tensors["weights"]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        tensors = dict(zip(_SAVED, ctx.saved_tensors, strict=True))
        states: Tensor = tensors["states"]
        grads_by_row = {name: torch.empty(len(states), tensors[name].numel()) for name in _WEIGHTS}
        grads = {f"grad_{name}": each for name, each in grads_by_row.items()}
        _call("backward", {**tensors, "grad": grad.float(), **grads}, ctx.settings)
        states[:0].zero_()  # tells autograd that the states have changed
        return states, None, None, *(each.sum(dim=0).view_as(tensors[name]) for name, each in grads_by_row.items())


class _PoolingParams(ctypes.Structure):
    """`struct PoolingParams` of the C++ source."""

    SIZES = ("rows", "width", "size", "threads")
    TENSORS = (
        "mask", "states", "norm_weight", "norm_bias", "score_weight", "score_bias",
        "mean", "inverse_std", "weights", "pooled", "grad",
        "grad_norm_weight", "grad_norm_bias", "grad_score_weight", "grad_score_bias",
    )  # fmt: skip
    _fields_ = (
        [(name, ctypes.c_int64) for name in SIZES]
        + [(name, ctypes.c_void_p) for name in TENSORS]
        + [("seed", ctypes.c_uint64), ("dropped", ctypes.c_uint64)]
        + [("epsilon", ctypes.c_float), ("keep_scale", ctypes.c_float)]
    )


def _call(name: str, tensors: dict[str, Tensor], settings: Settings) -> None:
    library, states = load_library(SOURCE), tensors["states"]
    assert library is not None  # `prefers_kernel` has called it
    contiguous = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    pointers = {name: tensor.data_ptr() for name, tensor in contiguous.items()}
    params = _PoolingParams(*states.shape, torch.get_num_threads(), **pointers, **settings)
    call_kernel(library, name, states.dtype, params)
