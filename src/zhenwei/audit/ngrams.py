"""Which characters and n-grams stand in which labels' articles, counted all at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_BITS = 21  # of a code point: three fit in 64


@dataclass(frozen=True)
class GramCounts:
    """The n-grams of some labelled texts, G in number, each in enough of them.

    Attributes:
        grams: [G] n-grams, packed; `spell` gives their text.
        n: Characters of each.
        fake: [G] fakes that have it.
        real: [G] real articles that have it.
    """

    grams: NDArray[np.uint64]
    n: int
    fake: NDArray[np.int64]
    real: NDArray[np.int64]

    def spell(self, place: int) -> str:
        """Return the text of the n-gram at a place."""
        packed = int(self.grams[place])
        return "".join(chr(packed >> (_BITS * i) & (1 << _BITS) - 1) for i in reversed(range(self.n)))


def count_grams(texts: Sequence[str], targets: NDArray[np.int8], n: int, least: int) -> GramCounts:
    """Count in how many fakes and in how many real articles each n-gram stands, however often within one.

    Args:
        texts: N texts.
        targets: [N] 0 or 1.
        n: Characters of an n-gram, 1 to 3.
        least: Texts that an n-gram must be in, to be kept.
    """
    row, packed = _packed(texts, n)
    # Sorting is fast, but sorting with the places of each is not: the few frequent ones are looked up instead.
    grams, occurrences = np.unique(packed, return_counts=True)
    grams = grams[occurrences >= least]  # in fewer texts than it occurs: this already leaves most out
    size = len(grams)
    if not size:
        return GramCounts(grams, n, np.empty(0, np.int64), np.empty(0, np.int64))
    place = np.minimum(np.searchsorted(grams, packed), size - 1)
    kept = grams[place] == packed
    # An n-gram counts once in a text. (np.unique would hash so many numbers, which takes eighty times as long.)
    pairs = np.sort(row[kept] * size + place[kept])
    of, gram = np.divmod(pairs[np.flatnonzero(np.diff(pairs, prepend=-1))], size)
    fake = np.bincount(gram[targets[of] == 1], minlength=size)
    real = np.bincount(gram[targets[of] == 0], minlength=size)
    enough = fake + real >= least
    return GramCounts(grams[enough], n, fake[enough], real[enough])


def _packed(texts: Sequence[str], n: int) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Return [K] the text and [K] the n-gram at each place of all texts."""
    points = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
    lengths = np.array([len(text) for text in texts], np.int64)
    counts = np.maximum(lengths - n + 1, 0)
    row = np.repeat(np.arange(len(texts)), counts)
    starts = np.cumsum(lengths) - lengths
    place = starts[row] + np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    packed = np.zeros(len(row), np.uint64)
    for step in range(n):
        packed = (packed << np.uint64(_BITS)) | points[place + step].astype(np.uint64)
    return row, packed
