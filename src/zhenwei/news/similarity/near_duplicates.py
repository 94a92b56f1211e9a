"""Near-duplicates: pairs of texts that share most of their character 5-grams, found exactly and fast.

Two texts are near-duplicates if the Jaccard similarity of their sets of character 5-grams, after normalising, is at
least 0.5. All pairs are found by prefix filtering (Chaudhuri et al., ICDE 2006; with k common elements as in Wang et
al., SIGMOD 2012) as a product of sparse matrices, and each pair is then checked on its whole sets.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from zhenwei.errors import DataError
from zhenwei.news.markup import LINK, MENTION
from zhenwei.news.similarity.shingles import hashed_ngrams

GRAM = 5  # characters
NEAR_DUPLICATE = 0.5  # Jaccard similarity from which on two texts are near-duplicates

_SHARED = 4  # k: more means longer prefixes, and fewer pairs to check in vain
_PRODUCTS_AT_ONCE = 20_000_000  # multiplications of a chunk of the sparse product: some 300 MB
_PAIRS_AT_ONCE = 100_000
_NOT_A_WORD = re.compile(r"[\W_]+")
_LINK_OR_MENTION = re.compile(f"(?:{LINK.pattern})|(?:{MENTION.pattern})", re.IGNORECASE)

Rows = NDArray[np.int64]


def normalised(text: str) -> str:
    """Return what near-duplicates are compared by: letters and digits alone, in NFKC and lower case.

    Links and mentions, which differ between copies of one post, are left out; a text of nothing else is kept as it is.
    """
    plain = _NOT_A_WORD.sub("", _LINK_OR_MENTION.sub("", unicodedata.normalize("NFKC", text))).lower()
    return plain or text.strip()


def jaccard(one: str, other: str) -> float:
    """Return the Jaccard similarity of two texts' sets of character 5-grams, after normalising."""
    first, second = _grams(normalised(one)), _grams(normalised(other))
    return len(first & second) / len(first | second)


@dataclass(frozen=True)
class NearDuplicates:
    """The near-duplicates among N texts.

    Texts that are equal after normalising are one *distinct* text, so that a post which was copied a thousand times
    does not make a million pairs.

    Attributes:
        distinct: [N] number of each text's distinct text, in the order of their first appearance.
        first: [P] distinct texts; each pair once.
        second: [P] their near-duplicates, each a later distinct text.
        similarity: [P] Jaccard, from the threshold to below 1.
    """

    distinct: Rows
    first: Rows
    second: Rows
    similarity: NDArray[np.float32]

    @cached_property
    def groups(self) -> Rows:
        """[N] number of each text's group: those that are linked by near-duplicates, directly or through others.

        Numbers follow the groups' first appearance; a text without near-duplicates is a group of its own.
        """
        from scipy.sparse import coo_array  # noqa: PLC0415  # half a second to import
        from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

        size = int(self.distinct.max(initial=-1)) + 1
        links = coo_array((np.ones(len(self.first), bool), (self.first, self.second)), shape=(size, size))
        found = connected_components(links, directed=False)[1][self.distinct]
        return _by_first_appearance(found)

    def nearest(self, rows: Rows, among: Rows) -> tuple[Rows, NDArray[np.float32]]:
        """Return, for each of some texts, the most similar one among others, if any is a near-duplicate.

        Args:
            rows: [Q] which texts.
            among: [A] which others; none of `rows`.

        Returns:
            [Q] rows of the most similar text, the earliest of equals; -1 where there is no near-duplicate;
            and [Q] similarities, 1 for texts that are equal after normalising, 0 where there is none.
        """
        size = int(self.distinct.max(initial=-1)) + 1
        holder = np.full(size, -1)  # the first of `among` that has each distinct text
        ordered = np.sort(among)[::-1]
        holder[self.distinct[ordered]] = ordered
        best, similarity = np.full(size, -1), np.zeros(size, np.float32)
        ends = np.concatenate([self.first, self.second]), np.concatenate([self.second, self.first])
        other = holder[ends[1]]
        value = np.tile(self.similarity, 2)
        kept = np.flatnonzero(other >= 0)
        kept = kept[np.lexsort((-other[kept], value[kept]))]  # the best comes last, and what comes last stays
        best[ends[0][kept]], similarity[ends[0][kept]] = other[kept], value[kept]
        best, similarity = np.where(holder >= 0, holder, best), np.where(holder >= 0, np.float32(1), similarity)
        return best[self.distinct[rows]], similarity[self.distinct[rows]]


