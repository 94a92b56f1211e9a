"""Features that are tested alone: symbols, characters, and phrases of two or three characters."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zhenwei.audit.dataset import AuditDataset, Mask, Rows
from zhenwei.audit.findings import Table
from zhenwei.audit.format import MAX_EXAMPLES, excerpt, readable_ngram
from zhenwei.audit.ngrams import NgramCounts

_CONTEXT = 30  # characters shown before an n-gram


@dataclass(frozen=True)
class NgramFamily:
    """A kind of n-grams.

    Attributes:
        lengths: Their lengths in characters.
        letters: True: letters and digits only; False: all other characters; None: both.
    """

    lengths: tuple[int, ...]
    letters: bool | None = None


SYMBOLS = NgramFamily((1,), letters=False)
CHARACTERS = NgramFamily((1,), letters=True)
PHRASES = NgramFamily((2, 3))
FAMILIES = (SYMBOLS, CHARACTERS, PHRASES)


@dataclass(frozen=True)
class NgramFeatures:
    """The G n-grams of a family.

    Attributes:
        fake: [G] number of fake articles with each n-gram.
        real: [G] number of real articles with each n-gram.
        counts: The counts by length, from which the n-grams were selected.
        source: [G] index into `counts`.
        index: [G] index into the n-grams of that entry.
    """

    fake: NDArray[np.int64]
    real: NDArray[np.int64]
    counts: tuple[NgramCounts, ...]
    source: Rows
    index: Rows

    def text(self, feature: int) -> str:
        """Return the text of an n-gram."""
        return self.counts[int(self.source[feature])].text(int(self.index[feature]))

    def first_distinct(self, order: Iterable[int], limit: int) -> list[int]:
        """Return the first n-grams of an order, but only one of those with equal counts of fake and real articles.

        N-grams with equal counts are mostly parts of one phrase, or the two brackets of a pair.
        """
        by_counts: dict[tuple[int, int], int] = {}
        for feature in order:
            by_counts.setdefault((int(self.fake[feature]), int(self.real[feature])), int(feature))
            if len(by_counts) == limit:
                break
        return list(by_counts.values())


def ngram_features(dataset: AuditDataset, family: NgramFamily) -> NgramFeatures:
    """Return the n-grams of a family with their counts among the articles on which rules are fitted."""
    counts = tuple(entry for entry in dataset.ngram_counts if entry.n in family.lengths)
    selected = [np.arange(len(entry.ngrams)) for entry in counts]
    if family.letters is not None:
        matching = (
            [number for number in indices if _is_letter(entry.text(int(number))) == family.letters]
            for entry, indices in zip(counts, selected, strict=True)
        )
        selected = [np.array(indices, np.int64) for indices in matching]
    return NgramFeatures(
        np.concatenate([entry.fake[indices] for entry, indices in zip(counts, selected, strict=True)]),
        np.concatenate([entry.real[indices] for entry, indices in zip(counts, selected, strict=True)]),
        counts,
        np.repeat(np.arange(len(counts)), [len(indices) for indices in selected]),
        np.concatenate(selected),
    )


def contains_ngram(dataset: AuditDataset, ngram: str, rows: Rows) -> Mask:
    """Return [M] whether each of M rows contains an n-gram."""
    return np.array([ngram in dataset.texts[row] for row in rows], bool)


def context_table(dataset: AuditDataset, ngram: str, rows: Rows) -> Table:
    """Return a table of some articles that contain an n-gram, of both labels if possible, from just before it."""
    matching = rows[contains_ngram(dataset, ngram, rows)]
    by_label = [matching[dataset.targets[matching] == target][:MAX_EXAMPLES].tolist() for target in (0, 1)]
    fewer, more = sorted(by_label, key=len)
    cells = []
    for row in [*fewer[:2], *more][:MAX_EXAMPLES]:
        start = max(0, dataset.texts[row].index(ngram) - _CONTEXT)
        text = ("…" if start else "") + dataset.texts[row][start:]
        cells.append((*dataset.location(row), dataset.label(row), excerpt(text)))
    return Table(f"articles with '{readable_ngram(ngram)}'", ("part", "row", "label", "text"), tuple(cells))


def _is_letter(character: str) -> bool:
    return unicodedata.category(character)[0] in "LN"
