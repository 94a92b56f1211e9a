"""Ragged arrays: rows of integers of different lengths in flat arrays."""

from array import array
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class RaggedInts:
    """N rows of integers of different lengths.

    Attributes:
        ids: the values of all rows, int32 [S].
        offsets: row n is ``ids[offsets[n]:offsets[n + 1]]``, int64 [N + 1].
    """

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> NDArray[np.int32]:
        return self.ids[self.offsets[row] : self.offsets[row + 1]]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Values per row, int64 [N]."""
        return np.diff(self.offsets)


def positions(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the position of each value within its row: lengths 2, 3 give 0 1 0 1 2.

    Args:
        lengths: values per row, int64 [N].

    Returns:
        int64 [S], where S is the sum of the lengths.
    """
    ends = np.cumsum(lengths)
    return np.arange(lengths.sum()) - np.repeat(ends - lengths, lengths)


class GrowingInts:
    """An int32 array that grows in place; joining a list of arrays would need twice the memory."""

    def __init__(self) -> None:
        self.buffer = array("i")

    def extend(self, values: NDArray[np.int32]) -> None:
        """Append values, int32 [S]."""
        self.buffer.frombytes(values.tobytes())

    def finish(self) -> NDArray[np.int32]:
        """Return all values without a copy; the array cannot grow afterwards."""
        return np.frombuffer(self.buffer, np.int32) if self.buffer else np.empty(0, np.int32)


class GrowingRows:
    """A builder of RaggedInts."""

    def __init__(self) -> None:
        self.ids = GrowingInts()
        self.ends = array("q", [0])

    def extend(self, ids: NDArray[np.int32], lengths: NDArray[np.int64]) -> None:
        """Append N rows: their values int32 [S], and the length of each, int64 [N]."""
        self.ids.extend(ids)
        self.ends.frombytes((self.ends[-1] + np.cumsum(lengths, dtype=np.int64)).tobytes())

    def finish(self) -> RaggedInts:
        """Return all rows without a copy."""
        return RaggedInts(self.ids.finish(), np.frombuffer(self.ends, np.int64))
