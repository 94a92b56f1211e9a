"""A function of a batch's rows, computed some rows at a time, so that what it keeps for the way back is never much."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

CHUNK = 2**21  # values of the inputs that are taken at a time: some MB, which the caches hold for the most part
LARGE = 4 * CHUNK  # from how many values on this is worth computing all twice

Pool = Callable[[Tensor, Tensor], tuple[Tensor, Tensor | None]]
"""Makes features [B, D] of inputs [B, T, E] and a mask [B, T]; and what has no gradient [B, T], or None."""


def pool_in_chunks(pool: Pool, inputs: Tensor, mask: Tensor, weights: Sequence[Tensor]) -> tuple[Tensor, Tensor | None]:
    """Pool rows on a CPU, each by itself, as `pool` does with all of them at once.

    On the way back each chunk is computed again (Chen et al., 2016, "Training deep nets with sublinear memory cost"),
    with the same random numbers, and the memory of the inputs becomes that of their gradients: a graph can be walked
    back once, and nobody else may need the inputs for it.

    Args:
        pool: What to do with some rows.
        inputs: [B, T, E].
        mask: [B, T] bool.
        weights: What `pool` trains.
    """
    return _Chunks.apply(pool, inputs, mask, *weights)  # type: ignore[no-any-return, no-untyped-call]


class _Chunks(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, pool: Pool, inputs: Tensor, mask: Tensor, *weights: Tensor) -> tuple[Tensor, Tensor | None]:
        ctx.save_for_backward(inputs, mask, *weights)
        ctx.pool, ctx.random = pool, torch.get_rng_state()
        ctx.cast = {"dtype": torch.get_autocast_dtype("cpu"), "enabled": torch.is_autocast_enabled("cpu")}
        found = [pool(rows, real) for rows, real in _split(inputs, mask)]
        features = torch.cat([features for features, _ in found])
        weighed = [weight for _, weight in found if weight is not None]
        attention = torch.cat(weighed) if weighed else None
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
            torch.set_rng_state(ctx.random)
            for rows, real in _split(inputs, mask):
                with torch.enable_grad(), torch.autocast("cpu", **ctx.cast):
                    leaf = rows.detach().requires_grad_()
                    features, _attention = ctx.pool(leaf, real)
                of_rows, *found = torch.autograd.grad(features, [leaf, *weights], grad[first : first + len(rows)])
                rows.copy_(of_rows)
                for total, each in zip(totals, found, strict=True):
                    total.add_(each)
                first += len(rows)
        return None, inputs, None, *totals


def _split(inputs: Tensor, mask: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Cut inputs [B, T, E] and mask [B, T] into chunks of rows."""
    n_rows = max(1, CHUNK // max(1, inputs[0].numel()))
    return list(zip(torch.split(inputs, n_rows), torch.split(mask, n_rows), strict=True))
