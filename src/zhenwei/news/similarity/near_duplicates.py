"""Near-duplicates: pairs of texts that share most of their character 5-grams, found by an exact and fast search.

Two texts are near-duplicates if the Jaccard similarity of their sets of character 5-grams, after normalizing, is at
least 0.5. All pairs are found by prefix filtering (Chaudhuri et al., ICDE 2006; with k common elements as in Wang et
al., SIGMOD 2012) as a product of sparse matrices, and each candidate pair is then checked on its complete sets.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from zhenwei.config.data import DEFAULT_STEPS
from zhenwei.errors import DataError
from zhenwei.news.normalize.normalizer import Normalizer
from zhenwei.news.similarity.shingles import hashed_ngrams

if TYPE_CHECKING:
    from scipy.sparse import csr_array

GRAM = 5  # characters
NEAR_DUPLICATE = 0.5  # smallest Jaccard similarity of near-duplicates

_SHARED = 4  # k: a larger one gives longer prefixes and fewer false candidates
_PRODUCTS_PER_CHUNK = 20_000_000  # multiplications of a chunk of the sparse product: about 300 MB
_PAIRS_PER_CHUNK = 100_000
_NOT_WORD = re.compile(r"[\W_]+")
_NORMALIZER = Normalizer(DEFAULT_STEPS)

Rows = NDArray[np.int64]


def normalize(text: str) -> str:
    """Return the letters and digits of a normalized text in NFKC and lower case, the form in which texts are compared.

    Links, mentions and residue of platforms differ between copies of one post: `data.normalize` leaves them out. A text
    of nothing else is unchanged.
    """
    plain = _NOT_WORD.sub("", unicodedata.normalize("NFKC", _NORMALIZER(text))).lower()
    return plain or text.strip()


def shingles(text: str) -> frozenset[str]:
    """Return the character 5-grams of a text after normalizing; a shorter text is one gram."""
    plain = normalize(text)
    return frozenset(plain[start : start + GRAM] for start in range(max(1, len(plain) - GRAM + 1)))


def jaccard(one: str, other: str) -> float:
    """Return the Jaccard similarity of two texts' sets of character 5-grams, after normalizing."""
    first, second = shingles(one), shingles(other)
    return len(first & second) / len(first | second)


@dataclass(frozen=True)
class NearDuplicates:
    """The near-duplicates among N texts.

    Texts that are equal after normalizing are one *distinct* text, so that a post that was copied a thousand times does
    not give a million pairs.

    Attributes:
        distinct: [N] number of each text's distinct text, in the order of first appearance.
        first: [P] distinct texts; each pair once.
        second: [P] their near-duplicates, each a later distinct text.
        similarity: [P] Jaccard similarities, from the threshold to below 1.
    """

    distinct: Rows
    first: Rows
    second: Rows
    similarity: NDArray[np.float32]

    @cached_property
    def groups(self) -> Rows:
        """[N] number of each text's group, a connected component of the near-duplicate pairs.

        Groups are numbered by first appearance; a text without near-duplicates is a group of its own.
        """
        components = connected(self.first, self.second, int(self.distinct.max(initial=-1)) + 1)
        return _number_by_first_appearance(components[self.distinct])

    def nearest(self, rows: Rows, among: Rows) -> tuple[Rows, NDArray[np.float32]]:
        """Return the most similar near-duplicate of each query among other texts.

        Args:
            rows: [Q] rows of the queries.
            among: [A] rows of the other texts; none of `rows`.

        Returns:
            [Q] rows of the most similar text, the earliest of equally similar ones, -1 without a near-duplicate; and
            [Q] similarities, 1 for texts that are equal after normalizing, 0 without a near-duplicate.
        """
        size = int(self.distinct.max(initial=-1)) + 1
        first_row = np.full(size, -1)  # of each distinct text within `among`
        ordered = np.sort(among)[::-1]
        first_row[self.distinct[ordered]] = ordered
        best, similarity = np.full(size, -1), np.zeros(size, np.float32)
        ends = np.concatenate([self.first, self.second]), np.concatenate([self.second, self.first])
        other = first_row[ends[1]]
        value = np.tile(self.similarity, 2)
        order = np.flatnonzero(other >= 0)
        order = order[np.lexsort((-other[order], value[order]))]  # the best comes last, and the last assignment wins
        best[ends[0][order]], similarity[ends[0][order]] = other[order], value[order]
        equal = first_row >= 0
        best[equal], similarity[equal] = first_row[equal], 1
        return best[self.distinct[rows]], similarity[self.distinct[rows]]


def connected(first: Rows, second: Rows, size: int) -> NDArray[np.int32]:
    """Return the connected component of each of `size` nodes, given the ends of their links."""
    from scipy.sparse import coo_array  # noqa: PLC0415  # half a second to import
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    links = coo_array((np.ones(len(first), bool), (first, second)), shape=(size, size))
    components: NDArray[np.int32] = connected_components(links, directed=False)[1]
    return components


