"""Content groups: originals and their rewrites, which tell one content in different words."""

import hashlib
from array import array
from collections.abc import Iterable, Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from zhenwei.news.article import Article
from zhenwei.news.similarity.near_duplicates import connected

Rows = NDArray[np.int64]
ORIGINAL_SHARE = 0.8  # of the weight of a content with rewrites; see docs/rewrites.md

_NONE = 0  # the digest of no id


class ContentGroups:
    """Collects the content group of each article of a stream, at sixteen bytes per article.

    A rewrite is in the group of the article that its `rewrite_of` names, whether that article is in the stream or not.
    If that article is a rewrite itself, both are in the group of its original. If several articles have the named id,
    all of them are in the group. Every other article is a group of its own.
    """

    def __init__(self) -> None:
        self._ids = array("Q")
        self._originals = array("Q")

    def add(self, article: Article) -> None:
        """Record the next article."""
        self._ids.append(_digest(article.id))
        self._originals.append(_digest(article.rewrite_of))

    def rewrites(self) -> NDArray[np.bool_]:
        """Return whether each article is a rewrite [N]."""
        is_rewrite: NDArray[np.bool_] = np.array(self._originals, np.uint64) != _NONE
        return is_rewrite

    def groups(self) -> Rows | None:
        """Return the group of each article [N], numbered by first appearance; None if there are no rewrites."""
        ids, originals = np.array(self._ids, np.uint64), np.array(self._originals, np.uint64)
        is_rewrite = originals != _NONE
        if not is_rewrite.any():
            return None
        named = np.unique(originals[is_rewrite])
        is_named = np.isin(ids, named)
        chained = is_rewrite & is_named  # a rewrite of a rewrite links both names
        own, original = (np.searchsorted(named, values[chained]) for values in (ids, originals))
        components = connected(own.astype(np.int64), original.astype(np.int64), len(named)).astype(np.int64)
        groups = len(named) + np.arange(len(ids))
        groups[is_named] = components[np.searchsorted(named, ids[is_named])]
        groups[is_rewrite] = components[np.searchsorted(named, originals[is_rewrite])]
        return number_by_first_appearance(groups)


def content_groups(articles: Iterable[Article]) -> Rows:
    """Return the content group of each article [N]: equal for an original and its rewrites; see `ContentGroups`."""
    collected = ContentGroups()
    n = 0
    for article in articles:
        collected.add(article)
        n += 1
    groups = collected.groups()
    return np.arange(n) if groups is None else groups


def has_rewrites(articles: Iterable[Article]) -> bool:
    """Tell whether an article is a rewrite of another."""
    return any(article.rewrite_of is not None for article in articles)


def originals(articles: Sequence[Article], groups: Rows) -> Rows:
    """Return the row of each article's original [N]: the first of its group that is not a rewrite, else the first."""
    chosen: dict[int, int] = {}
    for row, group in enumerate(groups.tolist()):
        first = chosen.setdefault(group, row)
        if articles[first].rewrite_of is not None and articles[row].rewrite_of is None:
            chosen[group] = row
    return np.array([chosen[group] for group in groups.tolist()], np.int64)


def content_times(articles: Sequence[Article], groups: Rows) -> list[datetime | None]:
    """Return the time of each article's content: that of its original if it has one, else its own."""
    rows = originals(articles, groups).tolist()
    return [
        article.time if articles[row].time is None else articles[row].time
        for article, row in zip(articles, rows, strict=True)
    ]


def joined_groups(one: Rows, other: Rows) -> Rows:
    """Return groups that join articles which share a group of one or of the other kind [N]."""
    if not len(one):
        return one
    size = int(one.max()) + 1  # the nodes of the other groups follow
    components = connected(one, other + size, size + int(other.max()) + 1)
    return number_by_first_appearance(components[one].astype(np.int64))


def with_contents(groups: Rows, articles: Sequence[Article]) -> Rows:
    """Return groups [N] of articles, joined so that an original and its rewrites are in one; unchanged without any."""
    return joined_groups(groups, content_groups(articles)) if has_rewrites(articles) else groups


def number_by_first_appearance(groups: Rows) -> Rows:
    """Return the groups [N] numbered from 0 in the order of their first rows."""
    _, first, numbers = np.unique(groups, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[numbers]


def content_weights(groups: Rows, is_rewrite: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the weight of each article [N]: the articles of a group share a weight of 1.

    An original has `ORIGINAL_SHARE` of it, and its rewrites share the rest. Without an original, or without rewrites,
    all articles of a group have equal weights.
    """
    sizes, n_rewrites = np.bincount(groups)[groups], np.bincount(groups, is_rewrite)[groups]
    n_same = np.where(is_rewrite, n_rewrites, sizes - n_rewrites)  # originals, or rewrites, of the group
    share = np.where(is_rewrite, 1 - ORIGINAL_SHARE, ORIGINAL_SHARE)
    return (np.where(n_same < sizes, share, 1.0) / n_same).astype(np.float32)


def _digest(identity: str | None) -> int:
    """Return eight bytes of a digest of an id: among a billion ids, the chance of a false match is 1 in 37."""
    if identity is None:
        return _NONE
    return int.from_bytes(hashlib.blake2b(identity.encode("utf-8"), digest_size=8).digest(), "little") or 1
