"""The articles of a comparison: the same files for every detector, fit for each of them, known before any training."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zhenwei.errors import ConfigError, DataError
from zhenwei.evaluation.comparison.entries import Entry
from zhenwei.hashing import file_sha256
from zhenwei.news import Article, iter_articles
from zhenwei.news.similarity.near_duplicates import find_near_duplicates

PARTS = ("train", "val", "test")
JUDGED = ("val", "test")
LOOKED_AT = 200  # articles of each file in which a field that a detector needs is looked for
_FIELDS = {"entities": "entity_list", "emotion": "emotion"}
_OPTIONS = {"entities": "--entities", "emotion": "--emotion"}


@dataclass(frozen=True)
class SourceFile:
    """A file of articles, and the SHA-256 of its content."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class JudgedArticles:
    """What must be known of the articles that detectors are judged on.

    Attributes:
        labels: [N] of 0 (real) or 1 (fake).
        groups: [N] number of each article's group of near-duplicates.
    """

    labels: NDArray[np.int64]
    groups: NDArray[np.int64]

    @property
    def n_groups(self) -> int:
        """How many groups there are."""
        return int(self.groups.max(initial=-1)) + 1


def same_files(entries: Sequence[Entry]) -> dict[str, SourceFile]:
    """Return the files that all detectors read, by part; without `test` where there is none.

    Raises:
        ConfigError: If one reads, or was trained with, other articles than the first; the setting is named.
        DataError: If a file is missing.
    """
    from zhenwei.training.preparation import find_parts  # noqa: PLC0415  # torch

    digest = cache(file_sha256)
    first = next((entry for entry in entries if not entry.finished), entries[0])
    files = {part: SourceFile(path, digest(path)) for part, path in find_parts(first.config).items()}
    for entry in entries:
        for run in entry.finished:
            _check_trained_with(run.given, run.digests, files)
        if not entry.finished:
            found = find_parts(entry.config)
            _check_equal(entry.given, {part: (str(path), digest(path)) for part, path in found.items()}, first, files)
    return files


def _check_equal(given: str, found: dict[str, tuple[str, str]], first: Entry, files: dict[str, SourceFile]) -> None:
    for part in PARTS:
        path, digest = found.get(part, ("none", None))
        expected = files.get(part)
        if digest != (expected.sha256 if expected else None):
            raise ConfigError(
                f"{given}: data.{part}: found {path}; expected the articles of {expected.path if expected else 'none'}"
                f", as {first.given} has them: detectors are compared on the same files (--set data.root_path=DIR "
                "sets it for all)"
            )


def _check_trained_with(given: str, digests: dict[str, str], files: dict[str, SourceFile]) -> None:
    for part in ("train", "val"):
        if digests.get(part, files[part].sha256) != files[part].sha256:
            raise ConfigError(
                f"{given}: was trained with another {part} file than {files[part].path}; compare it with detectors "
                f"that read its own (data.{part})"
            )


def check_fit(entries: Sequence[Entry], files: dict[str, SourceFile]) -> None:
    """Refuse at once what a training would refuse hours later, as far as a first look can tell.

    Raises:
        DataError: If an article lacks what a detector needs.
        PretrainedModelError: If a tokenizer cannot be had.
        ConfigError: If a tracker is not installed, or there is no such detector.
    """
    from zhenwei.models import network_needs  # noqa: PLC0415  # torch
    from zhenwei.tokens import load_pretrained_tokenizer  # noqa: PLC0415
    from zhenwei.training.accelerator import check_trackers  # noqa: PLC0415
    from zhenwei.training.preparation import domain_names  # noqa: PLC0415

    trained = [entry for entry in entries if not entry.finished]
    if not trained:
        return
    heads = {part: list(islice(iter_articles(file.path), LOOKED_AT)) for part, file in files.items()}
    tokenizers: set[str] = set()
    for entry in trained:
        check_trackers(entry.config.output.trackers)
        if "domain" in network_needs(entry.config.model):
            domain_names(files["train"].path, entry.config)
        for part, articles in heads.items():
            needs = network_needs(entry.config.model, training=part == "train")
            _check_fields(entry, needs, articles, files[part].path)
        name = entry.config.data.tokenizer or entry.config.model.pretrained
        if name is not None and name not in tokenizers:
            load_pretrained_tokenizer(name)
            tokenizers.add(name)


def _check_fields(entry: Entry, needs: frozenset[str], articles: list[Article], path: Path) -> None:
    for need in sorted(needs & _FIELDS.keys()):
        name = _FIELDS[need]
        row = next((row for row, article in enumerate(articles, start=1) if getattr(article, name) is None), None)
        if row is not None:
            file = shlex.quote(str(path))
            raise DataError(
                f"{path}: row {row}: no field '{name}', which '{entry.given}' needs; add it to all articles with: "
                f"zhenwei data enrich {file} -o {file} {_OPTIONS[need]} --overwrite"
            )


def read_judged(path: Path) -> JudgedArticles:
    """Read what must be known of a part's articles.

    Raises:
        DataError: If a row cannot be used, a missing label included.
    """
    labels, contents = [], []
    for article in iter_articles(path, require_label=True, report_repeats=False):
        labels.append(article.target)
        contents.append(article.content)
    return JudgedArticles(np.array(labels, np.int64), find_near_duplicates(contents).groups)


def count_known(path: Path, train: Path) -> int:
    """Return how many articles of a file have a near-duplicate (or copy) among the training articles."""
    contents = [article.content for article in iter_articles(path, report_repeats=False)]
    trained = [article.content for article in iter_articles(train, report_repeats=False)]
    near = find_near_duplicates([*contents, *trained])
    nearest, _ = near.nearest(np.arange(len(contents)), len(contents) + np.arange(len(trained)))
    return int((nearest >= 0).sum())


def check_both_labels(path: Path, judged: JudgedArticles) -> None:
    """Refuse a val on which no score is defined.

    Raises:
        DataError: If all articles have one label.
    """
    fakes = int(judged.labels.sum())
    if fakes in (0, len(judged.labels)):
        only = "fake" if fakes else "real"
        raise DataError(f"{path}: all {len(judged.labels)} articles are {only}; expected both labels")
