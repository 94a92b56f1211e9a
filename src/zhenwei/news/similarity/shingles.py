"""Hash the character n-grams of many texts at once."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


def hashed_ngrams(texts: Sequence[str], size: int) -> tuple[Rows, NDArray[np.uint64]]:
    """Return all occurrences of character n-grams: the rows of their texts [S], and their hashes [S].

    Different n-grams rarely have equal hashes. A text shorter than `size` is one n-gram.

    Args:
        texts: The texts.
        size: Number of characters of an n-gram.
    """
    points, lengths = _code_points(texts, size)
    counts = np.maximum(lengths - size + 1, 1)
    rows = np.repeat(np.arange(len(texts)), counts)
    starts = np.concatenate([[0], np.cumsum(lengths + size)])[:-1]
    positions = starts[rows] + np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    # The mixed length comes first: otherwise a short text would equal one with NULs appended, or with a character
    # that is the difference of the lengths.
    grams = splitmix64(np.minimum(lengths, size).astype(np.uint64))[rows]
    for step in range(size):
        grams = splitmix64(grams ^ points[positions + step].astype(np.uint64))
    return rows, grams


def _code_points(texts: Sequence[str], size: int) -> tuple[NDArray[np.uint32], Rows]:
    """Return the concatenated code points of all texts, each text followed by zeros, and the lengths of the texts."""
    joined = ("\0" * size).join([*texts, ""])
    points = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32)
    return points, np.array([len(text) for text in texts], np.int64)


def splitmix64(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Mix the bits of 64-bit integers (SplitMix64, Steele et al., OOPSLA 2014); overflow wraps, as intended."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
