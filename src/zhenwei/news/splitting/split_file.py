"""One file of articles cut into train, val and test, with a manifest to cite them by."""

import logging
import os
from collections.abc import Hashable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from zhenwei.errors import ConfigError, DataError
from zhenwei.hashing import file_sha256
from zhenwei.news.article import Article
from zhenwei.news.io.files import check_free_for_parts, read_articles, write_all
from zhenwei.news.similarity.near_duplicates import find_near_duplicates
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
NearDuplicatesAre = Literal["auto", "whole", "drop", "leave"]

FAR_OFF = 0.5  # a part that misses its share by more than this share of it is not what was asked for
PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class SplitOptions:
    """How a file is cut.

    Attributes:
        by: `time`: later articles are the test; `random`: by chance, with labels in like proportion; `stratified`: the
            same, with the values of a field in like proportion, too; `group`: by chance, with each group kept whole.
        field: The field that tells the group or the stratum of an article.
        fractions: The shares of train, val and test.
        seed: Of all that is by chance.
        near_duplicates: `whole`: articles that are linked by near-duplicates stay together, in order of time where the
            earliest is; `drop`: of what has a near-duplicate in an earlier part, nothing is kept; `leave`: nothing is
            done about them; `auto`: whole, or where that cannot come near the fractions, a warning, and leave.
    """

    by: By = "time"
    field: str = "domain"
    fractions: Fractions = FRACTIONS
    seed: int = 2021
    near_duplicates: NearDuplicatesAre = "auto"

    def __post_init__(self) -> None:
        for name, choices in (("by", By), ("near_duplicates", NearDuplicatesAre)):
            found = getattr(self, name)
            if found not in get_args(choices):
                expected = ", ".join(f"'{choice}'" for choice in get_args(choices))
                raise ConfigError(f"{name}: found '{found}'; expected one of {expected}")


def split_file(
    file: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    by: By = "time",
    *,
    field: str = "domain",
    fractions: Fractions = FRACTIONS,
    seed: int = 2021,
    near_duplicates: NearDuplicatesAre = "auto",
    overwrite: bool = False,
) -> dict[Path, int]:
    """Cut a file of articles into `train.json`, `val.json` and `test.json`; all three are written, or none.

    Beside them `split.json` is written, with how they were made and their digests (see `split_manifest`).

    Args:
        file: The articles.
        destination: A folder, made where it is missing.
        by: See `SplitOptions`, as for the next four.
        field: Tells the group or the stratum of an article.
        fractions: The shares of train, val and test.
        seed: Of all that is by chance.
        near_duplicates: What is done about near-duplicates.
        overwrite: Whether parts that are there already may be replaced.

    Returns:
        The files written, and how many articles are in each.

    Raises:
        ConfigError: An option is none of those, or the fractions are not three positive numbers that sum to 1.
        DataError: The file cannot be read or cut, the destination is no folder or holds parts already, or the
            disk refuses.
    """
    options = SplitOptions(by, field, fractions, seed, near_duplicates)
    folder = Path(destination)
    check_free_for_parts(folder, overwrite=overwrite)
    articles = read_articles(file)
    source = file_sha256(Path(file))  # now: it may be one of the parts that are written
    groups = None
    if options.near_duplicates != "leave":
        groups = find_near_duplicates([article.content for article in articles]).groups
    split, done = _split(Path(file), articles, groups, options)
    dropped = 0
    if groups is not None and done == "drop":
        split, dropped = _without_repeats(split, groups)
        logger.info("%d articles are left out: they have a near-duplicate in an earlier part", dropped)
    rows = {"train": split.train, "val": split.val, "test": split.test}
    parts = {part: [articles[row] for row in rows[part]] for part in PARTS}
    (folder / MANIFEST).unlink(missing_ok=True)  # an older one says nothing of what comes now
    written = write_all({folder / f"{part}.json": parts[part] for part in PARTS})
    groups_of = None if groups is None else {part: len(np.unique(groups[rows[part]])) for part in PARTS}
    how = {**asdict(options), "near_duplicates": done, "left_out": dropped}
    write_manifest(folder, Path(file), source, len(articles), parts, how, groups_of)
    return written


