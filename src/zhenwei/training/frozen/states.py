"""Batches with their frozen states: read where they are kept, computed where they are not."""

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
    """What the frozen part of an encoder makes of a part's articles, of which a store keeps as many as it can.

    All numbers are rounded to fp16, those from the store and those computed now alike, so that a training goes the same
    way whether the store was full, empty, or is not there any more.

    Attributes:
        encoder: On its device, cut in two.
        articles: The part's articles.
        pad_id: Id of the padding token.
        autocast: Gives the context in which the encoder computes.
        store: The states that are kept.
    """

    encoder: PretrainedEncoder
    articles: EncodedArticles
    pad_id: int
    autocast: Callable[[], AbstractContextManager[None]]
    store: FrozenStore

    def filled(self, batch: Batch, device: torch.device | str) -> Batch:
        """Give a batch of the articles on a device, with its frozen states [B, T, D].

        Args:
            batch: On the CPU; articles whose tokens augmentation has changed are computed.
            device: Where the encoder is.
        """
        held = torch.from_numpy(self.store.holds(batch.rows) & unchanged(self.articles, batch))  # [B]
        moved = batch.to(device, non_blocking=True)
        states = torch.zeros(*batch.tokens.shape, self.encoder.features, device=device)  # [B, T, D]
        if held.any():
            kept = torch.from_numpy(self.store.read(batch.rows[held.numpy()]))  # [S, D]
            places = (batch.mask & held[:, None]).flatten().nonzero().flatten()  # [S]
            states.view(-1, states.shape[-1]).index_copy_(0, places.to(device), kept.to(device).float())
        if not held.all():
            rest = (~held).nonzero().flatten()
            width = max(int(batch.lengths[rest].max()), 1)
            rest = rest.to(device)
            states[rest, :width] = self.computed(moved.tokens[rest, :width], moved.mask[rest, :width])
        return replace(moved, frozen_states=states)

    def computed(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Compute states [B, T, D] of token ids [B, T] with mask [B, T], rounded as they would be kept."""
        with torch.no_grad(), self.autocast():
            states = self.encoder.frozen_states(tokens, mask).float()
        rounded = states.half().float()
        return torch.where(rounded.isfinite(), rounded, states)  # fp16 ends at 65504

    def block(self, rows: NDArray[np.int64]) -> NDArray[np.float16]:
        """Compute the states [S, D] of articles, one article after the other, as a store keeps them."""
        device = next(self.encoder.parameters()).device
        batch = collate(self.articles, rows, pad_id=self.pad_id).to(device)
        found: NDArray[np.float16] = self.computed(batch.tokens, batch.mask)[batch.mask].half().cpu().numpy()
        return found


def unchanged(articles: EncodedArticles, batch: Batch) -> NDArray[np.bool_]:
    """Tell which articles of a batch [B], on the CPU, have the tokens that they have without augmentation."""
    tokens, rows = articles.tokens, batch.rows
    lengths = tokens.offsets[rows + 1] - tokens.offsets[rows]
    same = lengths == batch.lengths.numpy()
    places = np.arange(batch.tokens.shape[1])
    index = np.minimum(tokens.offsets[rows][:, None] + places, len(tokens.ids) - 1)  # [B, T]
    differs = (tokens.ids[index] != batch.tokens.numpy()) & (places < lengths[:, None])
    found: NDArray[np.bool_] = same & ~differs.any(axis=1)
    return found


def unchanged_share(articles: EncodedArticles, cut: Callable[[NDArray[np.int64]], Batch]) -> float:
    """Return the share of articles that come as they are in the batches which `cut` makes of their row numbers."""
    rows = np.arange(len(articles))
    parts = [rows[start : start + 512] for start in range(0, len(rows), 512)]
    return float(np.mean(np.concatenate([unchanged(articles, cut(part)) for part in parts])))
