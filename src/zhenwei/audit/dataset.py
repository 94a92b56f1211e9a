"""The articles of all parts, column by column, as the checks read them."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from zhenwei.audit.findings import AuditedPart
from zhenwei.audit.ngrams import GramCounts, count_grams
from zhenwei.audit.single_feature import Trial, choose_trial
from zhenwei.audit.thresholds import LEAST_SUPPORT
from zhenwei.errors import DataError
from zhenwei.news.article import Article
from zhenwei.news.io.files import iter_articles
from zhenwei.news.markup import LINK, MENTION
from zhenwei.news.similarity.near_duplicates import NearDuplicates, find_near_duplicates

Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]

_LINK_OR_MENTION = re.compile(f"(?:{LINK.pattern})|(?:{MENTION.pattern})", re.IGNORECASE)

UNKNOWN = -1  # the target of an article without a label
_PLACES = {"train": 0, "val": 2, "test": 3}  # what is named otherwise stands between train and val, as given


@dataclass(frozen=True, eq=False)
class Collection:
    """All articles of an audit, N in number, the parts one after the other: first what is trained on, then the rest.

    Attributes:
        parts: The files; the first one is what is trained on.
        part: [N] each article's part.
        texts: N contents.
        targets: [N] 0 real, 1 fake, -1 not known.
        times: [N] of microseconds; NaT where there is none.
        ids: N ids, or None.
        domains: N domains, or None.
        entities: N tuples of names, or None where nobody looked for them.
        emotion: [N] whether the article has an emotion vector.
        extra: By the name of the field, N values; None where there is none.
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

    @classmethod
    def read(cls, paths: Mapping[str, Path], *, progress: bool = False) -> "Collection":
        """Read files of articles.

        Args:
            paths: By the name of the part: `train`, `val` and `test` are known; the others are taken in their order.
            progress: Whether to show a progress bar, where standard error is a terminal.

        Raises:
            DataError: No file is given, or one cannot be read or has bad rows.
        """
        if not paths:
            raise DataError("nothing to audit; expected at least one file of articles")
        ordered = sorted(paths.items(), key=lambda item: _PLACES.get(item[0], 1))
        articles: dict[str, list[Article]] = {}
        with tqdm(desc="reading", unit=" posts", disable=None if progress else True, dynamic_ncols=True) as bar:
            for name, path in ordered:
                articles[name] = []
                for article in iter_articles(path, report_repeats=False):
                    articles[name].append(article)
                    bar.update()
        return cls.of(articles, paths)

    @classmethod
    def of(cls, articles: Mapping[str, list[Article]], paths: Mapping[str, Path] | None = None) -> "Collection":
        """Arrange articles, by the name of their part, in the order of the parts."""
        parts = tuple(_audited(name, rows, (paths or {}).get(name)) for name, rows in articles.items())
        every = [article for rows in articles.values() for article in rows]
        fields = dict.fromkeys(name for article in every for name in article.extra)
        return cls(
            parts,
            np.repeat(np.arange(len(parts)), [part.n for part in parts]),
            tuple(article.content for article in every),
            np.array([UNKNOWN if article.target is None else article.target for article in every], np.int8),
            np.array([article.time for article in every], "datetime64[us]"),
            tuple(article.id for article in every),
            tuple(article.domain for article in every),
            tuple(article.entity_list for article in every),
            np.array([article.emotion is not None for article in every], bool),
            {name: tuple(article.extra.get(name) for article in every) for name in fields},
        )

    @cached_property
    def near_duplicates(self) -> NearDuplicates:
        """The near-duplicates among all texts, whatever their parts."""
        return find_near_duplicates(self.texts)

    @cached_property
    def copies(self) -> Rows:
        """[N] number of each distinct content, raw."""
        numbers: dict[str, int] = {}
        return np.array([numbers.setdefault(text, len(numbers)) for text in self.texts], np.int64)

    @cached_property
    def bare_texts(self) -> tuple[str, ...]:
        """N texts without links and mentions."""
        return tuple(_LINK_OR_MENTION.sub("", text) for text in self.texts)

    @cached_property
    def trial(self) -> Trial | None:
        """Which articles single features are fitted on, and which they are judged by; None: too few have a label."""
        return choose_trial([part.name for part in self.parts], self.part, self.targets)

    @cached_property
    def halved_trial(self) -> Trial | None:
        """The same for rules of many choices: where there is one part alone, they are judged by half of it."""
        return choose_trial([part.name for part in self.parts], self.part, self.targets, self.near_duplicates.groups)

    @cached_property
    def gram_counts(self) -> tuple[GramCounts, ...]:
        """The characters, pairs and triples of the articles that features are fitted on; none without a trial."""
        if self.trial is None:
            return ()
        texts = [self.texts[row] for row in self.trial.fit]
        targets = self.targets[self.trial.fit]
        return tuple(count_grams(texts, targets, n, LEAST_SUPPORT) for n in (1, 2, 3))

    @property
    def labelled(self) -> Mask:
        """[N] which articles have a label."""
        return np.asarray(self.targets != UNKNOWN, bool)

    @property
    def has_both_labels(self) -> bool:
        """Whether there are fakes and real ones among all articles."""
        return bool((self.targets == 0).any() and (self.targets == 1).any())

    def rows(self, part: int) -> Rows:
        """The rows of one part."""
        return np.flatnonzero(self.part == part)

    def later(self) -> Iterator[tuple[AuditedPart, Rows]]:
        """The parts that are not trained on, each with its rows."""
        yield from ((part, self.rows(number)) for number, part in enumerate(self.parts) if number)

    def label(self, row: int) -> str:
        """The label of an article, in words."""
        return {0: "real", 1: "fake"}.get(int(self.targets[row]), "no label")

    def place(self, row: int) -> tuple[str, int]:
        """The part of an article, and its row in that file, from 1."""
        part = int(self.part[row])
        return self.parts[part].name, int(row - np.searchsorted(self.part, part)) + 1

    def n_by_label(self, rows: Rows) -> tuple[int, int]:
        """How many of some articles are real, and how many are fakes."""
        return int((self.targets[rows] == 0).sum()), int((self.targets[rows] == 1).sum())

    def n_with_label(self, rows: Rows) -> tuple[int, int]:
        """How many of some articles are fakes, and how many have a label."""
        targets = self.targets[rows]
        return int((targets == 1).sum()), int((targets != UNKNOWN).sum())


def _audited(name: str, articles: list[Article], path: Path | None) -> AuditedPart:
    digest = ""
    if path is not None:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    targets = [article.target for article in articles]
    labelled = len(targets) - targets.count(None)
    return AuditedPart(name, str(path or ""), digest, len(articles), targets.count(1), labelled)
