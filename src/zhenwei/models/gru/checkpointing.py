"""Activation checkpointing by chunks of rows: what the backward pass needs is computed again, chunk by chunk."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

CHUNK = 2**21  # input values per chunk: a few MB, most of which stay in the caches
LARGE = 4 * CHUNK  # input values from which checkpointing is worth its second forward pass

Pool = Callable[[Tensor, Tensor], tuple[Tensor, Tensor | None]]
"""Computes features [B, D] from inputs [B, T, E] and a mask [B, T]; and the attention [B, T], or None."""


def pool_in_chunks(pool: Pool, inputs: Tensor, mask: Tensor) -> tuple[Tensor, Tensor | None]:
    """Compute ``pool(inputs, mask)`` in chunks of rows, with little memory for the backward pass.

    Each chunk is a checkpoint (Chen et al., 2016, "Training deep nets with sublinear memory cost"): the backward pass
    computes it again, with the same random numbers.

    Args:
        pool: Pools rows independently of each other.
        inputs: [B, T, E].
        mask: [B, T] bool.
    """
    n_rows = max(1, CHUNK // max(1, inputs[0].numel()))
    chunks = zip(torch.split(inputs, n_rows), torch.split(mask, n_rows), strict=True)
    pooled = [checkpoint(pool, *chunk, use_reentrant=False) for chunk in chunks]
    attention = [weights for _, weights in pooled if weights is not None]
    return torch.cat([features for features, _ in pooled]), torch.cat(attention) if attention else None
