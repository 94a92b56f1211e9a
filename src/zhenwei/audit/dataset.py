"""All articles of an audit as columns."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from zhenwei.audit.findings import AuditedPart
from zhenwei.audit.ngrams import NgramCounts, count_ngrams
from zhenwei.audit.single_feature import FeatureSplit, choose_split
from zhenwei.audit.thresholds import MIN_SUPPORT
from zhenwei.config.data import DEFAULT_STEPS
from zhenwei.errors import DataError
from zhenwei.hashing import file_sha256
from zhenwei.news.article import Article
from zhenwei.news.io.files import iter_articles
from zhenwei.news.markup import LINK, MENTION
from zhenwei.news.normalize.normalizer import Normalizer
from zhenwei.news.rewrites import content_groups, has_rewrites, joined_groups
from zhenwei.news.similarity.near_duplicates import NearDuplicates, find_near_duplicates

Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]

_LINK_OR_MENTION = re.compile(f"(?:{LINK.pattern})|(?:{MENTION.pattern})", re.IGNORECASE)

UNKNOWN = -1  # target of an article without a label
_ORDER = {"train": 0, "val": 2, "test": 3}  # all other parts come between train and val, in the order given


@dataclass(frozen=True, eq=False)
class AuditDataset:
    """The N articles of an audit, part after part.

    Attributes:
        parts: The files; the first one is the training part.
        part: [N] index of each article's part.
        texts: N contents.
        targets: [N] 0 real, 1 fake, -1 no label.
        times: [N] times in microseconds, or NaT.
        ids: N ids, or None.
        domains: N domains, or None.
        entities: N tuples of names, or None if an article has no `entity_list`.
        emotion: [N] whether the article has an emotion vector.
        extra: N values, or None, by the name of the field.
        contents: [N] content group of each article, equal for an original and its rewrites; None without rewrites.
    """

    parts: tuple[AuditedPart, ...]
    part: Rows
    texts: tuple[str, ...]
    targets: NDArray[np.int8]
    times: NDArray[np.datetime64]
    ids: tuple[str | None, ...]
    domains: tuple[str | None, ...]
    entities: tuple[tuple[str, ...] | None, ...]
    emotion: Mask
    extra: Mapping[str, tuple[Any, ...]]
    contents: Rows | None = None

    @classmethod
    def read(cls, paths: Mapping[str, Path], *, progress: bool = False) -> "AuditDataset":
        """Read files of articles.

        Args:
            paths: The files by the name of their part; parts other than `train`, `val` and `test` keep their order.
            progress: Whether to show a progress bar, if standard error is a terminal.

        Raises:
            DataError: No file is given, or one cannot be read or has bad rows.
        """
        if not paths:
            raise DataError("nothing to audit; expected at least one file of articles")
        ordered = sorted(paths.items(), key=lambda item: _ORDER.get(item[0], 1))
        articles: dict[str, list[Article]] = {}
        with tqdm(desc="reading", unit=" posts", disable=None if progress else True, dynamic_ncols=True) as bar:
            for name, path in ordered:
                articles[name] = []
                for article in iter_articles(path, report_repeats=False):
                    articles[name].append(article)
                    bar.update()
        return cls.from_articles(articles, paths)

    @classmethod
    def from_articles(
        cls, articles: Mapping[str, list[Article]], paths: Mapping[str, Path] | None = None
    ) -> "AuditDataset":
        """Build a dataset from the articles of each part; the parts keep their order."""
        parts = tuple(_audited_part(name, rows, (paths or {}).get(name)) for name, rows in articles.items())
        joined = [article for rows in articles.values() for article in rows]
        fields = dict.fromkeys(name for article in joined for name in article.extra)
        return cls(
            parts,
            np.repeat(np.arange(len(parts)), [part.n for part in parts]),
            tuple(article.content for article in joined),
            np.array([UNKNOWN if article.target is None else article.target for article in joined], np.int8),
            np.array([article.time for article in joined], "datetime64[us]"),
            tuple(article.id for article in joined),
            tuple(article.domain for article in joined),
            tuple(article.entity_list for article in joined),
            np.array([article.emotion is not None for article in joined], bool),
            {name: tuple(article.extra.get(name) for article in joined) for name in fields},
            content_groups(joined) if has_rewrites(joined) else None,
        )

    @cached_property
    def normalized(self) -> "AuditDataset":
        """The same articles with the texts that a detector reads by default."""
        return replace(self, texts=tuple(Normalizer(DEFAULT_STEPS).all(self.texts)))

    @cached_property
    def near_duplicates(self) -> NearDuplicates:
        """Near-duplicates among the texts of all parts."""
        return find_near_duplicates(self.texts)

    @cached_property
    def groups(self) -> Rows:
        """[N] group of each article: near-duplicates, and an original with its rewrites."""
        near = self.near_duplicates.groups
        return near if self.contents is None else joined_groups(near, self.contents)

    @cached_property
    def content_ids(self) -> Rows:
        """[N] number of each distinct content."""
        numbers: dict[str, int] = {}
        return np.array([numbers.setdefault(text, len(numbers)) for text in self.texts], np.int64)

    @cached_property
    def plain_texts(self) -> tuple[str, ...]:
        """N texts without links and mentions."""
        return tuple(_LINK_OR_MENTION.sub("", text) for text in self.texts)

    @cached_property
    def feature_split(self) -> FeatureSplit | None:
        """The articles on which single features are fitted and evaluated; None if too few have a label."""
        return choose_split([part.name for part in self.parts], self.part, self.targets)

    @cached_property
    def holdout_split(self) -> FeatureSplit | None:
        """The same for rules with many free choices: a single part is divided into two halves."""
        return choose_split([part.name for part in self.parts], self.part, self.targets, self.groups)

    @cached_property
    def ngram_counts(self) -> NgramCounts:
        """Counts of n-grams of 1, 2 and 3 characters on the articles for fitting; there must be a split."""
        assert self.feature_split is not None
        texts = [self.texts[row] for row in self.feature_split.fit]
        targets = self.targets[self.feature_split.fit]
        return NgramCounts.joined(count_ngrams(texts, targets, n, MIN_SUPPORT) for n in (1, 2, 3))

    @property
    def labeled(self) -> Mask:
        """[N] whether each article has a label."""
        return np.asarray(self.targets != UNKNOWN, bool)

    @property
    def has_both_labels(self) -> bool:
        """Whether there are both fake and real articles."""
        return bool((self.targets == 0).any() and (self.targets == 1).any())

    @property
    def rows_of_parts(self) -> list[tuple[str, Rows]]:
        """The name of each part with its rows."""
        return [(part.name, np.flatnonzero(self.part == number)) for number, part in enumerate(self.parts)]

    def label(self, row: int) -> str:
        """Return the label of an article, in words."""
        return {0: "real", 1: "fake"}.get(int(self.targets[row]), "no label")

    def location(self, row: int) -> tuple[str, int]:
        """Return the part of an article, and its row in that file, from 1."""
        part = int(self.part[row])
        return self.parts[part].name, int(row - np.searchsorted(self.part, part)) + 1

    def count_by_label(self, rows: Rows) -> tuple[int, int]:
        """Count the real and the fake articles among some rows."""
        return int((self.targets[rows] == 0).sum()), int((self.targets[rows] == 1).sum())


def _audited_part(name: str, articles: list[Article], path: Path | None) -> AuditedPart:
    targets = [article.target for article in articles]
    digest, n_labeled = file_sha256(path) if path else "", len(targets) - targets.count(None)
    return AuditedPart(name, str(path or ""), digest, len(targets), targets.count(1), n_labeled)
