"""Ids that several articles share."""

from collections import Counter

from zhenwei.audit.dataset import AuditDataset
from zhenwei.audit.findings import Finding
from zhenwei.audit.format import examples_table, excerpt, format_share, make_finding, not_checked


def duplicate_ids(dataset: AuditDataset) -> Finding:
    """Count the articles whose id an earlier article of any part has."""
    names = ("duplicate_ids", "Duplicate ids")
    n_ids = sum(id_ is not None for id_ in dataset.ids)
    if not n_ids:
        return not_checked(*names, "no article has an id")
    first: dict[str, int] = {}
    within: list[int] = []
    across: list[int] = []
    for row, id_ in enumerate(dataset.ids):
        if id_ is None:
            continue
        earlier = first.setdefault(id_, row)
        if earlier != row:
            (within if dataset.part[earlier] == dataset.part[row] else across).append(row)
    repeats = sorted(within + across)
    summary = f"{format_share(len(repeats), n_ids, 'ids')} repeat an earlier one"
    if repeats:
        (most_frequent, n), *_ = Counter(str(dataset.ids[row]) for row in repeats).most_common(1)
        summary += f", {len(within):,} within a part and {len(across):,} across parts"
        summary += f"; the most frequent is '{excerpt(most_frequent, 40)}' ({n + 1:,} articles)"
    rows = [row for repeat in repeats[:2] for row in (first[str(dataset.ids[repeat])], repeat)]
    advice = "give every article an id of its own; remove copies, which have equal ids and equal texts"
    table = examples_table(dataset, rows, "articles with one id")
    return make_finding(*names, summary, len(repeats) / n_ids, advice=advice, tables=[table])
