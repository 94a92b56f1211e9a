"""Copies and near-duplicates, within a part and across parts."""

from collections.abc import Iterator

import numpy as np

from zhenwei.audit.dataset import UNKNOWN, Collection, Rows
from zhenwei.audit.findings import Finding, Table
from zhenwei.audit.format import finding, pairs, share, unchecked

_SPLIT = "keep copies together: `zhenwei data split` keeps groups of near-duplicates whole"


def copies_within(collection: Collection) -> Finding:
    """Count the articles whose content already stands in an earlier row of their part."""
    partners = [
        (part.name, rows, _first_copy(collection, rows, rows), "repeat an earlier article of the part")
        for part, rows in zip(collection.parts, map(collection.rows, range(len(collection.parts))), strict=True)
    ]
    return _overlap(
        collection,
        ("copies_within", "Exact copies within a part"),
        partners,
        "leave out all but one of each",
    )


def copies_across(collection: Collection) -> Finding:
    """Count the articles of a later part whose content is also an earlier part's, train's above all."""
    names = ("copies_across", "Exact copies across parts")
    if len(collection.parts) < 2:
        return unchecked(*names, "there is one part alone")
    partners = [
        (name, rows, _first_copy(collection, rows, among), f"are exact copies of a {other} article")
        for name, rows, other, among in _earlier_parts(collection)
    ]
    return _overlap(collection, names, partners, _SPLIT)


def near_duplicates_within(collection: Collection) -> Finding:
    """Count the articles that have a near-duplicate in an earlier row of their part, the exact copies among them."""
    partners = []
    for number, part in enumerate(collection.parts):
        rows = collection.rows(number)
        said = "have an earlier near-duplicate (or copy) in the part"
        partners.append((part.name, rows, _earlier_near(collection, rows), said))
    return _overlap(
        collection,
        ("near_duplicates_within", "Near-duplicates within a part"),
        partners,
        "count groups, not articles: intervals by group of near-duplicates; or leave out all but one of each",
    )


def near_duplicates_across(collection: Collection) -> Finding:
    """Count the articles of a later part that have a near-duplicate in an earlier one, the exact copies among them."""
    names = ("near_duplicates_across", "Near-duplicates across parts")
    if len(collection.parts) < 2:
        return unchecked(*names, "there is one part alone")
    partners = [
        (name, rows, collection.near_duplicates.nearest(rows, among)[0], f"have a near-duplicate (or copy) in {other}")
        for name, rows, other, among in _earlier_parts(collection)
    ]
    return _overlap(collection, names, partners, _SPLIT)


def _earlier_parts(collection: Collection) -> Iterator[tuple[str, Rows, str, Rows]]:
    """Yield each later part with each part before it: name and rows of both."""
    for number, part in enumerate(collection.parts):
        for before, other in enumerate(collection.parts[:number]):
            yield part.name, collection.rows(number), other.name, collection.rows(before)


def _first_copy(collection: Collection, rows: Rows, among: Rows) -> Rows:
    """For each row, the first of `among` with its very content, if that is another row; else -1."""
    first = np.full(int(collection.copies.max(initial=-1)) + 1, -1)
    first[collection.copies[among[::-1]]] = among[::-1]
    found = first[collection.copies[rows]]
    return np.where(found == rows, -1, found)


def _earlier_near(collection: Collection, rows: Rows) -> Rows:
    """For each row, the first of the rows before it that is a near-duplicate; -1 where there is none."""
    near = collection.near_duplicates
    nowhere = len(near.distinct)
    first = np.full(int(near.distinct.max(initial=-1)) + 1, nowhere)  # the first row of each distinct text
    first[near.distinct[rows[::-1]]] = rows[::-1]
    earliest = first.copy()
    np.minimum.at(earliest, near.first, first[near.second])
    np.minimum.at(earliest, near.second, first[near.first])
    found = earliest[near.distinct[rows]]
    return np.where(found < rows, found, -1)


def _overlap(
    collection: Collection,
    names: tuple[str, str],
    partners: list[tuple[str, Rows, Rows, str]],
    advice: str,
) -> Finding:
    """Word how many articles have a partner, part by part, and how often its label is theirs.

    Args:
        collection: All articles.
        names: Of the check, for programs and for people.
        partners: Of each part its name, its rows, each row's partner or -1, and what those with one do.
        advice: What to do about it.
    """
    shares, sentences, counts, shown = [], [], [], []
    for name, rows, partner, said in partners:
        having = partner >= 0
        n = int(having.sum())
        shares.append(n / max(len(rows), 1))
        one, other = rows[having], partner[having]
        both = (collection.targets[one] != UNKNOWN) & (collection.targets[other] != UNKNOWN)
        agreeing = int((collection.targets[one][both] == collection.targets[other][both]).sum())
        agreement = f"; {agreeing:,} of {int(both.sum()):,} with the same label" if both.any() else ""
        sentences.append(f"{name}: {share(n, len(rows))} {said}{agreement}")
        counts.append((name, len(rows), n, n / max(len(rows), 1), agreeing / both.sum() if both.any() else None))
        # Those that differ in their wording tell more than those that do not, and disagreeing labels most of all.
        alike = np.array([collection.texts[a] == collection.texts[b] for a, b in zip(one, other, strict=True)], bool)
        agree = collection.targets[one] == collection.targets[other]
        order = np.lexsort((alike, agree))
        shown += [(int(other[i]), int(one[i])) for i in order[:3]]
    worst = int(np.argmax(shares))
    sentences = [sentences[worst], *sentences[:worst], *sentences[worst + 1 :]]
    tables = (
        pairs(collection, shown, "pairs, the earlier article first"),
        Table("by part", ("part", "articles", "affected", "share", "labels that agree"), tuple(counts)),
    )
    value = shares[worst]
    return finding(*names, "; ".join(sentences), value, advice=advice, tables=tables if value else tables[1:])
