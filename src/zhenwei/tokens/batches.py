"""Length-bucketed batches from flat arrays; their order is a pure function of its arguments."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zhenwei.errors import ConfigError
from zhenwei.tokens.augmentation import Augmentation, BatchEntities
from zhenwei.tokens.encoding import EncodedArticles
from zhenwei.tokens.ragged import RaggedInts, positions


@dataclass(frozen=True, slots=True)
class Batch:
    """B articles as tensors; optional fields are None unless they are encoded.

    Attributes:
        tokens: token ids, padded to the longest article or to a bucket's width, int64 [B, T].
        mask: True for tokens, False for padding, bool [B, T].
        lengths: tokens per article, int64 [B]; always on the CPU, as packing requires.
        rows: row numbers of the articles, int64 [B], a numpy array.
        weights: 1 for an article, its share of 1 for an original with rewrites, 0 for a filler of a process's share,
            float32 [B].
        labels: 0 real, 1 fake, float32 [B]; None if an article of the batch has no label.
        entity_tokens: token ids of the entities, int64 [B, E]; a row without entities is all padding.
        entity_mask: True for entity tokens, bool [B, E].
        domains: index of the domain, -1 if unknown, int64 [B].
        emotion: emotion features, float32 [B, F].
        frozen_states: precomputed output of the frozen part of the network's encoder, float32 [B, T, D].
        contents: number of the article's content within the batch, equal for an original and its rewrites, int64 [B];
            None without rewrites.
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
    contents: Tensor | None = None

    def __len__(self) -> int:
        return len(self.tokens)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "Batch":
        """Return the batch on a device; ``lengths`` and ``rows`` are not moved."""
        tensors = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "lengths"}
        moved: dict[str, Any] = {
            name: tensor.to(device, non_blocking=non_blocking)
            for name, tensor in tensors.items()
            if isinstance(tensor, Tensor)
        }
        return replace(self, **moved)


def batch_order(
    lengths: NDArray[np.int64],
    batch_size: int,
    *,
    seed: int,
    epoch: int,
    shuffle: bool = True,
    bucket_batches: int = 50,
) -> list[NDArray[np.int64]]:
    """Divide all rows into batches of articles of similar length.

    Shuffled rows are cut into pools of ``bucket_batches`` batches; each pool is sorted by length and cut into
    batches; the batches are shuffled. Unshuffled, the longest articles come first, so that a batch that
    exceeds the memory fails at once.

    Args:
        lengths: tokens per article, int64 [N].
        batch_size: rows of a batch; one batch may have fewer.
        seed: the run's seed, at least 0.
        epoch: counted from 0; each epoch has its own order.
        shuffle: True for training.
        bucket_batches: batches of a pool; larger pools need less padding and are less random.

    Returns:
        One array of row numbers per batch.

    Raises:
        ConfigError: ``batch_size`` or ``bucket_batches`` is below 1.
    """
    if batch_size < 1 or bucket_batches < 1:
        raise ConfigError(f"batchsize is {batch_size}, bucket_batches is {bucket_batches}: expected at least 1 each.")
    if not shuffle:
        return _split(np.argsort(-lengths, kind="stable"), batch_size)
    generator = np.random.default_rng([seed, epoch])
    pools = _split(generator.permutation(len(lengths)), batch_size * bucket_batches)
    batches = [batch for pool in pools for batch in _split(pool[np.argsort(lengths[pool], kind="stable")], batch_size)]
    return [batches[index] for index in generator.permutation(len(batches))]


def shard_rows(rows: NDArray[np.int64], rank: int, world_size: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the share of one process of a global batch; all shares have the same size and at least one row.

    Args:
        rows: the batch's row numbers, int64 [B], not empty.
        rank: number of the process, from 0.
        world_size: number of processes.

    Returns:
        Row numbers int64 [ceil(B / world_size)], and weights of that shape: 0 where a short share is filled with the
        first row of the batch. The weights of a row sum to 1 over all processes.
    """
    share = rows[rank::world_size]
    missing = -(-len(rows) // world_size) - len(share)
    weights = np.ones(len(share), np.float32)
    return np.append(share, np.repeat(rows[0], missing)), np.append(weights, np.zeros(missing, np.float32))


def default_widths(max_len: int) -> tuple[int, ...]:
    """Return a few widths up to ``max_len`` for compiled models, which compile once per width."""
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
    """Build a batch from the flat arrays.

    Args:
        encoded: all articles.
        rows: row numbers, int64 [B].
        pad_id: id of the padding token.
        weights: the weights of ``shard_rows``, float32 [B]; all 1 by default.
        augmentation: augmentation of words and entities, for training.
        epoch: epoch of the augmentation.
        widths: pad to the smallest of these widths that is at least the longest row, instead of to the longest row
            itself; rows are never truncated.
    """
    ids, lengths, entity_ids, entity_lengths = _gather_tokens(encoded, rows, augmentation, epoch)
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
        contents=None if encoded.contents is None else _number_contents(encoded.contents[rows]),
    )


def _number_contents(contents: NDArray[np.int64]) -> Tensor:
    """Return the contents of a batch [B], numbered from 0."""
    return torch.from_numpy(np.unique(contents, return_inverse=True)[1].astype(np.int64))


def _split(rows: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _gather_tokens(
    encoded: EncodedArticles, rows: NDArray[np.int64], augmentation: Augmentation | None, epoch: int
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int32], NDArray[np.int64]]:
    """Return token ids (int32 [S]) and lengths (int64 [B]) of contents and of entities, augmented."""
    index, lengths = _gather(encoded.tokens, rows)
    ids, words = encoded.tokens.ids[index], encoded.words[index]
    entity_ids, entity_lengths = np.empty(0, np.int32), np.zeros(len(rows), np.int64)
    if encoded.entity_tokens is not None:
        entity_index, entity_lengths = _gather(encoded.entity_tokens, rows)
        entity_ids = encoded.entity_tokens.ids[entity_index]
        of_token, numbers = encoded.entity_of_token, encoded.entity_of_entity_token
        if augmentation is not None and of_token is not None and numbers is not None:
            entities = BatchEntities(of_token[index], entity_ids, numbers[entity_index], entity_lengths)
            return augmentation.apply_with_entities(ids, words, rows, lengths, epoch, entities)
    if augmentation is not None:
        ids, lengths = augmentation.apply(ids, words, rows, lengths, epoch)
    return ids, lengths, entity_ids, entity_lengths


def _gather(ragged: RaggedInts, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the indices of the rows' values in ``ragged.ids`` (int64 [S]), and the row lengths (int64 [B])."""
    starts = ragged.offsets[rows]
    lengths = ragged.offsets[rows + 1] - starts
    return np.repeat(starts, lengths) + positions(lengths), lengths


def _pad(
    ids: NDArray[np.int32], lengths: NDArray[np.int64], pad_id: int, widths: Sequence[int] | None
) -> tuple[Tensor, Tensor]:
    """Return ids int64 [B, T] and mask bool [B, T]; T is at least 1, even if all rows are empty."""
    longest = max(int(lengths.max(initial=0)), 1)
    width = min((width for width in widths or () if width >= longest), default=longest)
    mask = np.arange(width) < lengths[:, None]  # [B, T]
    padded = np.full(mask.shape, pad_id, np.int64)
    padded[mask] = ids  # row by row, in the order of the flat array
    return torch.from_numpy(padded), torch.from_numpy(mask)
