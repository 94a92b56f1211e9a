"""Batches that keep an original and its rewrites together; their order is a pure function of seed and epoch."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zhenwei.tokens.batches import batch_order

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class ContentBatches:
    """The rows of each content, and how many contents a batch has.

    Every epoch has the same number of batches. A batch has a fixed number of contents, so its number of articles varies
    around the batch size.

    Attributes:
        units: The rows of each content; a content with more rows than a batch is cut into several units.
        units_per_batch: Number of units of a batch; the last one may have fewer.
    """

    units: tuple[Rows, ...]
    units_per_batch: int

    @classmethod
    def build(cls, contents: Rows, batch_size: int) -> "ContentBatches":
        """Divide rows into units.

        Args:
            contents: Content group of each row [N], from 0, without gaps.
            batch_size: Mean number of rows of a batch.
        """
        order = np.argsort(contents, kind="stable")
        members = np.split(order, np.flatnonzero(np.diff(contents[order])) + 1)
        units = tuple(rows[start : start + batch_size] for rows in members for start in range(0, len(rows), batch_size))
        return cls(units, max(1, round(batch_size * len(units) / max(len(contents), 1))))

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return math.ceil(len(self.units) / self.units_per_batch)

    def order(self, lengths: NDArray[np.int64], *, seed: int, epoch: int) -> list[Rows]:
        """Divide all rows into shuffled batches of contents of similar length; see `batch_order`.

        Args:
            lengths: Tokens per row [N].
            seed: The run's seed.
            epoch: Counted from 0.

        Returns:
            One array of rows per batch; the rows of a unit are adjacent.
        """
        longest = np.array([lengths[rows].max() for rows in self.units], np.int64)
        batches = batch_order(longest, self.units_per_batch, seed=seed, epoch=epoch)
        return [np.concatenate([self.units[number] for number in batch]) for batch in batches]
