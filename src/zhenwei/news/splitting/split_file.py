"""Split a file of articles into train, val and test, with a manifest to cite them by."""

import logging
import os
from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from zhenwei.errors import ConfigError, DataError
from zhenwei.hashing import file_sha256
from zhenwei.news.article import Article
from zhenwei.news.io.files import check_free_for_parts, read_articles, write_all
from zhenwei.news.rewrites import content_groups, content_times, has_rewrites, originals, with_contents
from zhenwei.news.similarity.near_duplicates import connected, find_near_duplicates
from zhenwei.news.splitting.manifest import MANIFEST, write_manifest
from zhenwei.news.splitting.strategies import (
    FRACTIONS,
    Fractions,
    Rows,
    Split,
    chronological_split,
    grouped_split,
    random_split,
)

logger = logging.getLogger(__name__)

By = Literal["time", "random", "group", "stratified"]
NearDuplicatePolicy = Literal["auto", "whole", "drop", "leave"]

TOLERANCE = 0.5  # largest relative deviation of a part's size from its share
PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class SplitOptions:
    """How a file is split.

    Attributes:
        by: `time`: later articles are the test part; `random`: at random, stratified by label; `stratified`: at random,
            stratified by label and the values of a field; `group`: at random, each group in one part.
        field: The field that holds the group or the stratum of an article.
        fractions: The shares of train, val and test.
        seed: Random seed.
        near_duplicates: `whole`: a group of near-duplicates stays in one part, with `time` in the part of its earliest
            article; `drop`: articles with a near-duplicate in an earlier part are left out; `leave`: near-duplicates
            are ignored; `auto`: `whole`, or if the parts would be too far from the fractions, a warning and `leave`.
    """

    by: By = "time"
    field: str = "domain"
    fractions: Fractions = FRACTIONS
    seed: int = 2021
    near_duplicates: NearDuplicatePolicy = "auto"

    def __post_init__(self) -> None:
        for name, choices in (("by", By), ("near_duplicates", NearDuplicatePolicy)):
            value = getattr(self, name)
            if value not in get_args(choices):
                expected = ", ".join(f"'{choice}'" for choice in get_args(choices))
                raise ConfigError(f"{name}: found '{value}'; expected one of {expected}")


def split_file(
    file: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    by: By = "time",
    *,
    field: str = "domain",
    fractions: Fractions = FRACTIONS,
    seed: int = 2021,
    near_duplicates: NearDuplicatePolicy = "auto",
    overwrite: bool = False,
) -> dict[Path, int]:
    """Split a file of articles into `train.json`, `val.json` and `test.json`; all three are written, or none.

    The manifest `split.json` beside them holds the options and the digests of the parts.

    Args:
        file: The articles.
        destination: A folder; it is created if needed.
        by: See `SplitOptions`, also for the next four.
        field: The field of the group or the stratum.
        fractions: The shares of train, val and test.
        seed: Random seed.
        near_duplicates: The treatment of near-duplicates.
        overwrite: Whether existing parts may be replaced.

    Returns:
        The number of articles of each file.

    Raises:
        ConfigError: An option is unknown, or the fractions are not three positive numbers that sum to 1.
        DataError: The file cannot be read or split, the destination is not a folder or holds parts already, or it
            cannot be written.
    """
    options = SplitOptions(by, field, fractions, seed, near_duplicates)
    folder = Path(destination)
    check_free_for_parts(folder, overwrite=overwrite)
    articles = read_articles(file)
    digest = file_sha256(Path(file))  # now: the file may be one of the parts that are written
    source = _Source(Path(file), articles, content_groups(articles) if has_rewrites(articles) else None)
    groups = None
    if options.near_duplicates != "leave":
        groups = with_contents(find_near_duplicates([article.content for article in articles]).groups, articles)
    split, policy = _split(source, groups, options)
    dropped = 0
    if groups is not None and policy == "drop":
        split, dropped = _drop_near_duplicates(split, groups)
        logger.info("%d articles are left out: they have a near-duplicate in an earlier part", dropped)
    rows = {"train": split.train, "val": split.val, "test": split.test}
    parts = {part: [articles[row] for row in rows[part]] for part in PARTS}
    (folder / MANIFEST).unlink(missing_ok=True)  # an older manifest would describe other parts
    written = write_all({folder / f"{part}.json": parts[part] for part in PARTS})
    n_groups = None if groups is None else {part: len(np.unique(groups[rows[part]])) for part in PARTS}
    described = {**asdict(options), "near_duplicates": policy, "left_out": dropped}
    write_manifest(folder, Path(file), digest, len(articles), parts, described, n_groups)
    return written


