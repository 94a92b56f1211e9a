"""Folds for cross-fitting: each detector predicts articles that it was not trained on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zhenwei.errors import DataError
from zhenwei.news import Article
from zhenwei.news.rewrites import content_groups, content_times, with_contents
from zhenwei.news.similarity.near_duplicates import find_near_duplicates

Rows = NDArray[np.int64]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Fold:
    """The rows of one fold.

    Attributes:
        train: Rows of the training articles, ascending.
        held_out: Rows of the articles to predict, ascending; no near-duplicate of them is in `train`.
    """

    train: Rows
    held_out: Rows


@dataclass(frozen=True)
class Folds:
    """The folds, and a description of the split."""

    folds: tuple[Fold, ...]
    description: str


def split_into_folds(articles: Sequence[Article], labels: Labels, count: int, seed: int) -> Folds:
    """Split articles into folds; near-duplicates of held-out articles are removed from the training rows.

    A rewrite stays with its original: it counts as a near-duplicate of it, of the same time.

    If all articles have a time, they are cut in order of time into one more part than there are folds. Each part but
    the first is predicted by a detector that is trained on the earlier parts, as the detector itself will predict
    articles later than its training data. Otherwise each part is predicted by a detector trained on all others.

    Args:
        articles: [N] in any order.
        labels: [N] of 0 (real) or 1 (fake).
        count: Number of folds, at least 2.
        seed: Seed of the random split of articles without times.

    Raises:
        DataError: If no fold has both labels to train on and something to predict.
    """
    groups = with_contents(find_near_duplicates([article.content for article in articles]).groups, articles)
    times = content_times(articles, content_groups(articles))
    if None not in times:
        parts = _cut_by_time(np.array(times, "datetime64[us]"), count + 1)
        earlier = [np.concatenate(parts[:number]) for number in range(1, len(parts))]
        pairs = list(zip(earlier, parts[1:], strict=True))
        trained_on = "each predicted by a detector trained on the earlier articles"
    else:
        pairs = _cut_at_random(labels, groups, count, seed)
        trained_on = "each predicted by a detector trained on the others"
    folds = []
    for train, held_out in pairs:
        distinct = train[~np.isin(groups[train], groups[held_out])]
        if len(held_out) and len(np.unique(labels[distinct])) == 2:
            folds.append(Fold(np.sort(distinct), np.sort(held_out)))
    if not folds:
        raise DataError(
            f"{len(articles)} training articles cannot be split into {count} folds with both labels to train on; "
            "calibrate on val, or change training.calibration_folds"
        )
    return Folds(tuple(folds), f"{len(folds)} parts of the training articles, {trained_on}")


def _cut_by_time(times: NDArray[np.datetime64], count: int) -> list[Rows]:
    """Cut rows in order of time into parts of about equal size; rows of equal time stay together."""
    order = np.argsort(times, kind="stable").astype(np.int64)
    starts = np.concatenate([[True], np.diff(times[order]).astype(np.int64) > 0])
    allowed = np.flatnonzero(starts)  # positions where a later time begins
    ideal = np.arange(1, count) * len(order) / count
    cuts = np.unique(allowed[np.abs(allowed[:, None] - ideal).argmin(axis=0)])
    return [part for part in np.split(order, cuts) if len(part)]


def _cut_at_random(labels: Labels, groups: Rows, count: int, seed: int) -> list[tuple[Rows, Rows]]:
    """Cut rows at random into stratified parts; near-duplicates stay together."""
    from sklearn.model_selection import StratifiedGroupKFold  # noqa: PLC0415  # a second to import

    fewest = int(min(len(np.unique(groups)), np.bincount(labels, minlength=2).min()))
    if fewest < 2:
        return []
    splitter = StratifiedGroupKFold(min(count, fewest), shuffle=True, random_state=seed)
    return [(train.astype(np.int64), held.astype(np.int64)) for train, held in splitter.split(labels, labels, groups)]
