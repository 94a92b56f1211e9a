"""Features that are tested alone: symbols, characters, and phrases of two or three characters."""

import unicodedata
from dataclasses import dataclass

import numpy as np

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


def ngram_features(dataset: AuditDataset, family: NgramFamily) -> NgramCounts:
    """Return the n-grams of a family with their counts among the articles on which rules are fitted."""
    counts = dataset.ngram_counts
    rows = np.flatnonzero(np.isin(counts.lengths, family.lengths)).tolist()
    if family.letters is not None:
        rows = [row for row in rows if _is_letter(counts.text(row)) == family.letters]
    return counts.select(rows)


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
