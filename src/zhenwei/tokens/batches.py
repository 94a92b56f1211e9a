"""Batches of articles of like length, cut from the flat arrays; their order is a pure function of its arguments."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zhenwei.errors import ConfigError
from zhenwei.tokens.augmentation import Augmentation, CutEntities
from zhenwei.tokens.encoding import EncodedArticles
from zhenwei.tokens.ragged import RaggedInts, places


@dataclass(frozen=True, slots=True)
class Batch:
    """B articles as tensors; optional fields are None unless they were encoded.

    Attributes:
        tokens: token ids, padded to the longest article or to a bucket's width, int64 [B, T].
        mask: True where there is a token and not a pad, bool [B, T].
        lengths: tokens per article, int64 [B]; always on the CPU, where packing wants it.
        rows: the articles' row numbers, int64 [B], a numpy array.
        weights: 1 for an article, 0 for one that only fills a process's share, float32 [B].
        labels: 0 real, 1 fake, float32 [B]; None when an article of the batch has none.
        entity_tokens: token ids of the entities, int64 [B, E]; a row without entities is all pads.
        entity_mask: True where there is an entity token, bool [B, E].
        domains: index of the domain, -1 when unknown, int64 [B].
        emotion: emotion features, float32 [B, F].
        frozen_states: what the frozen part of the network's encoder makes of the tokens, where it is known already,
            float32 [B, T, D].
    """

    tokens: Tensor
    mask: Tensor
    lengths: Tensor
    rows: NDArray[np.int64]
    weights: Tensor
    labels: Tensor | None = None
    entity_tokens: Tensor | None = None
    entity_mask: Tensor | None = None
    domains: Tensor | None = None
    emotion: Tensor | None = None
    frozen_states: Tensor | None = None

    def __len__(self) -> int:
        return len(self.tokens)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "Batch":
        """Give the batch on a device; ``lengths`` and ``rows`` stay where they are."""

        def moved(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor.to(device, non_blocking=non_blocking)

        return replace(
            self,
            tokens=self.tokens.to(device, non_blocking=non_blocking),
            mask=self.mask.to(device, non_blocking=non_blocking),
            weights=self.weights.to(device, non_blocking=non_blocking),
            labels=moved(self.labels),
            entity_tokens=moved(self.entity_tokens),
            entity_mask=moved(self.entity_mask),
            domains=moved(self.domains),
            emotion=moved(self.emotion),
            frozen_states=moved(self.frozen_states),
        )


def batch_order(
    lengths: NDArray[np.int64],
    batch_size: int,
    *,
    seed: int,
    epoch: int,
    shuffle: bool = True,
    bucket_batches: int = 50,
) -> list[NDArray[np.int64]]:
    """Deal all rows out to batches of articles of like length, every row exactly once.

    Shuffled rows are cut into pools of ``bucket_batches`` batches; each pool is sorted by length and cut into
    batches; the batches are shuffled. Unshuffled, the longest articles come first, so that a batch too large
    for the memory shows at once.

    Args:
        lengths: tokens per article, int64 [N].
        batch_size: rows of a batch; one batch may be smaller.
        seed: the run's seed, at least 0.
        epoch: counted from 0; each epoch has its own order.
        shuffle: for training; scoring does without.
        bucket_batches: more of them make batches evener, and less random.

    Returns:
        One array of row numbers per batch.

    Raises:
        ConfigError: ``batch_size`` or ``bucket_batches`` is below 1.
    """
    if batch_size < 1 or bucket_batches < 1:
        raise ConfigError(f"batchsize is {batch_size}, and pools hold {bucket_batches} batches: 1 is the least.")
    if not shuffle:
        return _cut(np.argsort(-lengths, kind="stable"), batch_size)
    generator = np.random.default_rng([seed, epoch])
    pools = _cut(generator.permutation(len(lengths)), batch_size * bucket_batches)
    batches = [batch for pool in pools for batch in _cut(pool[np.argsort(lengths[pool], kind="stable")], batch_size)]
    return [batches[place] for place in generator.permutation(len(batches))]


def shard_rows(rows: NDArray[np.int64], rank: int, world_size: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Give one process its share of a global batch; every share has the same size, and at least one row.

    Args:
        rows: the batch's row numbers, int64 [B], not empty.
        rank: the process, from 0.
        world_size: how many processes there are.

    Returns:
        Row numbers int64 [ceil(B / world_size)], and weights of that shape: 0 where the batch's first row fills
        up a short share. Over all processes, each row weighs 1.
    """
    share = rows[rank::world_size]
    missing = -(-len(rows) // world_size) - len(share)
    weights = np.ones(len(share), np.float32)
    return np.append(share, np.repeat(rows[0], missing)), np.append(weights, np.zeros(missing, np.float32))


def default_widths(max_len: int) -> tuple[int, ...]:
    """Give a few widths up to ``max_len``, for compiled models: each width is compiled once."""
    steps = (32, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
    return (*(width for width in steps if width < max_len), max_len)


def collate(
    encoded: EncodedArticles,
    rows: NDArray[np.int64],
    *,
    pad_id: int,
    weights: NDArray[np.float32] | None = None,
    augmentation: Augmentation | None = None,
    epoch: int = 0,
    widths: Sequence[int] | None = None,
) -> Batch:
    """Cut a batch out of the flat arrays.

    Args:
        encoded: all articles.
        rows: the row numbers to take, int64 [B].
        pad_id: the token that fills short rows.
        weights: as ``shard_rows`` gives them, float32 [B]; all 1 unless given.
        augmentation: while training, what to do to the words and the entities.
        epoch: for the augmentation.
        widths: pad to the smallest of these that holds the longest row, instead of to the longest row itself;
            a row that none of them holds is never cut.
    """
    ids, lengths, entity_ids, entity_lengths = _cut_tokens(encoded, rows, augmentation, epoch)
    tokens, mask = _pad(ids, lengths, pad_id, widths)
    entity_tokens = entity_mask = None
    if encoded.entity_tokens is not None:
        entity_tokens, entity_mask = _pad(entity_ids, entity_lengths, pad_id, widths)
    labels = encoded.labels[rows]
    return Batch(
        tokens=tokens,
        mask=mask,
        lengths=torch.from_numpy(lengths),
        rows=rows,
        weights=torch.ones(len(rows)) if weights is None else torch.from_numpy(weights),
        labels=None if np.isnan(labels).any() else torch.from_numpy(labels),
        entity_tokens=entity_tokens,
        entity_mask=entity_mask,
        domains=None if encoded.domains is None else torch.from_numpy(encoded.domains[rows]),
        emotion=None if encoded.emotion is None else torch.from_numpy(encoded.emotion[rows]),
    )


def _cut(rows: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _cut_tokens(
    encoded: EncodedArticles, rows: NDArray[np.int64], augmentation: Augmentation | None, epoch: int
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int32], NDArray[np.int64]]:
    """Give the rows' tokens (int32 [S]), how many each has (int64 [B]), and both of their entities, augmented."""
    index, lengths = _gather(encoded.tokens, rows)
    ids, words = encoded.tokens.ids[index], encoded.words[index]
    entity_ids, entity_lengths = np.empty(0, np.int32), np.zeros(len(rows), np.int64)
    if encoded.entity_tokens is not None:
        entity_index, entity_lengths = _gather(encoded.entity_tokens, rows)
        entity_ids = encoded.entity_tokens.ids[entity_index]
        of_token, numbers = encoded.entity_of_token, encoded.entity_of_entity_token
        if augmentation is not None and of_token is not None and numbers is not None:
            entities = CutEntities(of_token[index], entity_ids, numbers[entity_index], entity_lengths)
            return augmentation.apply_with_entities(ids, words, rows, lengths, epoch, entities)
    if augmentation is not None:
        ids, lengths = augmentation.apply(ids, words, rows, lengths, epoch)
    return ids, lengths, entity_ids, entity_lengths


def _gather(ragged: RaggedInts, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give where the rows' values stand in ``ragged.ids`` (int64 [S]), and how many each has (int64 [B])."""
    starts = ragged.offsets[rows]
    lengths = ragged.offsets[rows + 1] - starts
    return np.repeat(starts, lengths) + places(lengths), lengths


def _pad(
    ids: NDArray[np.int32], lengths: NDArray[np.int64], pad_id: int, widths: Sequence[int] | None
) -> tuple[Tensor, Tensor]:
    """Give ids int64 [B, T] and mask bool [B, T]; T is at least 1, even where all rows are empty."""
    longest = max(int(lengths.max(initial=0)), 1)
    width = min((width for width in widths or () if width >= longest), default=longest)
    mask = np.arange(width) < lengths[:, None]  # [B, T]
    padded = np.full(mask.shape, pad_id, np.int64)
    padded[mask] = ids  # row by row, as they stand in the flat array
    return torch.from_numpy(padded), torch.from_numpy(mask)
