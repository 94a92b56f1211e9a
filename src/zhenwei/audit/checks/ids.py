"""Ids that stand for more than one article."""

from collections import Counter

from zhenwei.audit.dataset import Collection
from zhenwei.audit.findings import Finding
from zhenwei.audit.format import beginning, examples, finding, share, unchecked


def repeated_ids(collection: Collection) -> Finding:
    """Count the articles whose id an earlier article of any part has."""
    names = ("repeated_ids", "Repeated ids")
    having = sum(identity is not None for identity in collection.ids)
    if not having:
        return unchecked(*names, "no article has an id")
    first: dict[str, int] = {}
    within: list[int] = []
    across: list[int] = []
    for row, identity in enumerate(collection.ids):
        if identity is None:
            continue
        earlier = first.setdefault(identity, row)
        if earlier != row:
            (within if collection.part[earlier] == collection.part[row] else across).append(row)
    again = sorted(within + across)
    found = f"{share(len(again), having, 'ids')} repeat an earlier one"
    found += f", {len(within):,} within a part and {len(across):,} across" if again else ""
    often = Counter(collection.ids[row] for row in again).most_common(1)
    if often:
        found += f"; the most frequent is '{beginning(str(often[0][0]), 40)}' ({often[0][1] + 1:,} articles)"
    shown = [row for again_row in again[:2] for row in (first[str(collection.ids[again_row])], again_row)]
    advice = "give every article an id of its own; equal ids of equal texts are copies, to be left out"
    table = examples(collection, shown, "articles of one id")
    return finding(*names, found, len(again) / having, advice=advice, tables=[table])
