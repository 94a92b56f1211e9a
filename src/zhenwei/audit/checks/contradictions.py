"""Equal texts, and near-duplicates, that stand under both labels."""

import numpy as np

from zhenwei.audit.dataset import UNKNOWN, Collection, Mask, Rows
from zhenwei.audit.findings import Finding
from zhenwei.audit.format import finding, pairs, share, unchecked

_ADVICE = "look at the pairs and correct the labels, or leave both out"


def contradictions(collection: Collection) -> Finding:
    """Count the labelled articles whose very text also stands under the other label, in whatever part."""
    names = ("contradictions", "Contradictory labels of equal texts")
    if not collection.has_both_labels:
        return unchecked(*names, "the articles do not have both labels")
    found = _both_labels(collection.copies, collection.targets) & collection.labelled
    shown = _examples_of(collection, collection.copies, np.flatnonzero(found))
    return _worded(collection, names, found, "have a text that also stands under the other label", shown)


def near_contradictions(collection: Collection) -> Finding:
    """Count the labelled articles that have a near-duplicate (or an equal text) of the other label."""
    names = ("near_contradictions", "Contradictory labels of near-duplicates")
    if not collection.has_both_labels:
        return unchecked(*names, "the articles do not have both labels")
    near = collection.near_duplicates
    size = int(near.distinct.max(initial=-1)) + 1
    holder = np.full((2, size), -1)  # by label, the first row of each distinct text
    for target in (0, 1):
        rows = np.flatnonzero(collection.targets == target)[::-1]
        holder[target, near.distinct[rows]] = rows
    other = holder.copy()  # by label, a row of that label that is equal or near
    for one, two in ((near.first, near.second), (near.second, near.first)):
        for target in (0, 1):
            having = (holder[target, two] >= 0) & (other[target, one] < 0)
            other[target, one[having]] = holder[target, two[having]]
    opposite = np.where(collection.labelled, 1 - collection.targets, 0)
    partner = np.where(collection.labelled, other[opposite, near.distinct], -1)
    found = partner >= 0
    shown = [(int(row), int(partner[row])) for row in np.flatnonzero(found) if row < partner[row]]
    return _worded(collection, names, found, "have a near-duplicate (or copy) of the other label", shown)


def _both_labels(groups: Rows, targets: np.ndarray) -> Mask:
    """[N] whether an article's group has fakes and real ones."""
    size = int(groups.max(initial=-1)) + 1
    has = [np.bincount(groups[targets == target], minlength=size) > 0 for target in (0, 1)]
    return np.asarray((has[0] & has[1])[groups], bool)


def _examples_of(collection: Collection, groups: Rows, rows: Rows) -> list[tuple[int, int]]:
    """A pair of each group: its first real article and its first fake one."""
    found: dict[int, dict[int, int]] = {}
    for row in rows:
        found.setdefault(int(groups[row]), {}).setdefault(int(collection.targets[row]), int(row))
    return [(labels[0], labels[1]) for labels in found.values()]


def _worded(
    collection: Collection, names: tuple[str, str], found: Mask, said: str, shown: list[tuple[int, int]]
) -> Finding:
    labelled = int((collection.targets != UNKNOWN).sum())
    n = int(found.sum())
    table = pairs(collection, shown, "pairs of contradictory labels")
    return finding(
        *names, f"{share(n, labelled, 'labelled articles')} {said}", n / labelled, advice=_ADVICE, tables=[table]
    )
