"""Equal texts and near-duplicates with contradictory labels."""

import numpy as np

from zhenwei.audit.dataset import AuditDataset, Mask, Rows
from zhenwei.audit.findings import Finding
from zhenwei.audit.format import format_share, make_finding, not_checked, pairs_table

_ADVICE = "look at the pairs and correct the labels, or remove both"


def contradictions(dataset: AuditDataset) -> Finding:
    """Count the labeled articles whose text also occurs with the other label, in any part."""
    names = ("contradictions", "Contradictory labels of equal texts")
    if not dataset.has_both_labels:
        return not_checked(*names, "the articles do not have both labels")
    contradictory = _in_mixed_groups(dataset.content_ids, dataset.targets) & dataset.labeled
    pairs = _pair_of_each_group(dataset, dataset.content_ids, np.flatnonzero(contradictory))
    return _finding(dataset, names, contradictory, "have a text that also has the other label", pairs)


def near_contradictions(dataset: AuditDataset) -> Finding:
    """Count the labeled articles with a near-duplicate (or an equal text) of the other label."""
    names = ("near_contradictions", "Contradictory labels of near-duplicates")
    if not dataset.has_both_labels:
        return not_checked(*names, "the articles do not have both labels")
    near = dataset.near_duplicates
    size = int(near.distinct.max(initial=-1)) + 1
    same = np.full((2, size), -1)  # [label, text] the first row with that text
    for target in (0, 1):
        rows = np.flatnonzero(dataset.targets == target)[::-1]
        same[target, near.distinct[rows]] = rows
    similar = same.copy()  # [label, text] a row with that text or a near-duplicate of it
    for one, two in ((near.first, near.second), (near.second, near.first)):
        for target in (0, 1):
            fills = (same[target, two] >= 0) & (similar[target, one] < 0)
            similar[target, one[fills]] = same[target, two[fills]]
    opposite = np.where(dataset.labeled, 1 - dataset.targets, 0)
    partner = np.where(dataset.labeled, similar[opposite, near.distinct], -1)
    contradictory = partner >= 0
    pairs = [(int(row), int(partner[row])) for row in np.flatnonzero(contradictory) if row < partner[row]]
    return _finding(dataset, names, contradictory, "have a near-duplicate (or copy) of the other label", pairs)


def _in_mixed_groups(groups: Rows, targets: np.ndarray) -> Mask:
    """Return [N] whether the group of an article has both fake and real articles."""
    size = int(groups.max(initial=-1)) + 1
    present = [np.bincount(groups[targets == target], minlength=size) > 0 for target in (0, 1)]
    return np.asarray((present[0] & present[1])[groups], bool)


def _pair_of_each_group(dataset: AuditDataset, groups: Rows, rows: Rows) -> list[tuple[int, int]]:
    """Return for each group its first real and its first fake article."""
    first_rows: dict[int, dict[int, int]] = {}
    for row in rows:
        first_rows.setdefault(int(groups[row]), {}).setdefault(int(dataset.targets[row]), int(row))
    return [(by_label[0], by_label[1]) for by_label in first_rows.values()]


def _finding(
    dataset: AuditDataset, names: tuple[str, str], affected: Mask, predicate: str, pairs: list[tuple[int, int]]
) -> Finding:
    labeled, n = int(dataset.labeled.sum()), int(affected.sum())
    summary = f"{format_share(n, labeled, 'labeled articles')} {predicate}"
    table = pairs_table(dataset, pairs, "pairs of contradictory labels")
    return make_finding(*names, summary, n / labeled, advice=_ADVICE, tables=[table])
