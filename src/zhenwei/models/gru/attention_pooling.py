"""LayerNorm, dropout and masked attention over a GRU's states as one compiled kernel on a CPU.

As PyTorch operations, each of them reads and writes all states, and keeps them for the backward pass: for the published
BiGRU a seventh of a training step, and more memory than anything but the gates.
"""

import ctypes
from collections.abc import Sequence
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
    is_active = dropout.training and dropout.p > 0
    seed = int(torch.randint(_MAX_SEED, (1,), device="cpu")) if is_active else 0
    score = attention.score
    return _FusedPooling.apply(  # type: ignore[no-any-return, no-untyped-call]
        states, mask, _settings(norm.eps, dropout.p if is_active else 0.0, seed),
        norm.weight, norm.bias, score.weight, score.bias,
    )  # fmt: skip


Settings = dict[str, float]


def _settings(epsilon: float, dropout: float, seed: int) -> Settings:
    """Return the numbers that a kernel reads beside tensors."""
    dropped = min(round(dropout * _RANDOM_VALUES), _RANDOM_VALUES - 1)
    keep_scale = _RANDOM_VALUES / (_RANDOM_VALUES - dropped)
    return {"seed": seed, "dropped": dropped, "epsilon": epsilon, "keep_scale": keep_scale}


class _FusedPooling(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, states: Tensor, mask: Tensor, settings: Settings, *weights: Tensor) -> tuple[Tensor, Tensor]:
        states, mask = states.contiguous(), mask.contiguous()
        rows, width, size = states.shape
        sizes = (("mean", width), ("inverse_std", width), ("weights", width), ("pooled", size))
        results = {name: torch.empty(rows, n) for name, n in sizes}
        _call("forward", states, mask, weights, settings, results)
        ctx.save_for_backward(states, mask, *weights, *results.values())
        ctx.settings = settings
        ctx.mark_non_differentiable(results["weights"])
        return results["pooled"], results["weights"]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        states, mask, *weights, mean, inverse_std, attention, pooled = ctx.saved_tensors
        rows, _width, size = states.shape
        sizes = (
            ("grad_norm_weight", size), ("grad_norm_bias", size), ("grad_score_weight", size), ("grad_score_bias", 1),
        )  # fmt: skip
        grads_by_row = {name: torch.empty(rows, n) for name, n in sizes}
        results = {"mean": mean, "inverse_std": inverse_std, "weights": attention, "pooled": pooled}
        others = {**results, "grad": grad.float().contiguous(), **grads_by_row}
        _call("backward", states, mask, weights, ctx.settings, others)
        states[:0].zero_()  # tells autograd that the states have changed
        grads = [each.sum(dim=0).view_as(weight) for each, weight in zip(grads_by_row.values(), weights, strict=True)]
        return states, None, None, *grads


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


def _call(
    name: str, states: Tensor, mask: Tensor, weights: Sequence[Tensor], settings: Settings, others: dict[str, Tensor]
) -> None:  # fmt: skip
    library = load_library(SOURCE)
    assert library is not None  # `prefers_kernel` has called it
    names = ("norm_weight", "norm_bias", "score_weight", "score_bias")
    tensors = {"states": states, "mask": mask, **dict(zip(names, weights, strict=True)), **others}
    contiguous = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    pointers = {name: tensor.data_ptr() for name, tensor in contiguous.items()}
    params = _PoolingParams(*states.shape, torch.get_num_threads(), **pointers, **settings)
    call_kernel(library, name, states.dtype, params)
