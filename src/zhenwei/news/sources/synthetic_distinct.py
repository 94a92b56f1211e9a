"""Keeps near-copies out of the synthetic world, exactly and fast."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

GRAM = 5
_LINKS_AND_HANDLES = re.compile(r"https?://\S+|@\S+")
_NOT_A_WORD = re.compile(r"[\W_]+")


def shingles(text: str) -> frozenset[str]:
    """Character 5-grams of the text without links, handles, marks and spaces, in NFKC and lower case."""
    plain = _LINKS_AND_HANDLES.sub("", unicodedata.normalize("NFKC", text).lower())
    plain = _NOT_A_WORD.sub("", plain)
    return frozenset(plain[i : i + GRAM] for i in range(max(1, len(plain) - GRAM + 1)))


class NearCopyIndex:
    """Remembers texts and refuses those whose Jaccard similarity to any of them reaches a threshold.

    Prefix filtering (Chaudhuri et al., ICDE 2006; k as in Wang et al., SIGMOD 2012): two sets that share `overlap`
    elements also share `k` of the first `size - overlap + k` ones of each in any common order. In the order of
    rarity few sets do by chance.

    Args:
        threshold: the Jaccard similarity from which on a text is refused, above 0.
        sample: texts like those to come; the order of rarity is taken from them.
        shared: k above; more means longer prefixes and fewer false alarms.
    """

    def __init__(self, threshold: float, sample: Iterable[str], shared: int = 4) -> None:
        self._threshold = threshold
        self._shared = shared
        self._frequency = Counter(gram for text in sample for gram in shingles(text))
        self._seen: list[frozenset[str]] = []
        self._postings: dict[str, list[int]] = {}

    def add(self, text: str) -> bool:
        """Remember this text and return True, or return False if it is a near-copy of a remembered one."""
        grams = shingles(text)
        in_order = sorted(grams, key=lambda gram: (self._frequency[gram], gram))
        overlap = math.ceil(self._threshold * len(grams))  # the least that a near-copy of any size shares
        prefix = in_order[: len(grams) - overlap + self._shared]
        meetings = Counter[int]()
        for gram in prefix:
            meetings.update(self._postings.get(gram, ()))
        needed = min(self._shared, overlap)
        if any(times >= needed and self._is_near(grams, self._seen[i]) for i, times in meetings.items()):
            return False
        for gram in prefix:
            self._postings.setdefault(gram, []).append(len(self._seen))
        self._seen.append(grams)
        return True

    def _is_near(self, one: frozenset[str], other: frozenset[str]) -> bool:
        common = len(one & other)
        return common >= self._threshold * (len(one) + len(other) - common)

    def __len__(self) -> int:
        return len(self._seen)
