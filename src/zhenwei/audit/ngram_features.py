"""The n-grams that are tried: marks, characters, and phrases."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zhenwei.audit.dataset import Collection, Mask, Rows
from zhenwei.audit.findings import Table
from zhenwei.audit.format import SHOWN, beginning, spelled
from zhenwei.audit.ngrams import GramCounts

_BEFORE = 30  # characters before an n-gram that are shown


@dataclass(frozen=True)
class Family:
    """A kind of n-grams.

    Attributes:
        lengths: How many characters they have.
        letters: Whether they are letters and digits, or marks; None: both.
    """

    lengths: tuple[int, ...]
    letters: bool | None = None


MARKS = Family((1,), letters=False)
CHARACTERS = Family((1,), letters=True)
PHRASES = Family((2, 3))
FAMILIES = (MARKS, CHARACTERS, PHRASES)


@dataclass(frozen=True)
class FamilyCounts:
    """The n-grams of a family, G in number, and where they stand.

    Attributes:
        fake: [G] fakes that have each.
        real: [G] real articles that have each.
        counts: The counts that they are from, by length.
        source: [G] which of these.
        place: [G] their place in it.
    """

    fake: NDArray[np.int64]
    real: NDArray[np.int64]
    counts: tuple[GramCounts, ...]
    source: Rows
    place: Rows

    def spell(self, at: int) -> str:
        """Return the text of an n-gram."""
        return self.counts[int(self.source[at])].spell(int(self.place[at]))

    def unlike(self, order: Iterable[int], most: int) -> list[int]:
        """Return the first n-grams of an order, but one alone of those in like numbers of fakes and real articles.

        Those are mostly parts of one phrase, or two brackets of a pair.
        """
        found: dict[tuple[int, int], int] = {}
        for at in order:
            found.setdefault((int(self.fake[at]), int(self.real[at])), int(at))
            if len(found) == most:
                break
        return list(found.values())


def counted_in(collection: Collection, family: Family) -> FamilyCounts:
    """Return the n-grams of a family with their counts among the articles that features are fitted on."""
    counts = tuple(one for one in collection.gram_counts if one.n in family.lengths)
    kept = [np.arange(len(one.grams)) for one in counts]
    if family.letters is not None:
        wanted = (
            [at for at in places if _is_letter(one.spell(int(at))) == family.letters]
            for one, places in zip(counts, kept, strict=True)
        )
        kept = [np.array(places, np.int64) for places in wanted]
    return FamilyCounts(
        np.concatenate([one.fake[places] for one, places in zip(counts, kept, strict=True)]),
        np.concatenate([one.real[places] for one, places in zip(counts, kept, strict=True)]),
        counts,
        np.repeat(np.arange(len(counts)), [len(places) for places in kept]),
        np.concatenate(kept),
    )


def having(collection: Collection, gram: str, rows: Rows) -> Mask:
    """Return which of some articles have an n-gram."""
    return np.array([gram in collection.texts[row] for row in rows], bool)


def in_context(collection: Collection, gram: str, rows: Rows) -> Table:
    """Return some of the articles that have an n-gram, of both labels where there are, around where it stands."""
    found = rows[having(collection, gram, rows)]
    by_label = [found[collection.targets[found] == target][:SHOWN].tolist() for target in (0, 1)]
    few, many = sorted(by_label, key=len)
    cells = []
    for row in [*few[:2], *many][:SHOWN]:
        start = max(0, collection.texts[row].index(gram) - _BEFORE)
        text = ("…" if start else "") + collection.texts[row][start:]
        cells.append((*collection.place(row), collection.label(row), beginning(text)))
    return Table(f"articles with '{spelled(gram)}'", ("part", "row", "label", "text"), tuple(cells))


def _is_letter(character: str) -> bool:
    return unicodedata.category(character)[0] in "LN"
