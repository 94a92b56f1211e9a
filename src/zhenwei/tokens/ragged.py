"""Rows of integers of different lengths, one after the other in flat arrays."""

from array import array
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class RaggedInts:
    """N rows of integers of different lengths, one after the other.

    Attributes:
        ids: all values, int32 [S].
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


def places(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give each value of a ragged array its place within its row: lengths 2, 3 give 0 1 0 1 2.

    Args:
        lengths: values per row, int64 [N].

    Returns:
        int64 [S], S the sum of the lengths.
    """
    ends = np.cumsum(lengths)
    return np.arange(lengths.sum()) - np.repeat(ends - lengths, lengths)


class GrowingInts:
    """An int32 array that grows in place: array.array reallocates, where a list of parts would need twice."""

    def __init__(self) -> None:
        self.buffer = array("i")

    def extend(self, values: NDArray[np.int32]) -> None:
        """Add values at the end, int32 [S]."""
        self.buffer.frombytes(values.tobytes())

    def finish(self) -> NDArray[np.int32]:
        """Give all values, without a copy: the array cannot grow any more."""
        return np.frombuffer(self.buffer, np.int32) if self.buffer else np.empty(0, np.int32)


class GrowingRows:
    """A RaggedInts in the making."""

    def __init__(self) -> None:
        self.ids = GrowingInts()
        self.ends = array("q", [0])

    def extend(self, ids: NDArray[np.int32], lengths: NDArray[np.int64]) -> None:
        """Add rows at the end: their values int32 [S], and how many each has, int64 [N]."""
        self.ids.extend(ids)
        self.ends.frombytes((self.ends[-1] + np.cumsum(lengths, dtype=np.int64)).tobytes())

    def finish(self) -> RaggedInts:
        """Give all rows, without a copy."""
        return RaggedInts(self.ids.finish(), np.frombuffer(self.ends, np.int64))
