"""Split articles into train, val and test: by time, at random, or by group.

Every split is a pure function of its arguments, and no part is empty.
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
    """The rows of each part.

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
    """Split by time: train on the past, select models on what follows, test on the future.

    Articles of equal time stay in one part, so the parts are as near to the fractions as that allows. Rows are in order
    of time, and rows of equal time in order of the file.

    Args:
        times: The time of each row.
        fractions: The shares of train, val and test.
        groups: The group of each row; a group stays in the part of its earliest row. Only its later rows may be later
            than rows of the next part.

    Raises:
        ConfigError: The fractions are not three positive numbers that sum to 1.
        DataError: Some articles have no time, or there are fewer than three distinct times.
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
    boundaries = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1  # first rows of a later time
    if len(boundaries) < 2:
        raise DataError(
            f"found {len(boundaries) + min(len(times), 1)} distinct times in {len(times)} articles; "
            "expected at least three, one for each of train, val and test"
        )
    first, second = _targets(len(times), fractions)
    cut = int(np.argmin(np.abs(boundaries[:-1] - first)))  # leaves one boundary for test
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
    """Split rows at random; with labels, stratified by label.

    Prefer `chronological_split` if articles have a time: with a random split the same story is in train and test, and
    the score does not hold on tomorrow's news.

    Args:
        count: Number of rows.
        fractions: The shares of train, val and test.
        seed: Random seed.
        labels: The label of each row, to stratify by.
        groups: The group of each row; a group stays in one part.

    Raises:
        ConfigError: The fractions are not three positive numbers that sum to 1.
        DataError: There are too few rows or groups for three parts, or the numbers of labels and rows differ.
    """
    _check_fractions(fractions)
    if labels is not None and len(labels) != count:
        raise DataError(f"found {len(labels)} labels; expected {count}, one for each row")
    first, second = _cuts(count, fractions)
    order = np.random.default_rng(seed).permutation(count).astype(np.int64)
    if groups is not None:
        return _assign_groups(order, groups, fractions, labels)
    if labels is not None:
        order = order[_interleave([labels[row] for row in order])]
    return Split(*(np.sort(part) for part in np.split(order, [first, second])))


def _assign_groups(order: Rows, groups: Rows, fractions: Fractions, labels: Sequence[Hashable] | None) -> Split:
    """Assign groups in random order, the largest first, each to the part that lacks most of its share of the labels.

    Args:
        order: All rows in random order.
        groups: The group of each row.
        fractions: The shares of the parts.
        labels: The label of each row, to stratify by.
    """
    numbers = {label: number for number, label in enumerate(dict.fromkeys(labels or [None]))}
    label_of = np.array([numbers[label] for label in labels] if labels is not None else np.zeros(len(order), np.int64))
    members: dict[int, list[int]] = {}
    for row in order:
        members.setdefault(int(groups[row]), []).append(int(row))
    if len(members) < 3:
        raise DataError(f"found {len(members)} groups; expected at least three, one for each of train, val and test")
    totals = np.bincount(label_of, minlength=len(numbers))
    lacking = np.outer(fractions, totals)  # [3, labels]: rows that each part still lacks
    parts: list[list[int]] = [[], [], []]
    for assigned, rows in enumerate(sorted(members.values(), key=len, reverse=True)):  # stable: ties stay random
        added = np.bincount(label_of[rows], minlength=len(numbers))
        need = lacking @ (added / totals)  # a rare label counts as much as a frequent one
        empty = [part for part in range(3) if not parts[part]]
        choices = empty if len(members) - assigned <= len(empty) else range(3)
        chosen = max(choices, key=lambda part: (need[part], fractions[part]))
        parts[chosen] += rows
        lacking[chosen] -= added
    return Split(*(np.array(sorted(part), dtype=np.int64) for part in parts))


def _earliest_of_group(stamps: NDArray[np.datetime64], groups: Rows) -> NDArray[np.datetime64]:
    """Return the earliest time in the group of each row."""
    order = np.argsort(stamps)
    _, first, numbers = np.unique(groups[order], return_index=True, return_inverse=True)
    earliest = np.empty_like(stamps)
    earliest[order] = stamps[order][first][numbers]
    return earliest


def grouped_split(groups: Sequence[Hashable], fractions: Fractions = FRACTIONS, *, seed: int) -> Split:
    """Split rows so that each group (a story, an account, a cluster of near-duplicates) stays in one part.

    The largest groups are assigned first, each to the part that lacks most of its share.

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
    all_members = list(members.values())
    in_random_order = [all_members[number] for number in shuffled]
    parts: list[list[int]] = [[], [], []]
    for assigned, rows in enumerate(sorted(in_random_order, key=len, reverse=True)):  # stable: ties stay random
        empty = [part for part in range(3) if not parts[part]]
        # When only as many groups are left as there are empty parts, each of them gets one.
        choices = empty if len(members) - assigned <= len(empty) else range(3)
        chosen = max(choices, key=lambda part: fractions[part] * len(groups) - len(parts[part]))
        parts[chosen] += rows
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
    """Return the rows where val and test would begin if rows could be split anywhere."""
    return round(count * fractions[0]), round(count * (fractions[0] + fractions[1]))


def _cuts(count: int, fractions: Fractions) -> tuple[int, int]:
    """Return the rows where val and test begin, with at least one row in each part."""
    if count < 3:
        raise DataError(f"found {count} articles; expected at least three, one for each of train, val and test")
    first, second = _targets(count, fractions)
    first = min(max(first, 1), count - 2)
    return first, min(max(second, first + 1), count - 1)


def _interleave(labels: list[Hashable]) -> Rows:
    """Return an order of rows in which every stretch has the labels in proportion.

    Each row is ranked within its label: sorted by (rank + 1/2) / size, labels interleave in proportion to their sizes.
    """
    sizes: dict[Hashable, int] = {}
    ranks = []
    for label in labels:
        ranks.append(sizes.get(label, 0))
        sizes[label] = ranks[-1] + 1
    shares = [(rank + 0.5) / sizes[label] for rank, label in zip(ranks, labels, strict=True)]
    return np.argsort(np.array(shares), kind="stable").astype(np.int64)
