"""How articles are parted into train, val and test: by time, by chance, or by groups that stay whole.

Every split is a pure function of its arguments, and no part is ever empty.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from zhenwei.errors import ConfigError, DataError

Rows = NDArray[np.int64]
Fractions = tuple[float, float, float]

FRACTIONS: Fractions = (0.6, 0.2, 0.2)


@dataclass(frozen=True)
class Split:
    """Which rows go where.

    Attributes:
        train: Row indices, int64.
        val: Row indices, int64.
        test: Row indices, int64.
    """

    train: Rows
    val: Rows
    test: Rows


def chronological_split(
    times: Sequence[datetime | None], fractions: Fractions = FRACTIONS, *, groups: Rows | None = None
) -> Split:
    """Train on the past, choose on what follows, test on the future.

    Articles of equal time are never parted, so the parts come as near to the fractions as that allows. Rows are
    in order of time, and rows of equal time in order of the file.

    Args:
        times: The time of each row.
        fractions: The shares of train, val and test.
        groups: The group of each row; a group stays whole, where its earliest row is. Its later rows are then the only
            ones that may be later than rows of the next part.

    Raises:
        ConfigError: The fractions are not three positive numbers that sum to 1.
        DataError: Some articles have no time, or fewer than three distinct times are left for three parts.
    """
    _check_fractions(fractions)
    missing = sum(time is None for time in times)
    if missing:
        raise DataError(f"{missing} of {len(times)} articles have no time; expected one for each to split by time")
    stamps = np.array(times, dtype="datetime64[us]")
    if groups is not None:
        stamps = _earliest_of_group(stamps, groups)
    order = np.argsort(stamps, kind="stable").astype(np.int64)
    ordered = stamps[order]
    boundaries = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1  # where a later time begins
    if len(boundaries) < 2:
        raise DataError(
            f"found {len(boundaries) + min(len(times), 1)} distinct times in {len(times)} articles; "
            "expected at least three, one for each of train, val and test"
        )
    first, second = _targets(len(times), fractions)
    cut = int(np.argmin(np.abs(boundaries[:-1] - first)))  # one boundary must be left for test
    later = boundaries[cut + 1 :]
    start, stop = int(boundaries[cut]), int(later[np.argmin(np.abs(later - second))])
    return Split(train=order[:start], val=order[start:stop], test=order[stop:])


def random_split(
    count: int,
    fractions: Fractions = FRACTIONS,
    *,
    seed: int,
    labels: Sequence[Hashable] | None = None,
    groups: Rows | None = None,
) -> Split:
    """Part rows by chance; with labels, so that each part has every label in like proportion.

    Prefer `chronological_split` where articles have a time: a random split lets a detector see the same story
    in train and test, and its score does not hold on tomorrow's news.

    Args:
        count: How many rows there are.
        fractions: The shares of train, val and test.
        seed: The same seed gives the same split.
        labels: The label of each row, to stratify by.
        groups: The group of each row; a group stays whole.

    Raises:
        ConfigError: The fractions are not three positive numbers that sum to 1.
        DataError: There are too few rows or groups for three parts, or not as many labels as rows.
    """
    _check_fractions(fractions)
    if labels is not None and len(labels) != count:
        raise DataError(f"found {len(labels)} labels; expected {count}, one for each row")
    first, second = _cuts(count, fractions)
    order = np.random.default_rng(seed).permutation(count).astype(np.int64)
    if groups is not None:
        return _of_whole_groups(order, groups, fractions, labels)
    if labels is not None:
        order = order[_spread([labels[row] for row in order])]
    return Split(*(np.sort(part) for part in np.split(order, [first, second])))


def _of_whole_groups(order: Rows, groups: Rows, fractions: Fractions, labels: Sequence[Hashable] | None) -> Split:
    """Deal groups out by chance, the largest first: each to the part that lacks most of its share of the labels.

    Args:
        order: All rows, by chance.
        groups: The group of each row.
        fractions: The shares of the parts.
        labels: The label of each row, if the parts are to have them in like proportion.
    """
    kinds = {label: place for place, label in enumerate(dict.fromkeys(labels or [None]))}
    of_row = np.array([kinds[label] for label in labels] if labels is not None else np.zeros(len(order), np.int64))
    members: dict[int, list[int]] = {}
    for row in order:
        members.setdefault(int(groups[row]), []).append(int(row))
    if len(members) < 3:
        raise DataError(f"found {len(members)} groups; expected at least three, one for each of train, val and test")
    totals = np.bincount(of_row, minlength=len(kinds))
    lacking = np.outer(fractions, totals)  # [3, labels]: rows that each part still wants
    parts: list[list[int]] = [[], [], []]
    for placed, rows in enumerate(sorted(members.values(), key=len, reverse=True)):  # stable: ties stay by chance
        brought = np.bincount(of_row[rows], minlength=len(kinds))
        wish = lacking @ (brought / totals)  # a rare label counts as much as a frequent one
        empty = [place for place in range(3) if not parts[place]]
        choices = empty if len(members) - placed <= len(empty) else range(3)
        chosen = max(choices, key=lambda place: (wish[place], fractions[place]))
        parts[chosen] += rows
        lacking[chosen] -= brought
    return Split(*(np.array(sorted(part), dtype=np.int64) for part in parts))


def _earliest_of_group(stamps: NDArray[np.datetime64], groups: Rows) -> NDArray[np.datetime64]:
    """Return for each row the earliest time in its group."""
    numbers = np.unique(groups, return_inverse=True)[1]
    ticks = stamps.astype(np.int64)
    earliest = np.full(int(numbers.max()) + 1, np.iinfo(np.int64).max)
    np.minimum.at(earliest, numbers, ticks)
    return earliest[numbers].astype(stamps.dtype)


def grouped_split(groups: Sequence[Hashable], fractions: Fractions = FRACTIONS, *, seed: int) -> Split:
    """Part rows so that each group (a story, an account, a cluster of near-duplicates) stays whole.

    The largest groups are placed first, each into the part that lacks most of its share.

    Raises:
        ConfigError: The fractions are not three positive numbers that sum to 1.
        DataError: There are fewer than three groups.
    """
    _check_fractions(fractions)
    members: dict[Hashable, list[int]] = {}
    for row, group in enumerate(groups):
        members.setdefault(group, []).append(row)
    if len(members) < 3:
        raise DataError(f"found {len(members)} groups; expected at least three, one for each of train, val and test")
    shuffled = np.random.default_rng(seed).permutation(len(members))
    by_chance = [list(members.values())[place] for place in shuffled]
    parts: list[list[int]] = [[], [], []]
    for placed, rows in enumerate(sorted(by_chance, key=len, reverse=True)):  # stable: ties stay by chance
        empty = [place for place in range(3) if not parts[place]]
        # When only as many groups are left as there are empty parts, each of them gets one.
        choices = empty if len(members) - placed <= len(empty) else range(3)
        lacking = max(choices, key=lambda place: fractions[place] * len(groups) - len(parts[place]))
        parts[lacking] += rows
    return Split(*(np.array(sorted(part), dtype=np.int64) for part in parts))


def _check_fractions(fractions: Fractions) -> None:
    if (
        len(fractions) != 3
        or not all(fraction > 0 for fraction in fractions)
        or not math.isclose(sum(fractions), 1, abs_tol=1e-6)
    ):
        raise ConfigError(
            f"found fractions {tuple(fractions)}; expected three positive numbers that sum to 1, for train, "
            "val and test"
        )


def _targets(count: int, fractions: Fractions) -> tuple[int, int]:
    """Where val and test would begin among so many rows, if rows could be cut anywhere."""
    return round(count * fractions[0]), round(count * (fractions[0] + fractions[1]))


def _cuts(count: int, fractions: Fractions) -> tuple[int, int]:
    """Where val and test begin, with at least one row in each part."""
    if count < 3:
        raise DataError(f"found {count} articles; expected at least three, one for each of train, val and test")
    first, second = _targets(count, fractions)
    first = min(max(first, 1), count - 2)
    return first, min(max(second, first + 1), count - 1)


def _spread(labels: list[Hashable]) -> Rows:
    """An order of rows in which every stretch has the labels in like proportion.

    Each row gets its place within its label as a share of that label, (rank + 1/2) / size: sorted by it, labels
    interleave in proportion to their sizes.
    """
    sizes: dict[Hashable, int] = {}
    ranks = []
    for label in labels:
        ranks.append(sizes.get(label, 0))
        sizes[label] = ranks[-1] + 1
    shares = [(rank + 0.5) / sizes[label] for rank, label in zip(ranks, labels, strict=True)]
    return np.argsort(np.array(shares), kind="stable").astype(np.int64)
