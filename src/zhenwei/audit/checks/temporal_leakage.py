"""Training articles that are later than what the detector is judged on."""

from itertools import pairwise

import numpy as np

from zhenwei.audit.dataset import Collection
from zhenwei.audit.findings import Finding, Table
from zhenwei.audit.format import examples, finding, share, unchecked


def time_leaks(collection: Collection) -> Finding:
    """Count the training articles that are later than the first article of a later part.

    One that repeats an earlier training article, as where near-duplicates are kept together, tells nothing new: it
    counts as old as that.
    """
    names = ("time_leaks", "Train is earlier than what follows")
    if len(collection.parts) < 2:
        return unchecked(*names, "there is one part alone")
    known = ~np.isnat(collection.times)
    trained = collection.rows(0)[known[collection.rows(0)]]
    later = [(part.name, rows[known[rows]]) for part, rows in collection.later()]
    later = [(name, rows) for name, rows in later if len(rows)]
    if not len(trained) or not later:
        return unchecked(*names, "the articles of at least two parts need a `time`")
    name = collection.parts[0].name
    shares, sentences = [], []
    leaking: list[int] = []
    for part, rows in later:
        first = collection.times[rows].min()
        behind = trained[_first_seen(collection, trained) > first]
        repeats = int((collection.times[trained] > first).sum()) - len(behind)
        shares.append(len(behind) / len(trained))
        sentences.append(
            f"{share(len(behind), len(trained), f'{name} articles')} are later than {part} begins ({_day(first)})"
            + (f", and {repeats:,} that repeat an earlier one" if repeats else "")
        )
        leaking = (
            leaking if len(leaking) >= len(behind) else behind[np.argsort(collection.times[behind])[::-1]].tolist()
        )
    if len(later) > 1:  # the threshold is chosen on the one, so it must not know the other either
        for sentence, part_share in _later_among(collection, later):
            sentences.append(sentence)
            shares.append(part_share)
    advice = "split by time: `zhenwei data split FILE DST --by time`"
    tables = [examples(collection, leaking, f"the latest {name} articles"), _spans(collection, known)]
    return finding(*names, "; ".join(sentences), max(shares), advice=advice, tables=tables)


def _first_seen(collection: Collection, rows: np.ndarray) -> np.ndarray:
    """Return for each of a part's rows the earliest time of the part's near-duplicates of it, itself among them."""
    groups = np.unique(collection.near_duplicates.groups[rows], return_inverse=True)[1]
    stamps = collection.times[rows].astype(np.int64)
    earliest = np.full(int(groups.max(initial=-1)) + 1, np.iinfo(np.int64).max)
    np.minimum.at(earliest, groups, stamps)
    return earliest[groups].astype(collection.times.dtype)


def _later_among(collection: Collection, later: list[tuple[str, np.ndarray]]) -> list[tuple[str, float]]:
    """Say how many articles of each later part are later than the next one begins, where there are any."""
    found = []
    for (one, rows), (other, others) in pairwise(later):
        behind = int((_first_seen(collection, rows) > collection.times[others].min()).sum())
        if behind:
            text = f"{share(behind, len(rows), f'{one} articles')} are later than {other} begins"
            found.append((text, behind / len(rows)))
    return found


def _spans(collection: Collection, known: np.ndarray) -> Table:
    cells = []
    for number, part in enumerate(collection.parts):
        rows = collection.rows(number)
        times = collection.times[rows[known[rows]]]
        span = (_day(times.min()), _day(times.max())) if len(times) else (None, None)
        cells.append((part.name, len(times), int(len(rows) - len(times)), *span))
    return Table("times by part", ("part", "with a time", "without", "first", "last"), tuple(cells))


def _day(time: np.datetime64) -> str:
    return str(time.astype("datetime64[m]")).replace("T", " ")
