"""Which training articles are judged by which detector when a calibration is cross-fitted."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zhenwei.errors import DataError
from zhenwei.news import Article
from zhenwei.news.similarity.near_duplicates import find_near_duplicates

Rows = NDArray[np.int64]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Fold:
    """A detector to be trained, and what it is to judge.

    Attributes:
        train: Rows of the articles that it is trained on, ascending.
        held: Rows of the articles that it has not seen, nor near-duplicates of them.
    """

    train: Rows
    held: Rows


@dataclass(frozen=True)
class Folds:
    """The folds, and how the articles were parted, in words."""

    folds: tuple[Fold, ...]
    described: str


def part_into_folds(articles: Sequence[Article], labels: Labels, count: int, seed: int) -> Folds:
    """Part articles into folds; near-duplicates of what a detector judges are kept out of what it is trained on.

    Where all articles have a time, they are cut into one more part than there are folds, in order of time, and each
    part but the first is judged by a detector that was trained on the earlier ones: as the detector itself will judge
    what is later than all that it was trained on. Else each part is judged by a detector trained on all others.

    Args:
        articles: [N] in any order.
        labels: [N] of 0 (real) or 1 (fake).
        count: Detectors to be trained, at least 2.
        seed: Of the parting by chance, where there are no times.

    Raises:
        DataError: If no fold has both labels to learn from and something to judge.
    """
    groups = find_near_duplicates([article.content for article in articles]).groups
    times = [article.time for article in articles]
    if None not in times:
        parts = _in_order(np.array(times, "datetime64[us]"), count + 1)
        earlier = [np.concatenate(parts[:place]) for place in range(1, len(parts))]
        pairs = list(zip(earlier, parts[1:], strict=True))
        how = "each by a detector trained on what was earlier"
    else:
        pairs = _by_chance(labels, groups, count, seed)
        how = "each by a detector trained on the others"
    folds = []
    for train, held in pairs:
        apart = train[~np.isin(groups[train], groups[held])]
        if len(held) and len(np.unique(labels[apart])) == 2:
            folds.append(Fold(np.sort(apart), np.sort(held)))
    if not folds:
        raise DataError(
            f"{len(articles)} training articles cannot be parted into {count} folds with both labels to learn from; "
            "calibrate on val, or ask for other training.calibration_folds"
        )
    return Folds(tuple(folds), f"{len(folds)} parts of the training articles, {how}")


def _in_order(times: NDArray[np.datetime64], count: int) -> list[Rows]:
    """Cut rows in order of time into parts of about equal size; rows of equal time stay together."""
    order = np.argsort(times, kind="stable").astype(np.int64)
    starts = np.concatenate([[True], np.diff(times[order]).astype(np.int64) > 0])
    allowed = np.flatnonzero(starts)  # places where a later time begins
    wanted = np.arange(1, count) * len(order) / count
    cuts = np.unique(allowed[np.abs(allowed[:, None] - wanted).argmin(axis=0)])
    return [part for part in np.split(order, cuts) if len(part)]


def _by_chance(labels: Labels, groups: Rows, count: int, seed: int) -> list[tuple[Rows, Rows]]:
    """Part rows by chance, with groups kept whole and labels in like proportion."""
    from sklearn.model_selection import StratifiedGroupKFold  # noqa: PLC0415  # a second to import

    fewest = int(min(len(np.unique(groups)), np.bincount(labels, minlength=2).min()))
    if fewest < 2:
        return []
    parting = StratifiedGroupKFold(min(count, fewest), shuffle=True, random_state=seed)
    return [(train.astype(np.int64), held.astype(np.int64)) for train, held in parting.split(labels, labels, groups)]