def find_near_duplicates(texts: Sequence[str], threshold: float = NEAR_DUPLICATE) -> NearDuplicates:
    """Find all pairs of near-duplicates.

    Args:
        texts: N texts.
        threshold: The smallest Jaccard similarity of near-duplicates, above 0, at most 1.

    Raises:
        DataError: The threshold is out of range.
    """
    if not 0 < threshold <= 1:
        raise DataError(f"threshold of near-duplicates: found {threshold}; expected above 0, up to 1")
    numbers: dict[str, int] = {}
    distinct = np.array([numbers.setdefault(normalize(text), len(numbers)) for text in texts], np.int64)
    empty = np.empty(0, np.int64)
    chunks = list(_pairs(_gram_matrix(list(numbers)), threshold)) or [(empty, empty, np.empty(0, np.float32))]
    return NearDuplicates(distinct, *(np.concatenate(column) for column in zip(*chunks, strict=True)))


def _gram_matrix(texts: list[str]) -> "csr_array":
    """Return the sets of 5-grams of D texts as a matrix of ones [D, G], the rarest gram of each row first.

    A gram is represented by its rank in rarity, so that the order of columns is the order of rarity.
    """
    from scipy.sparse import csr_array  # noqa: PLC0415  # half a second to import

    row, grams = hashed_ngrams(texts, GRAM)
    _, numbers, occurrences = np.unique(grams, return_inverse=True, return_counts=True)
    order = np.argsort(occurrences, kind="stable")  # occurrences approximate rarity, and give one common order
    n_grams = len(order)
    keys = np.sort(row * max(n_grams, 1) + np.argsort(order)[numbers])  # the grams of each text, the rarest first
    keys = keys[np.flatnonzero(np.diff(keys, prepend=-1))]  # unique; np.unique would hash them, which is slower
    row, columns = np.divmod(keys, max(n_grams, 1))
    return csr_array((np.ones(len(row), np.int32), (row, columns)), shape=(len(texts), n_grams))


def _pairs(complete: "csr_array", threshold: float) -> Iterator[tuple[Rows, Rows, NDArray[np.float32]]]:
    """Yield all pairs of texts, given by `_gram_matrix`, whose similarity reaches the threshold."""
    from scipy.sparse import csr_array  # noqa: PLC0415  # half a second to import

    sizes = np.diff(complete.indptr)
    # The smallest overlap with a near-duplicate of any size.
    overlap = np.ceil(threshold * sizes - 1e-9).astype(np.int64)
    row, grams = np.repeat(np.arange(len(sizes)), sizes), complete.indices
    position = np.arange(len(row)) - complete.indptr[row]
    # Two sets that share `overlap` elements share k of the first `size - overlap + k` of each, in any common order.
    in_prefix = (position < (sizes - overlap + _SHARED)[row]) & (np.bincount(grams)[grams] > 1)
    ends = row[in_prefix], grams[in_prefix]
    prefixes = csr_array((np.ones(len(ends[0]), np.int32), ends), shape=complete.shape)
    columns = prefixes.T.tocsr()
    products = np.diff(columns.indptr)[ends[1]].astype(np.float64)
    work = np.bincount(ends[0], weights=products, minlength=len(sizes)).astype(np.float64)
    needed = np.minimum(overlap, _SHARED)
    for start, stop in _chunks(work):
        shared = (prefixes[start:stop] @ columns).tocoo()
        one, other = shared.row + start, shared.col
        candidate = (one < other) & (shared.data >= np.maximum(needed[one], needed[other]))
        candidate &= np.minimum(sizes[one], sizes[other]) >= threshold * np.maximum(sizes[one], sizes[other])
        one, other = one[candidate], other[candidate]
        for begin in range(0, len(one), _PAIRS_PER_CHUNK):
            a, b = one[begin : begin + _PAIRS_PER_CHUNK], other[begin : begin + _PAIRS_PER_CHUNK]
            common = complete[a].multiply(complete[b]).sum(axis=1)
            similarity = common / (sizes[a] + sizes[b] - common)
            near = similarity >= threshold
            yield a[near].astype(np.int64), b[near].astype(np.int64), similarity[near].astype(np.float32)


def _chunks(work: NDArray[np.float64]) -> Iterator[tuple[int, int]]:
    """Split rows into chunks of similar work, each of at least one row."""
    bins = (np.cumsum(work) // _PRODUCTS_PER_CHUNK).astype(np.int64)
    cuts = [0, *(np.flatnonzero(np.diff(bins)) + 1), len(work)]
    yield from ((int(a), int(b)) for a, b in pairwise(cuts) if b > a)


def _number_by_first_appearance(values: NDArray[np.int32]) -> Rows:
    _, first, numbers = np.unique(values, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[numbers]
