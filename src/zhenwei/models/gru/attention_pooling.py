"""LayerNorm, dropout and masked attention in one pass over a GRU's states, on a CPU that can compile it.

By PyTorch's operations each of them reads and writes all states, and keeps them for the way back: for the published
BiGRU a seventh of a training step, and more memory than anything but the gates.
"""

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from zhenwei.models.dropout import is_traced
from zhenwei.models.gru.bigru_layer import SEVERAL_ROWS
from zhenwei.models.gru.build import KINDS, call_kernel, load_library
from zhenwei.models.layers import MaskAttention

SOURCE = Path(__file__).parent / "cpp" / "attention.cpp"
_LEVELS = 2**32  # a value is dropped by a random number of 32 bits
_SEEDS = 2**63 - 1


def has_kernel(states: Tensor, norm: nn.LayerNorm) -> bool:
    """Whether `normed_attention` had better pool states [B, T, D]: for a few texts no library is loaded."""
    if is_traced() or states.device.type != "cpu":  # first of all: a graph would remember how many rows there were
        return False
    if states.dtype not in KINDS or norm.weight.dtype != torch.float32:
        return False
    several = states.requires_grad or len(states) >= SEVERAL_ROWS
    return several and load_library(SOURCE) is not None


def normed_attention(
    states: Tensor, mask: Tensor, norm: nn.LayerNorm, dropout: nn.Dropout, attention: MaskAttention
) -> tuple[Tensor, Tensor]:
    """Give what ``attention(dropout(norm(states)), mask)`` gives, where `has_kernel` says so.

    On the way back the memory of the states becomes that of their gradient: a graph can be walked back once, and
    nobody else may need the states for it.

    Args:
        states: [B, T, D] float32 or bfloat16.
        mask: [B, T] bool, True at real tokens.
        norm: Over D.
        dropout: Draws one number for all, from PyTorch's generator, where it drops anything.
        attention: Over D.

    Returns:
        The pooled features [B, D] and the weights [B, T], which have no gradient; both float32.
    """
    drops = dropout.training and dropout.p > 0
    seed = int(torch.randint(_SEEDS, (1,), device="cpu")) if drops else 0
    score = attention.score
    return _NormedAttention.apply(  # type: ignore[no-any-return, no-untyped-call]
        states, mask, _Rest(norm.eps, dropout.p if drops else 0.0, seed),
        norm.weight, norm.bias, score.weight, score.bias,
    )  # fmt: skip


class _Rest:
    """What the pooling hangs on beside tensors."""

    def __init__(self, epsilon: float, rate: float, seed: int) -> None:
        dropped = min(round(rate * _LEVELS), _LEVELS - 1)
        self.numbers = {
            "seed": seed,
            "dropped": dropped,
            "epsilon": epsilon,
            "kept_scale": _LEVELS / (_LEVELS - dropped),
        }


class _NormedAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, states: Tensor, mask: Tensor, rest: _Rest, *weights: Tensor) -> tuple[Tensor, Tensor]:
        states, mask = states.contiguous(), mask.contiguous()
        rows, width, size = states.shape
        found = {
            name: torch.empty(rows, n)
            for name, n in (("mean", width), ("inverse", width), ("weights", width), ("pooled", size))
        }  # fmt: skip
        _call("pool", states, mask, weights, rest, found)
        ctx.save_for_backward(states, mask, *weights, *found.values())
        ctx.rest = rest
        ctx.mark_non_differentiable(found["weights"])
        return found["pooled"], found["weights"]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        states, mask, *weights, mean, inverse, shares, pooled = ctx.saved_tensors
        rows, _width, size = states.shape
        by_row = {
            name: torch.empty(rows, n)
            for name, n in (
                ("of_norm_weight", size), ("of_norm_bias", size), ("of_score_weight", size), ("of_score_bias", 1),
            )
        }  # fmt: skip
        found = {"mean": mean, "inverse": inverse, "weights": shares, "pooled": pooled}
        _call("walk_back", states, mask, weights, ctx.rest, {**found, "grad": grad.float().contiguous(), **by_row})
        states[:0].zero_()  # says to autograd that they have changed
        grads = [each.sum(dim=0).view_as(weight) for each, weight in zip(by_row.values(), weights, strict=True)]
        return states, None, None, *grads


class _Fields(ctypes.Structure):
    """`struct Pooling` of the C++."""

    SIZES = ("rows", "width", "size", "threads")
    TENSORS = (
        "mask", "states", "norm_weight", "norm_bias", "score_weight", "score_bias",
        "mean", "inverse", "weights", "pooled", "grad",
        "of_norm_weight", "of_norm_bias", "of_score_weight", "of_score_bias",
    )  # fmt: skip
    _fields_ = (
        [(name, ctypes.c_int64) for name in SIZES]
        + [(name, ctypes.c_void_p) for name in TENSORS]
        + [("seed", ctypes.c_uint64), ("dropped", ctypes.c_uint64)]
        + [("epsilon", ctypes.c_float), ("kept_scale", ctypes.c_float)]
    )


def _call(
    name: str, states: Tensor, mask: Tensor, weights: Sequence[Tensor], rest: _Rest, others: dict[str, Tensor]
) -> None:  # fmt: skip
    library = load_library(SOURCE)
    assert library is not None  # `has_kernel` has found it
    names = ("norm_weight", "norm_bias", "score_weight", "score_bias")
    tensors = {"states": states, "mask": mask, **dict(zip(names, weights, strict=True)), **others}
    held = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    pointers = {name: tensor.data_ptr() for name, tensor in held.items()}
    fields = _Fields(*states.shape, torch.get_num_threads(), **pointers, **rest.numbers)
    call_kernel(library, name, states.dtype, fields)
