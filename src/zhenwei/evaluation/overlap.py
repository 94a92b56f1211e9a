"""What a detector has seen of the judged articles in training: its training file, copies and near-duplicates."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zhenwei.bundle import Bundle
from zhenwei.errors import DataError
from zhenwei.evaluation.records import Overlap
from zhenwei.hashing import file_sha256
from zhenwei.news import Article, find_part, iter_articles
from zhenwei.news.similarity.near_duplicates import find_near_duplicates

logger = logging.getLogger(__name__)

REMEDY = "name it with --train to learn whether these articles overlap with it"


@dataclass(frozen=True)
class TrainingArticles:
    """What is kept of the articles that a detector was trained on.

    Attributes:
        path: Their file.
        contents: Their texts.
        targets: [T] their labels as numbers.
        entities: All their entities; None where nobody looked for any.
    """

    path: Path
    contents: list[str]
    targets: NDArray[np.int64]
    entities: frozenset[str] | None

    @classmethod
    def read(cls, path: Path) -> "TrainingArticles":
        """Read a file of labelled articles.

        Raises:
            DataError: If it is missing or has bad rows, a missing label included.
        """
        contents, targets = [], []
        entities: set[str] = set()
        looked_for = False
        for article in iter_articles(path, require_label=True, report_repeats=False):
            contents.append(article.content)
            targets.append(article.target)
            if article.entity_list is not None:
                looked_for = True
                entities.update(article.entity_list)
        return cls(path, contents, np.array(targets, np.int64), frozenset(entities) if looked_for else None)


@dataclass(frozen=True)
class Resemblance:
    """Which articles are like which.

    Attributes:
        groups: [N] number of each judged article's group of near-duplicates.
        known: [N] whether a judged article has a near-duplicate among the training articles.
        overlap: How many do; None where the training articles are not at hand.
    """

    groups: NDArray[np.int64]
    known: NDArray[np.bool_]
    overlap: Overlap | None


def training_articles(bundle: Bundle, named: Path | None) -> tuple[TrainingArticles | None, list[str]]:
    """Return the articles that a detector was trained on, and what is doubtful about them, in sentences.

    Args:
        bundle: The detector.
        named: Their file; None: that which the detector's settings name, if it is still there.

    Raises:
        DataError: If the named file is missing or has bad rows.
    """
    if named is not None:
        return TrainingArticles.read(named), _changes(bundle, named)
    path = _remembered(bundle)
    if path is None or not path.is_file():
        what = "The training file is not known" if path is None else f"The training file {path} is not there"
        return None, [f"{what}: {REMEDY}."]
    try:
        return TrainingArticles.read(path), _changes(bundle, path)
    except DataError as error:
        logger.debug("%s", error)
        return None, [f"The training file {path} cannot be read any more: {REMEDY}."]


def resemblance(articles: Sequence[Article], train: TrainingArticles | None) -> Resemblance:
    """Find the near-duplicates among judged articles, and those that they have among the training articles."""
    contents = [article.content for article in articles]
    n = len(contents)
    if train is None:
        return Resemblance(find_near_duplicates(contents).groups, np.zeros(n, np.bool_), None)
    near = find_near_duplicates([*contents, *train.contents])
    nearest, _ = near.nearest(np.arange(n), n + np.arange(len(train.contents)))
    known = nearest >= 0
    targets = np.array([article.target for article in articles], np.int64)
    copies = {*train.contents}
    overlap = Overlap(
        train=str(train.path),
        exact=sum(content in copies for content in contents),
        near=int(known.sum()),
        same_label=int((targets[known] == train.targets[nearest[known] - n]).sum()),
    )
    return Resemblance(near.groups[:n], known, overlap)


def _remembered(bundle: Bundle) -> Path | None:
    """Return the training file as the bundle, or else its settings, name it; a relative path is one from here."""
    recorded = bundle.facts.get("files", {}).get("train", {}).get("path")
    if recorded is not None:
        return Path(recorded)
    data = bundle.config.data
    if data.train is not None:
        return Path(data.train)
    try:
        return find_part(data.root_path, "train")
    except DataError:  # two of them: nobody knows which
        return None


def _changes(bundle: Bundle, path: Path) -> list[str]:
    """Say if a file is no longer what the detector was trained on."""
    digest = bundle.facts.get("files", {}).get("train", {}).get("sha256")
    if digest is None or digest == file_sha256(path):
        return []
    return [f"{path} is not the file that the detector was trained on (sha256 differs): the overlap may be another."]
