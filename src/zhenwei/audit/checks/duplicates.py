"""Exact duplicates and near-duplicates, within a part and across parts."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from zhenwei.audit.dataset import UNKNOWN, AuditDataset, Rows
from zhenwei.audit.findings import Finding, Table
from zhenwei.audit.format import format_share, make_finding, not_checked, pairs_table

_SPLIT_ADVICE = "keep duplicates together: `zhenwei data split` does not split groups of near-duplicates"


class _Overlap(NamedTuple):
    """Duplicates of one part: its name, its M rows, the partner of each row or -1, and the predicate of the summary."""

    part: str
    rows: Rows
    partners: Rows
    predicate: str


def duplicates_within(dataset: AuditDataset) -> Finding:
    """Count the articles whose content occurs in an earlier row of their part."""
    overlaps = [
        _Overlap(part, rows, _first_copy(dataset, rows, rows), "repeat an earlier article of the part")
        for part, rows in dataset.rows_of_parts
    ]
    names = ("duplicates_within", "Exact duplicates within a part")
    return _overlap_finding(dataset, names, overlaps, "keep only one of each")


def duplicates_across(dataset: AuditDataset) -> Finding:
    """Count the articles of a later part whose content also occurs in an earlier part."""
    names = ("duplicates_across", "Exact duplicates across parts")
    if len(dataset.parts) < 2:
        return not_checked(*names, "there is only one part")
    overlaps = [
        _Overlap(name, rows, _first_copy(dataset, rows, earlier), f"are exact copies of a {other} article")
        for name, rows, other, earlier in _pairs_of_parts(dataset)
    ]
    return _overlap_finding(dataset, names, overlaps, _SPLIT_ADVICE)


def near_duplicates_within(dataset: AuditDataset) -> Finding:
    """Count the articles with a near-duplicate in an earlier row of their part; exact copies count, too.

    An original and its own rewrites do not count: scores and training treat them as one.
    """
    predicate = "have an earlier near-duplicate (or copy) in the part"
    overlaps = [
        _Overlap(part, rows, _earlier_near_duplicate(dataset, rows), predicate) for part, rows in dataset.rows_of_parts
    ]
    names = ("near_duplicates_within", "Near-duplicates within a part")
    advice = "resample groups of near-duplicates instead of articles, or keep only one of each group"
    return _overlap_finding(dataset, names, overlaps, advice)


def near_duplicates_across(dataset: AuditDataset) -> Finding:
    """Count the articles of a later part with a near-duplicate in an earlier one; exact copies and rewrites count."""
    names = ("near_duplicates_across", "Near-duplicates across parts")
    if len(dataset.parts) < 2:
        return not_checked(*names, "there is only one part")
    kind = "near-duplicate (or copy)" if dataset.contents is None else "near-duplicate, copy or rewrite"
    overlaps = [
        _Overlap(name, rows, _nearest_or_rewrite(dataset, rows, earlier), f"have a {kind} in {other}")
        for name, rows, other, earlier in _pairs_of_parts(dataset)
    ]
    return _overlap_finding(dataset, names, overlaps, _SPLIT_ADVICE)


def _pairs_of_parts(dataset: AuditDataset) -> Iterator[tuple[str, Rows, str, Rows]]:
    """Yield each later part with each part before it: name and rows of both."""
    parts = dataset.rows_of_parts
    yield from ((*later, *earlier) for number, later in enumerate(parts) for earlier in parts[:number])


def _first_copy(dataset: AuditDataset, rows: Rows, candidates: Rows) -> Rows:
    """Return for each row the first candidate with the same content, or -1 if there is none but the row itself."""
    first = np.full(int(dataset.content_ids.max(initial=-1)) + 1, -1)
    first[dataset.content_ids[candidates[::-1]]] = candidates[::-1]
    partners = first[dataset.content_ids[rows]]
    return np.where(partners == rows, -1, partners)


def _earlier_near_duplicate(dataset: AuditDataset, rows: Rows) -> Rows:
    """Return for each row the first of the rows before it that is a near-duplicate, or -1."""
    near = dataset.near_duplicates
    first = np.full(int(near.distinct.max(initial=-1)) + 1, len(near.distinct))  # the first row of each distinct text
    first[near.distinct[rows[::-1]]] = rows[::-1]
    earliest = first.copy()
    np.minimum.at(earliest, near.first, first[near.second])
    np.minimum.at(earliest, near.second, first[near.first])
    partners = earliest[near.distinct[rows]]
    counts = partners < rows
    if dataset.contents is not None:
        counts &= dataset.contents[np.minimum(partners, len(dataset.contents) - 1)] != dataset.contents[rows]
    return np.where(counts, partners, -1)


def _nearest_or_rewrite(dataset: AuditDataset, rows: Rows, earlier: Rows) -> Rows:
    """Return for each row its nearest near-duplicate of an earlier part, else an article of its content, or -1."""
    partners = dataset.near_duplicates.nearest(rows, earlier)[0]
    if dataset.contents is None:
        return partners
    first = np.full(int(dataset.contents.max(initial=-1)) + 1, -1)
    first[dataset.contents[earlier[::-1]]] = earlier[::-1]
    return np.where(partners >= 0, partners, first[dataset.contents[rows]])


def _overlap_finding(dataset: AuditDataset, names: tuple[str, str], overlaps: list[_Overlap], advice: str) -> Finding:
    """Report the share of articles with a partner in each part, and how often both labels agree."""
    shares, sentences, counts, pairs = [], [], [], []
    for part, rows, partners, predicate in overlaps:
        affected = partners >= 0
        n = int(affected.sum())
        shares.append(n / max(len(rows), 1))
        one, other = rows[affected], partners[affected]
        both = (dataset.targets[one] != UNKNOWN) & (dataset.targets[other] != UNKNOWN)
        agreeing = int((dataset.targets[one][both] == dataset.targets[other][both]).sum())
        agreement = f"; {agreeing:,} of {int(both.sum()):,} with the same label" if both.any() else ""
        sentences.append(f"{part}: {format_share(n, len(rows))} {predicate}{agreement}")
        counts.append((part, len(rows), n, n / max(len(rows), 1), agreeing / both.sum() if both.any() else None))
        # Pairs with different labels come first, then those with different wording.
        equal_texts = np.array([dataset.texts[a] == dataset.texts[b] for a, b in zip(one, other, strict=True)], bool)
        equal_labels = dataset.targets[one] == dataset.targets[other]
        order = np.lexsort((equal_texts, equal_labels))
        pairs += [(int(other[i]), int(one[i])) for i in order[:3]]
    worst = int(np.argmax(shares))
    sentences = [sentences[worst], *sentences[:worst], *sentences[worst + 1 :]]
    tables = [Table("by part", ("part", "articles", "affected", "share", "labels that agree"), tuple(counts))]
    if shares[worst]:
        tables.insert(0, pairs_table(dataset, pairs, "pairs, the earlier article first"))
    return make_finding(*names, "; ".join(sentences), shares[worst], advice=advice, tables=tables)
