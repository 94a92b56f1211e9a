"""Keep near-duplicates out of the synthetic dataset, by an exact and fast search."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from zhenwei.news.similarity.near_duplicates import shingles


class NearDuplicateFilter:
    """Stores texts, and refuses those whose Jaccard similarity to a stored one reaches a threshold.

    Prefix filtering (Chaudhuri et al., ICDE 2006; k as in Wang et al., SIGMOD 2012): two sets that share `overlap`
    elements also share `k` of the first `size - overlap + k` ones of each in any common order. In the order of
    rarity few sets do so by chance.

    Args:
        threshold: Jaccard similarity from which a text is refused, above 0.
        sample: Texts like those to come, from which the order of rarity is estimated.
        shared: k above; a larger one gives longer prefixes and fewer false candidates.
    """

    def __init__(self, threshold: float, sample: Iterable[str], shared: int = 4) -> None:
        self._threshold = threshold
        self._shared = shared
        self._frequency = Counter(gram for text in sample for gram in shingles(text))
        self._stored: list[frozenset[str]] = []
        self._postings: dict[str, list[int]] = {}

    def add(self, text: str) -> bool:
        """Store a text and return True; return False if it is a near-duplicate of a stored one."""
        grams = shingles(text)
        in_order = sorted(grams, key=lambda gram: (self._frequency[gram], gram))
        overlap = math.ceil(self._threshold * len(grams))  # the smallest overlap with a near-duplicate of any size
        prefix = in_order[: len(grams) - overlap + self._shared]
        candidates = Counter[int]()
        for gram in prefix:
            candidates.update(self._postings.get(gram, ()))
        needed = min(self._shared, overlap)
        if any(count >= needed and self._is_near_duplicate(grams, self._stored[i]) for i, count in candidates.items()):
            return False
        for gram in prefix:
            self._postings.setdefault(gram, []).append(len(self._stored))
        self._stored.append(grams)
        return True

    def _is_near_duplicate(self, one: frozenset[str], other: frozenset[str]) -> bool:
        common = len(one & other)
        return common >= self._threshold * (len(one) + len(other) - common)

    def __len__(self) -> int:
        return len(self._stored)