def _split(
    file: Path, articles: list[Article], groups: Rows | None, options: SplitOptions
) -> tuple[Split, NearDuplicatesAre]:
    """Cut the articles; returns what was done about near-duplicates, too."""
    wanted = options.near_duplicates
    if groups is None or wanted in ("leave", "drop"):
        return _cut(file, articles, None, options), wanted
    try:
        split = _cut(file, articles, groups, options)
        reason = _far_off(split, len(articles), options)
    except DataError as error:
        if wanted == "whole" or not _can_be_cut(file, articles, options):
            raise
        split, reason = None, str(error)
    if split is not None and (reason is None or wanted == "whole"):
        moved = _later_than_the_next(split, articles) if options.by == "time" else 0
        if moved:
            logger.info("%d articles stay with an earlier near-duplicate, though the next part begins before", moved)
        return split, "whole"
    logger.warning(
        "%s: groups of near-duplicates are not kept whole (%s): the parts have near-duplicates in common, and scores "
        "will flatter; --near-duplicates drop leaves them out",
        file, reason,
    )  # fmt: skip
    return _cut(file, articles, None, options), "leave"


def _can_be_cut(file: Path, articles: list[Article], options: SplitOptions) -> bool:
    """Tell whether the groups alone are what stands in the way; otherwise the error is about something else."""
    try:
        _cut(file, articles, None, options)
    except DataError:
        return False
    return True


def _cut(file: Path, articles: list[Article], groups: Rows | None, options: SplitOptions) -> Split:
    labels: list[Hashable] = [article.label for article in articles]
    if options.by == "time":
        return chronological_split([article.time for article in articles], options.fractions, groups=groups)
    if options.by == "random":
        return random_split(len(articles), options.fractions, seed=options.seed, labels=labels, groups=groups)
    values = [article.to_row().get(options.field) for article in articles]
    missing = sum(value is None for value in values)
    if missing:
        purpose = "group by" if options.by == "group" else "stratify by"
        raise DataError(f"{file}: {missing} of {len(values)} articles have no field '{options.field}' to {purpose}")
    names = [str(value) for value in values]
    if options.by == "stratified":
        strata: list[Hashable] = list(zip(labels, names, strict=True))
        return random_split(len(articles), options.fractions, seed=options.seed, labels=strata, groups=groups)
    return grouped_split(names if groups is None else _joined(names, groups), options.fractions, seed=options.seed)


def _joined(names: list[str], groups: Rows) -> list[int]:
    """Return groups that keep both whole: what has one name, and what is linked by near-duplicates."""
    from scipy.sparse import coo_array  # noqa: PLC0415  # half a second to import
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    of_name = np.unique(names, return_inverse=True)[1]
    size = len(names) + int(groups.max()) + 1  # names are nodes of their own, behind those of the groups
    ends = (groups, of_name + int(groups.max()) + 1)
    links = coo_array((np.ones(len(names), bool), ends), shape=(size, size))
    return [int(number) for number in connected_components(links, directed=False)[1][groups]]


def _far_off(split: Split, total: int, options: SplitOptions) -> str | None:
    """Say which part misses its share by far, if one does."""
    for part, rows, share in zip(PARTS, (split.train, split.val, split.test), options.fractions, strict=True):
        wanted = share * total
        if abs(len(rows) - wanted) > max(FAR_OFF * wanted, 1):
            return f"{part} would have {len(rows)} of {total} articles, where {wanted:.0f} are wanted"
    return None


def _later_than_the_next(split: Split, articles: list[Article]) -> int:
    """Count the articles that are later than the first article of a later part."""
    times = np.array([article.time for article in articles], "datetime64[us]")
    later = 0
    for rows, following in ((split.train, np.concatenate([split.val, split.test])), (split.val, split.test)):
        later += int((times[rows] > times[following].min()).sum())
    return later


def _without_repeats(split: Split, groups: Rows) -> tuple[Split, int]:
    """Leave out what has a near-duplicate in an earlier part."""
    val = split.val[~np.isin(groups[split.val], groups[split.train])]
    earlier = np.concatenate([split.train, split.val])
    test = split.test[~np.isin(groups[split.test], groups[earlier])]
    for part, rows in (("val", val), ("test", test)):
        if not len(rows):
            raise DataError(f"nothing is left for {part}: all its articles have near-duplicates in earlier parts")
    return Split(split.train, val, test), len(split.val) + len(split.test) - len(val) - len(test)