@dataclass(frozen=True)
class _Source:
    """What is split.

    Attributes:
        file: The file.
        articles: Its N articles.
        contents: [N] content group of each article, which stays in one part; None if there are no rewrites.
    """

    file: Path
    articles: list[Article]
    contents: Rows | None

    @property
    def times(self) -> list[datetime | None]:
        """[N] time of each article; a rewrite counts by the time of its original."""
        if self.contents is None:
            return [article.time for article in self.articles]
        return content_times(self.articles, self.contents)

    def values(self, field: str) -> list[Any]:
        """Return the value of a field of each article, or None; a rewrite without one has that of its original."""
        values = [article.to_row().get(field) for article in self.articles]
        if self.contents is None:
            return values
        rows = originals(self.articles, self.contents)
        return [values[row] if value is None else value for value, row in zip(values, rows, strict=True)]


def _split(source: _Source, groups: Rows | None, options: SplitOptions) -> tuple[Split, NearDuplicatePolicy]:
    """Split the articles; return the split and the policy that was applied to near-duplicates."""
    policy = options.near_duplicates
    if groups is None or policy in ("leave", "drop"):
        return _split_rows(source, source.contents, options), policy
    try:
        split = _split_rows(source, groups, options)
        reason = _size_problem(split, len(source.articles), options)
    except DataError as error:
        if policy == "whole" or not _can_be_split(source, options):
            raise
        split, reason = None, str(error)
    if split is not None and (reason is None or policy == "whole"):
        moved = _count_later_than_next_part(split, source.times) if options.by == "time" else 0
        if moved:
            logger.info(
                "%d articles stay with an earlier near-duplicate, although the next part begins before them", moved
            )
        return split, "whole"
    logger.warning(
        "%s: groups of near-duplicates are split (%s): the parts share near-duplicates, so scores will be too high; "
        "--near-duplicates drop leaves them out",
        source.file, reason,
    )  # fmt: skip
    return _split_rows(source, source.contents, options), "leave"


def _can_be_split(source: _Source, options: SplitOptions) -> bool:
    """Tell whether the articles can be split without the groups; if not, the error has another cause."""
    try:
        _split_rows(source, source.contents, options)
    except DataError:
        return False
    return True


def _split_rows(source: _Source, groups: Rows | None, options: SplitOptions) -> Split:
    articles = source.articles
    labels: list[Hashable] = [article.label for article in articles]
    if options.by == "time":
        return chronological_split(source.times, options.fractions, groups=groups)
    if options.by == "random":
        return random_split(len(articles), options.fractions, seed=options.seed, labels=labels, groups=groups)
    values = source.values(options.field)
    missing = sum(value is None for value in values)
    if missing:
        purpose = "group by" if options.by == "group" else "stratify by"
        raise DataError(
            f"{source.file}: {missing} of {len(values)} articles have no field '{options.field}' to {purpose}"
        )
    names = [str(value) for value in values]
    if options.by == "stratified":
        strata: list[Hashable] = list(zip(labels, names, strict=True))
        return random_split(len(articles), options.fractions, seed=options.seed, labels=strata, groups=groups)
    return grouped_split(names if groups is None else _joined(names, groups), options.fractions, seed=options.seed)


def _joined(names: list[str], groups: Rows) -> list[int]:
    """Return groups that join articles of one name with those that are linked by near-duplicates."""
    name_numbers = np.unique(names, return_inverse=True)[1]
    n_groups = int(groups.max()) + 1  # the nodes of names follow those of the groups
    components: list[int] = connected(groups, name_numbers + n_groups, n_groups + len(names))[groups].tolist()
    return components


def _size_problem(split: Split, total: int, options: SplitOptions) -> str | None:
    """Return a message about a part that is too far from its share; None if there is none."""
    for part, rows, share in zip(PARTS, (split.train, split.val, split.test), options.fractions, strict=True):
        expected = share * total
        if abs(len(rows) - expected) > max(TOLERANCE * expected, 1):
            return f"{part} would have {len(rows)} of {total} articles; expected {expected:.0f}"
    return None


def _count_later_than_next_part(split: Split, article_times: Sequence[datetime | None]) -> int:
    """Count the articles that are later than the first article of the following parts."""
    times = np.array(article_times, "datetime64[us]")
    later = 0
    for rows, following in ((split.train, np.concatenate([split.val, split.test])), (split.val, split.test)):
        later += int((times[rows] > times[following].min()).sum())
    return later


def _drop_near_duplicates(split: Split, groups: Rows) -> tuple[Split, int]:
    """Leave out articles that have a near-duplicate in an earlier part; return how many."""
    val = split.val[~np.isin(groups[split.val], groups[split.train])]
    earlier = np.concatenate([split.train, split.val])
    test = split.test[~np.isin(groups[split.test], groups[earlier])]
    for part, rows in (("val", val), ("test", test)):
        if not len(rows):
            raise DataError(f"no articles are left for {part}: all have near-duplicates in earlier parts")
    return Split(split.train, val, test), len(split.val) + len(split.test) - len(val) - len(test)
