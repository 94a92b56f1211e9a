"""Activation checkpointing by chunks of rows: what the backward pass needs is computed again, chunk by chunk."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

CHUNK = 2**21  # input values per chunk: a few MB, most of which stay in the caches
LARGE = 4 * CHUNK  # input values from which checkpointing is worth its second forward pass

Pool = Callable[[Tensor, Tensor], tuple[Tensor, Tensor | None]]
"""Computes features [B, D] from inputs [B, T, E] and a mask [B, T]; and a tensor without gradient [B, T], or None."""


def pool_in_chunks(pool: Pool, inputs: Tensor, mask: Tensor, weights: Sequence[Tensor]) -> tuple[Tensor, Tensor | None]:
    """Pool the rows of a batch on a CPU, in chunks, with the results of ``pool(inputs, mask)``.

    The backward pass computes each chunk again (Chen et al., 2016, "Training deep nets with sublinear memory cost"),
    with the same random numbers, and overwrites the inputs by their gradient: a graph can be walked back once, and the
    inputs must not be needed elsewhere.

    Args:
        pool: Pools rows independently of each other.
        inputs: [B, T, E].
        mask: [B, T] bool.
        weights: The trained weights of `pool`.
    """
    return _CheckpointedPooling.apply(pool, inputs, mask, *weights)  # type: ignore[no-any-return, no-untyped-call]


class _CheckpointedPooling(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, pool: Pool, inputs: Tensor, mask: Tensor, *weights: Tensor) -> tuple[Tensor, Tensor | None]:
        ctx.save_for_backward(inputs, mask, *weights)
        ctx.pool, ctx.rng_state = pool, torch.get_rng_state()
        ctx.autocast = {"dtype": torch.get_autocast_dtype("cpu"), "enabled": torch.is_autocast_enabled("cpu")}
        pooled = [pool(rows, rows_mask) for rows, rows_mask in _chunks(inputs, mask)]
        features = torch.cat([features for features, _ in pooled])
        weighted = [attention for _, attention in pooled if attention is not None]
        attention = torch.cat(weighted) if weighted else None
        if attention is not None:
            ctx.mark_non_differentiable(attention)
        return features, attention

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, _: Tensor | None) -> tuple[Tensor | None, ...]:
        inputs, mask, *weights = ctx.saved_tensors
        totals = [torch.zeros_like(weight) for weight in weights]
        first = 0
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(ctx.rng_state)
            for rows, rows_mask in _chunks(inputs, mask):
                with torch.enable_grad(), torch.autocast("cpu", **ctx.autocast):
                    leaf = rows.detach().requires_grad_()
                    features, _attention = ctx.pool(leaf, rows_mask)
                grad_rows, *grads = torch.autograd.grad(
                    features, [leaf, *weights], grad[first : first + len(rows)]
                )  # fmt: skip
                rows.copy_(grad_rows)
                for total, each in zip(totals, grads, strict=True):
                    total.add_(each)
                first += len(rows)
        return None, inputs, None, *totals


def _chunks(inputs: Tensor, mask: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Split inputs [B, T, E] and mask [B, T] into chunks of rows."""
    n_rows = max(1, CHUNK // max(1, inputs[0].numel()))
    return list(zip(torch.split(inputs, n_rows), torch.split(mask, n_rows), strict=True))
