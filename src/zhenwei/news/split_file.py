"""One file of articles cut into train, val and test: the files that a training reads."""

import os
from pathlib import Path

from zhenwei.errors import ConfigError, DataError
from zhenwei.news.article import Article
from zhenwei.news.files import check_free_for_parts, read_articles, write_all
from zhenwei.news.splits import FRACTIONS, Fractions, Split, chronological_split, grouped_split, random_split


def split_file(
    file: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    by: str = "time",
    *,
    field: str = "domain",
    fractions: Fractions = FRACTIONS,
    seed: int = 2021,
    overwrite: bool = False,
) -> dict[Path, int]:
    """Cut a file of articles into `train.json`, `val.json` and `test.json`; all three are written, or none.

    Args:
        file: The articles.
        destination: A folder, made where it is missing.
        by: `time`: later articles are the test; `random`: by chance, with labels in like proportion; `group`: by
            chance, with each group kept whole.
        field: The field that tells the group of an article.
        fractions: The shares of train, val and test.
        seed: Of random and grouped splits.
        overwrite: Whether parts that are there already may be replaced.

    Returns:
        The files written, and how many articles are in each.

    Raises:
        ConfigError: `by` is none of the three, or the fractions are not three positive numbers that sum to 1.
        DataError: The file cannot be read or cut, the destination is no folder or holds parts already, or the
            disk refuses.
    """
    folder = Path(destination)
    check_free_for_parts(folder, overwrite=overwrite)
    articles = read_articles(file)
    split = _split(Path(file), articles, by, field, fractions, seed)
    rows = {"train": split.train, "val": split.val, "test": split.test}
    return write_all({folder / f"{part}.json": [articles[row] for row in rows[part]] for part in rows})


def _split(file: Path, articles: list[Article], by: str, field: str, fractions: Fractions, seed: int) -> Split:
    if by == "time":
        return chronological_split([article.time for article in articles], fractions)
    if by == "random":
        return random_split(len(articles), fractions, seed=seed, labels=[article.label for article in articles])
    if by != "group":
        raise ConfigError(f"by: found '{by}'; expected 'time', 'random' or 'group'")
    groups = [article.to_row().get(field) for article in articles]
    missing = sum(group is None for group in groups)
    if missing:
        raise DataError(f"{file}: {missing} of {len(groups)} articles have no field '{field}' to group by")
    return grouped_split([str(group) for group in groups], fractions, seed=seed)