def find_near_duplicates(texts: Sequence[str], threshold: float = NEAR_DUPLICATE) -> NearDuplicates:
    """Find all pairs of near-duplicates.

    Args:
        texts: N texts.
        threshold: The Jaccard similarity from which on two texts are near-duplicates, above 0, at most 1.

    Raises:
        DataError: If the threshold is out of its range.
    """
    if not 0 < threshold <= 1:
        raise DataError(f"threshold of near-duplicates: found {threshold}; expected above 0, up to 1")
    numbers: dict[str, int] = {}
    distinct = np.array([numbers.setdefault(normalised(text), len(numbers)) for text in texts], np.int64)
    empty = np.empty(0, np.int64)
    found = list(_pairs(_Shingles.of(list(numbers)), threshold)) or [(empty, empty, np.empty(0, np.float32))]
    return NearDuplicates(distinct, *(np.concatenate(column) for column in zip(*found, strict=True)))


@dataclass(frozen=True)
class _Shingles:
    """The sets of 5-grams of D texts: row d has `grams[offsets[d] : offsets[d + 1]]`, the rarest gram first.

    A gram is its rank by rarity, so that equal grams are equal numbers and an order of numbers is one of rarity.
    """

    grams: NDArray[np.int32]
    offsets: Rows
    frequency: Rows  # of each gram: how many texts have it

    @classmethod
    def of(cls, texts: list[str]) -> "_Shingles":
        row, grams = hashed_ngrams(texts, GRAM)
        _, places, occurrences = np.unique(grams, return_inverse=True, return_counts=True)
        order = np.argsort(occurrences, kind="stable")  # occurrences for rarity: near enough, and one order for all
        ranks = np.empty(len(order), np.int64)
        ranks[order] = np.arange(len(order))
        keys = np.sort(row * max(len(order), 1) + ranks[places])  # each gram of a text, the rarest first
        keys = keys[np.flatnonzero(np.diff(keys, prepend=-1))]  # once; np.unique would hash them, which is slower
        row, kept = np.divmod(keys, max(len(order), 1))
        offsets = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(texts)))])
        return cls(kept.astype(np.int32), offsets, np.bincount(kept, minlength=len(order)))

    @property
    def sizes(self) -> Rows:
        """[D] grams of each text."""
        return np.diff(self.offsets)


def _pairs(shingles: _Shingles, threshold: float) -> Iterator[tuple[Rows, Rows, NDArray[np.float32]]]:
    """Yield all pairs of texts whose similarity reaches the threshold."""
    from scipy.sparse import csr_array  # noqa: PLC0415  # half a second to import

    sizes = shingles.sizes
    overlap = np.ceil(threshold * sizes - 1e-9).astype(np.int64)  # the least that a near-duplicate of any size shares
    row = np.repeat(np.arange(len(sizes)), sizes)
    place = np.arange(len(row)) - shingles.offsets[row]
    # Two sets that share `overlap` elements share k of the first `size - overlap + k` of each, in any common order.
    kept = (place < (sizes - overlap + _SHARED)[row]) & (shingles.frequency[shingles.grams] > 1)
    shape = (len(sizes), len(shingles.frequency))
    prefixes = csr_array((np.ones(kept.sum(), np.int32), (row[kept], shingles.grams[kept])), shape=shape)
    whole = csr_array((np.ones(len(row), np.int32), shingles.grams, shingles.offsets), shape=shape)
    columns = prefixes.T.tocsr()
    products = np.diff(columns.indptr)[shingles.grams[kept]].astype(np.float64)
    work = np.bincount(row[kept], weights=products, minlength=len(sizes)).astype(np.float64)
    needed = np.minimum(overlap, _SHARED)
    for start, stop in _chunks(work):
        met = (prefixes[start:stop] @ columns).tocoo()
        one, other = met.row + start, met.col
        likely = (one < other) & (met.data >= np.maximum(needed[one], needed[other]))
        likely &= np.minimum(sizes[one], sizes[other]) >= threshold * np.maximum(sizes[one], sizes[other])
        one, other = one[likely], other[likely]
        for begin in range(0, len(one), _PAIRS_AT_ONCE):
            a, b = one[begin : begin + _PAIRS_AT_ONCE], other[begin : begin + _PAIRS_AT_ONCE]
            common = whole[a].multiply(whole[b]).sum(axis=1)
            similarity = common / (sizes[a] + sizes[b] - common)
            near = similarity >= threshold
            yield a[near].astype(np.int64), b[near].astype(np.int64), similarity[near].astype(np.float32)


def _chunks(work: NDArray[np.float64]) -> Iterator[tuple[int, int]]:
    """Cut rows into stretches of like work, each of at least one row."""
    bins = (np.cumsum(work) // _PRODUCTS_AT_ONCE).astype(np.int64)
    cuts = [0, *(np.flatnonzero(np.diff(bins)) + 1), len(work)]
    yield from ((int(a), int(b)) for a, b in pairwise(cuts) if b > a)


def _grams(plain: str) -> frozenset[str]:
    return frozenset(plain[start : start + GRAM] for start in range(max(1, len(plain) - GRAM + 1)))


def _by_first_appearance(values: NDArray[np.int32]) -> Rows:
    _, first, places = np.unique(values, return_index=True, return_inverse=True)
    ranks = np.empty(len(first), np.int64)
    ranks[np.argsort(first)] = np.arange(len(first))
    return ranks[places]
