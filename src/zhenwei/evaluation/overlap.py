"""Overlap of evaluated articles with the training articles: copies and near-duplicates."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zhenwei.bundle import Bundle
from zhenwei.errors import DataError
from zhenwei.evaluation.records import Overlap
from zhenwei.evaluation.resampling import Integers
from zhenwei.hashing import file_sha256
from zhenwei.news import Article, find_part, iter_articles
from zhenwei.news.rewrites import with_contents
from zhenwei.news.similarity.near_duplicates import find_near_duplicates

logger = logging.getLogger(__name__)

REMEDY = "pass it as --train to check these articles for overlap"


@dataclass(frozen=True)
class TrainingArticles:
    """The texts, labels and entities of a detector's training articles.

    Attributes:
        path: Their file.
        contents: T texts.
        labels: [T], 0 (real) or 1 (fake).
        entities: The entities of all articles; None if no article has the field `entity_list`.
    """

    path: Path
    contents: list[str]
    labels: Integers
    entities: frozenset[str] | None

    @classmethod
    def read(cls, path: Path) -> "TrainingArticles":
        """Read a file of labelled articles.

        Raises:
            DataError: If the file is missing or has invalid rows, such as rows without a label.
        """
        articles = list(iter_articles(path, require_label=True, report_repeats=False))
        labels = np.array([article.target for article in articles], np.int64)
        entities = [article.entity_list for article in articles if article.entity_list is not None]
        contents = [article.content for article in articles]
        return cls(path, contents, labels, frozenset().union(*entities) if entities else None)


@dataclass(frozen=True)
class OverlapMatches:
    """Near-duplicates among the evaluated articles, and between them and the training articles.

    Attributes:
        groups: [N] index of each article's group of near-duplicates; an original and its rewrites are in one group.
        in_training: [N] whether the article has a near-duplicate in training.
        counts: How many articles do; None if the training articles are not available.
    """

    groups: Integers
    in_training: NDArray[np.bool_]
    counts: Overlap | None


def training_articles(bundle: Bundle, path: Path | None) -> tuple[TrainingArticles | None, list[str]]:
    """Return the training articles of a detector, and sentences on what is wrong with them.

    Args:
        bundle: The detector.
        path: Their file; by default the one that the bundle records, if it still exists.

    Raises:
        DataError: If the file named by `path` is missing or has invalid rows.
    """
    if path is not None:
        return TrainingArticles.read(path), _changes(bundle, path)
    recorded = _recorded_path(bundle)
    if recorded is None or not recorded.is_file():
        problem = "The training file is unknown" if recorded is None else f"The training file {recorded} does not exist"
        return None, [f"{problem}: {REMEDY}."]
    try:
        return TrainingArticles.read(recorded), _changes(bundle, recorded)
    except DataError as error:
        logger.debug("%s", error)
        return None, [f"The training file {recorded} can no longer be read: {REMEDY}."]


def training_digests(bundle: Bundle) -> dict[str, str]:
    """Return the SHA-256 of each file that a detector was trained with, by part."""
    return {part: file["sha256"] for part, file in (bundle.facts.get("files") or {}).items()}


def match_training(contents: Sequence[str], training: Sequence[str]) -> tuple[Integers, Integers]:
    """Find the near-duplicates of N texts among themselves and among T training texts.

    Returns:
        [N] index of each text's group of near-duplicates, and [N] index of its nearest training text; -1 if it has no
        near-duplicate in training.
    """
    n = len(contents)
    near = find_near_duplicates([*contents, *training])
    nearest, _ = near.nearest(np.arange(n), n + np.arange(len(training)))
    return near.groups[:n], np.where(nearest >= 0, nearest - n, -1)


def find_overlap(articles: Sequence[Article], training: TrainingArticles | None) -> OverlapMatches:
    """Find the near-duplicates among labelled articles, and those that they have in training."""
    contents = [article.content for article in articles]
    if training is None:
        groups = with_contents(find_near_duplicates(contents).groups, articles)
        return OverlapMatches(groups, np.zeros(len(contents), np.bool_), None)
    groups, nearest = match_training(contents, training.contents)
    groups = with_contents(groups, articles)
    in_training = nearest >= 0
    labels = np.array([article.target for article in articles], np.int64)
    copies = {*training.contents}
    counts = Overlap(
        train=str(training.path),
        exact=sum(content in copies for content in contents),
        near=int(in_training.sum()),
        same_label=int((labels[in_training] == training.labels[nearest[in_training]]).sum()),
    )
    return OverlapMatches(groups, in_training, counts)


def _recorded_path(bundle: Bundle) -> Path | None:
    """Return the training file that the bundle, or else its settings, name; relative to the working directory."""
    data, recorded = bundle.config.data, bundle.facts.get("files", {}).get("train", {}).get("path")
    if named := recorded or data.train:
        return Path(named)
    with suppress(DataError):  # two candidates: it is unknown which one was used
        return find_part(data.root_path, "train")
    return None


def _changes(bundle: Bundle, path: Path) -> list[str]:
    """Return a sentence if the file differs from the one that the detector was trained on."""
    if training_digests(bundle).get("train") in (None, file_sha256(path)):
        return []
    return [f"{path} is not the file that the detector was trained on (sha256 differs): the overlap may be wrong."]
