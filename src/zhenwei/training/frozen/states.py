"""Batches with the states of frozen layers: read from a store, or computed if they are not stored."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zhenwei.models.encoders.encoder import PretrainedEncoder
from zhenwei.tokens import Batch, EncodedArticles, collate
from zhenwei.training.frozen.store import FrozenStore


@dataclass(frozen=True)
class FrozenStates:
    """The output of the frozen layers of an encoder for a part's articles, as far as a store holds it.

    All states are rounded to fp16, whether they are stored or computed, so that a training gives the same result
    whether the store is full, empty, or was removed.

    Attributes:
        encoder: On its device, split into a frozen and a trained half.
        articles: The articles of the part.
        pad_id: Id of the padding token.
        autocast: Returns the context in which the encoder computes.
        store: The stored states.
    """

    encoder: PretrainedEncoder
    articles: EncodedArticles
    pad_id: int
    autocast: Callable[[], AbstractContextManager[None]]
    store: FrozenStore

    def attach(self, batch: Batch, device: torch.device | str) -> Batch:
        """Return a batch on a device, with its frozen states [B, T, D].

        Args:
            batch: On the CPU; states of articles whose tokens augmentation has changed are computed.
            device: The device of the encoder.
        """
        stored = torch.from_numpy(self.store.contains(batch.rows) & unchanged(self.articles, batch))  # [B]
        moved = batch.to(device, non_blocking=True)
        states = torch.zeros(*batch.tokens.shape, self.encoder.features, device=device)  # [B, T, D]
        if stored.any():
            values = torch.from_numpy(self.store.read(batch.rows[stored.numpy()]))  # [S, D]
            positions = (batch.mask & stored[:, None]).flatten().nonzero().flatten()  # [S]
            states.view(-1, states.shape[-1]).index_copy_(0, positions.to(device), values.to(device).float())
        if not stored.all():
            rest = (~stored).nonzero().flatten()
            width = max(int(batch.lengths[rest].max()), 1)
            rest = rest.to(device)
            states[rest, :width] = self.compute(moved.tokens[rest, :width], moved.mask[rest, :width])
        return replace(moved, frozen_states=states)

    def compute(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Compute states [B, T, D] of token ids [B, T] with mask [B, T], rounded as in a store."""
        with torch.no_grad(), self.autocast():
            states = self.encoder.frozen_states(tokens, mask).float()
        rounded = states.half().float()
        return torch.where(rounded.isfinite(), rounded, states)  # fp16 ends at 65504

    def compute_block(self, rows: NDArray[np.int64]) -> NDArray[np.float16]:
        """Compute the states [S, D] of articles, one article after the other, as a store holds them."""
        device = next(self.encoder.parameters()).device
        batch = collate(self.articles, rows, pad_id=self.pad_id).to(device)
        states: NDArray[np.float16] = self.compute(batch.tokens, batch.mask)[batch.mask].half().cpu().numpy()
        return states


def unchanged(articles: EncodedArticles, batch: Batch) -> NDArray[np.bool_]:
    """Return which articles of a batch [B], on the CPU, have the same tokens as without augmentation."""
    tokens, rows = articles.tokens, batch.rows
    lengths = tokens.offsets[rows + 1] - tokens.offsets[rows]
    same_length = lengths == batch.lengths.numpy()
    columns = np.arange(batch.tokens.shape[1])
    index = np.minimum(tokens.offsets[rows][:, None] + columns, len(tokens.ids) - 1)  # [B, T]
    differs = (tokens.ids[index] != batch.tokens.numpy()) & (columns < lengths[:, None])
    same: NDArray[np.bool_] = same_length & ~differs.any(axis=1)
    return same


def unchanged_share(articles: EncodedArticles, cut: Callable[[NDArray[np.int64]], Batch]) -> float:
    """Return the share of articles that are unchanged in the batches which `cut` makes of their row numbers."""
    rows = np.arange(len(articles))
    parts = [rows[start : start + 512] for start in range(0, len(rows), 512)]
    return float(np.mean(np.concatenate([unchanged(articles, cut(part)) for part in parts])))
