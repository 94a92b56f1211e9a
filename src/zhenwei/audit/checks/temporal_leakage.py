"""Training articles that are later than the articles for evaluation."""

from itertools import pairwise

import numpy as np

from zhenwei.audit.dataset import AuditDataset, Rows
from zhenwei.audit.findings import Finding, Table
from zhenwei.audit.format import examples_table, format_share, make_finding, not_checked


def temporal_leakage(dataset: AuditDataset) -> Finding:
    """Count the training articles that are later than the first article of a later part.

    An article counts by the earliest time among its near-duplicates of the part: a late copy adds no knowledge of the
    future, as when near-duplicates are kept together.
    """
    names = ("temporal_leakage", "Train is earlier than later parts")
    if len(dataset.parts) < 2:
        return not_checked(*names, "there is only one part")
    has_time = ~np.isnat(dataset.times)
    timed = [(name, rows[has_time[rows]]) for name, rows in dataset.rows_of_parts]
    train_name, train = timed[0]
    later = [(name, rows) for name, rows in timed[1:] if len(rows)]
    if not len(train) or not later:
        return not_checked(*names, "the articles of at least two parts need a `time`")
    shares, sentences = [], []
    leaking: list[int] = []
    for part, rows in later:
        start = dataset.times[rows].min()
        late = train[_first_seen(dataset, train) > start]
        copies = int((dataset.times[train] > start).sum()) - len(late)
        shares.append(len(late) / len(train))
        sentences.append(
            f"{format_share(len(late), len(train), f'{train_name} articles')} are later than the start of {part} "
            f"({_minute(start)})" + (f", and {copies:,} that repeat an earlier one" if copies else "")
        )
        if len(late) > len(leaking):
            leaking = late[np.argsort(dataset.times[late])[::-1]].tolist()
    for (part, rows), (other, others) in pairwise(later):  # the threshold is chosen on val: test must be later, too
        n = int((_first_seen(dataset, rows) > dataset.times[others].min()).sum())
        if n:
            sentences.append(f"{format_share(n, len(rows), f'{part} articles')} are later than the start of {other}")
            shares.append(n / len(rows))
    advice = "split by time: `zhenwei data split FILE DST --by time`"
    tables = [examples_table(dataset, leaking, f"the latest {train_name} articles"), _time_spans(dataset, has_time)]
    return make_finding(*names, "; ".join(sentences), max(shares), advice=advice, tables=tables)


def _first_seen(dataset: AuditDataset, rows: Rows) -> np.ndarray:
    """Return for each row the earliest time among its near-duplicates and rewrites of these rows, itself included."""
    groups = np.unique(dataset.groups[rows], return_inverse=True)[1]
    stamps = dataset.times[rows].astype(np.int64)
    earliest = np.full(int(groups.max(initial=-1)) + 1, np.iinfo(np.int64).max)
    np.minimum.at(earliest, groups, stamps)
    return earliest[groups].astype(dataset.times.dtype)


def _time_spans(dataset: AuditDataset, has_time: np.ndarray) -> Table:
    cells = []
    for part, rows in dataset.rows_of_parts:
        times = dataset.times[rows[has_time[rows]]]
        span = (_minute(times.min()), _minute(times.max())) if len(times) else (None, None)
        cells.append((part, len(times), int(len(rows) - len(times)), *span))
    return Table("times by part", ("part", "with a time", "without", "first", "last"), tuple(cells))


def _minute(time: np.datetime64) -> str:
    return str(time.astype("datetime64[m]")).replace("T", " ")
