"""Count in which labels' articles each character n-gram occurs, all n-grams at once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_BITS = 21  # of a code point: three fit in 64


@dataclass(frozen=True)
class NgramCounts:
    """The frequent n-grams of some labeled texts, G in number.

    Attributes:
        ngrams: [G] n-grams, packed into integers; `text` unpacks them.
        lengths: [G] their lengths in characters.
        fake: [G] number of fake texts with each n-gram.
        real: [G] number of real texts with each n-gram.
    """

    ngrams: NDArray[np.uint64]
    lengths: NDArray[np.int64]
    fake: NDArray[np.int64]
    real: NDArray[np.int64]

    @classmethod
    def joined(cls, counts: Iterable["NgramCounts"]) -> "NgramCounts":
        """Return the n-grams of all counts."""
        return cls(*map(np.concatenate, zip(*(vars(each).values() for each in counts), strict=True)))

    def select(self, indices: Sequence[int] | NDArray[np.int64]) -> "NgramCounts":
        """Return some of the n-grams."""
        rows = np.asarray(indices, np.int64)
        return NgramCounts(*(column[rows] for column in vars(self).values()))

    def text(self, index: int) -> str:
        """Return the text of an n-gram."""
        packed, length = int(self.ngrams[index]), int(self.lengths[index])
        return "".join(chr(packed >> (_BITS * i) & (1 << _BITS) - 1) for i in reversed(range(length)))

    def first_distinct(self, order: Iterable[int], limit: int) -> list[int]:
        """Return the first n-grams of an order, but only one of those with equal counts of fake and real texts.

        N-grams with equal counts are mostly parts of one phrase, or the two brackets of a pair.
        """
        by_counts: dict[tuple[int, int], int] = {}
        for index in order:
            by_counts.setdefault((int(self.fake[index]), int(self.real[index])), int(index))
            if len(by_counts) == limit:
                break
        return list(by_counts.values())


def count_ngrams(texts: Sequence[str], targets: NDArray[np.int8], n: int, min_texts: int) -> NgramCounts:
    """Count the fake and the real texts in which each n-gram occurs.

    Args:
        texts: N texts.
        targets: [N] 0 or 1.
        n: Length of an n-gram in characters, 1 to 3.
        min_texts: Smallest number of texts in which an n-gram must occur.
    """
    row, packed = _packed(texts, n)
    # Sorting is fast, but sorting with an inverse index is not: the few frequent n-grams are looked up instead.
    ngrams, occurrences = np.unique(packed, return_counts=True)
    ngrams = ngrams[occurrences >= min_texts]  # an n-gram occurs in at most as many texts: this drops most
    size = len(ngrams)
    if not size:
        return NgramCounts(ngrams, *(np.empty(0, np.int64) for _ in range(3)))
    index = np.minimum(np.searchsorted(ngrams, packed), size - 1)
    frequent = ngrams[index] == packed
    # An n-gram counts once in a text. (np.unique would hash so many numbers, which takes eighty times as long.)
    pairs = np.sort(row[frequent] * size + index[frequent])
    text, ngram = np.divmod(pairs[np.flatnonzero(np.diff(pairs, prepend=-1))], size)
    fake = np.bincount(ngram[targets[text] == 1], minlength=size)
    real = np.bincount(ngram[targets[text] == 0], minlength=size)
    return NgramCounts(ngrams, np.full(size, n), fake, real).select(np.flatnonzero(fake + real >= min_texts))


def _packed(texts: Sequence[str], n: int) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Return [K] the text and [K] the packed n-gram at each position of all texts."""
    code_points = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
    lengths = np.array([len(text) for text in texts], np.int64)
    counts = np.maximum(lengths - n + 1, 0)
    row = np.repeat(np.arange(len(texts)), counts)
    starts = np.cumsum(lengths) - lengths
    position = starts[row] + np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    packed = np.zeros(len(row), np.uint64)
    for step in range(n):
        packed = (packed << np.uint64(_BITS)) | code_points[position + step].astype(np.uint64)
    return row, packed
