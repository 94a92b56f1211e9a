"""The articles of a comparison: the same files for all detectors, checked before any training."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zhenwei.errors import ConfigError, DataError
from zhenwei.evaluation.comparison.candidates import Candidate, first_to_train
from zhenwei.hashing import file_sha256
from zhenwei.news import Article, iter_articles
from zhenwei.news.rewrites import with_contents
from zhenwei.news.similarity.near_duplicates import find_near_duplicates

PARTS = ("train", "val", "test")
EVALUATED_PARTS = ("val", "test")
CHECKED_ARTICLES = 200  # at the start of each file, for fields that a detector needs
_FIELDS = {"entities": "entity_list", "emotion": "emotion"}


@dataclass(frozen=True)
class SourceFile:
    """A file of articles, and its SHA-256."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class PartArticles:
    """The articles of a part that detectors are evaluated on.

    Attributes:
        contents: N texts.
        labels: [N], 0 (real) or 1 (fake).
        groups: [N] index of each article's group of near-duplicates; an original and its rewrites are in one group.
    """

    contents: list[str]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]

    @property
    def n_fake(self) -> int:
        """Number of fake articles."""
        return int(self.labels.sum())

    @property
    def only_label(self) -> str | None:
        """The label of all articles; None if there are both labels."""
        return {0: "real", len(self.labels): "fake"}.get(self.n_fake)

    @property
    def n_groups(self) -> int:
        """Number of groups."""
        return int(self.groups.max(initial=-1)) + 1


def shared_files(candidates: Sequence[Candidate]) -> dict[str, SourceFile]:
    """Return the files that all detectors read, by part; without `test` if there is none.

    Raises:
        ConfigError: If a detector reads, or was trained with, other articles than the first; names the setting.
        DataError: If a file is missing.
    """
    from zhenwei.training.preparation import find_parts  # noqa: PLC0415  # torch

    digest = cache(file_sha256)
    first = first_to_train(candidates)
    files = {part: SourceFile(path, digest(path)) for part, path in find_parts(first.config).items()}
    for candidate in candidates:
        for run in candidate.trained:
            _check_trained_with(run.source, run.digests, files)
        if not candidate.trained:
            own = {part: SourceFile(path, digest(path)) for part, path in find_parts(candidate.config).items()}
            _check_equal(candidate.source, own, first.source, files)
    return files


def _check_equal(source: str, own: dict[str, SourceFile], first: str, files: dict[str, SourceFile]) -> None:
    for part in PARTS:
        found, expected = own.get(part), files.get(part)
        if (found.sha256 if found else None) != (expected.sha256 if expected else None):
            raise ConfigError(
                f"{source}: data.{part}: found {found.path if found else 'none'}; expected the articles of "
                f"{expected.path if expected else 'none'}, as in {first}: detectors are compared on the same files "
                "(--set data.root_path=DIR sets it for all)"
            )


def _check_trained_with(source: str, digests: dict[str, str], files: dict[str, SourceFile]) -> None:
    for part in ("train", "val"):
        if digests.get(part, files[part].sha256) != files[part].sha256:
            raise ConfigError(
                f"{source}: was trained with another {part} file than {files[part].path}; compare it with detectors "
                f"that read the same file (data.{part})"
            )


def check_requirements(candidates: Sequence[Candidate], files: dict[str, SourceFile]) -> None:
    """Check what a training checks, before hours of work, as far as the first articles show.

    Raises:
        DataError: If an article lacks a field that a detector needs.
        PretrainedModelError: If a tokenizer is not available.
        ConfigError: If a tracker is not installed, or a detector is unknown.
    """
    from zhenwei.models import network_needs  # noqa: PLC0415  # torch
    from zhenwei.tokens import load_pretrained_tokenizer  # noqa: PLC0415
    from zhenwei.training.accelerator import check_trackers  # noqa: PLC0415
    from zhenwei.training.preparation import domain_names  # noqa: PLC0415

    to_train = [each for each in candidates if not each.trained]
    if not to_train:
        return
    heads = {part: list(islice(iter_articles(file.path), CHECKED_ARTICLES)) for part, file in files.items()}
    for candidate in to_train:
        check_trackers(candidate.config.output.trackers)
        if "domain" in network_needs(candidate.config.model):
            domain_names(files["train"].path, candidate.config)
        for part, articles in heads.items():
            needs = network_needs(candidate.config.model, training=part == "train")
            _check_fields(candidate, needs, articles, files[part].path)
    for name in dict.fromkeys(each.config.data.tokenizer or each.config.model.pretrained for each in to_train):
        if name is not None:
            load_pretrained_tokenizer(name)


def _check_fields(candidate: Candidate, needs: frozenset[str], articles: list[Article], path: Path) -> None:
    for need in sorted(needs & _FIELDS.keys()):
        name = _FIELDS[need]
        row = next((row for row, article in enumerate(articles, start=1) if getattr(article, name) is None), None)
        if row is not None:
            file = shlex.quote(str(path))
            raise DataError(
                f"{path}: row {row}: no field '{name}', which '{candidate.source}' needs; add it to all articles with: "
                f"zhenwei data enrich {file} -o {file} --{need} --overwrite"
            )


def read_part(path: Path) -> PartArticles:
    """Read the articles of a part.

    Raises:
        DataError: If a row is invalid, for example without a label.
    """
    articles = list(iter_articles(path, require_label=True, report_repeats=False))
    contents = [article.content for article in articles]
    labels = np.array([article.target for article in articles], np.int64)
    return PartArticles(contents, labels, with_contents(find_near_duplicates(contents).groups, articles))


def check_both_labels(path: Path, articles: PartArticles) -> None:
    """Refuse a val file on which no metric is defined.

    Raises:
        DataError: If all articles have the same label.
    """
    if label := articles.only_label:
        raise DataError(f"{path}: all {len(articles.labels)} articles are {label}; expected both labels")
