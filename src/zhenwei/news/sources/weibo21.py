"""Weibo21: Weibo posts in nine domains (and a tenth, undetermined), with the split of its authors.

Nan, Cao, Zhu, Wang, Li: "MDFEND: Multi-domain Fake News Detection" (CIKM 2021).

    train.pkl, val.pkl, test.pkl    pickled pandas tables: content, label (1 = fake), category

Loading a pickle in the usual way executes code; `restricted_pickle` reads these without.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from zhenwei.errors import DataError
from zhenwei.news.article import Article
from zhenwei.news.io.validation import BadRows, parse_article
from zhenwei.news.sources.folders import folder_with
from zhenwei.news.sources.restricted_pickle import read_pickled_table

_COLUMNS = ("content", "label", "category")


def read_weibo21(source: Path) -> dict[str, Iterable[Article]]:
    """Read Weibo21 as published: `train`, `val`, and `test` if it exists.

    The category becomes the article's domain. Posts have no time. Ids are the part and the row, from 0.

    Args:
        source: The folder with the `.pkl` files, or its parent.

    Raises:
        DataError: The files are missing or are not plain tables of these columns, or some rows cannot be used.
    """
    root = folder_with(source, ("train.pkl", "val.pkl"), "Weibo21")
    files = {part: root / f"{part}.pkl" for part in ("train", "val", "test")}
    return {part: _read_part(file, part) for part, file in files.items() if file.exists()}


def _read_part(file: Path, part: str) -> list[Article]:
    table = read_pickled_table(file)
    if not set(_COLUMNS) <= table.keys():
        raise DataError(f"{file}: found the columns {', '.join(table)}; expected {', '.join(_COLUMNS)}")
    bad = BadRows(file)
    articles = []
    rows: list[tuple[Any, ...]] = list(zip(*(table[name] for name in _COLUMNS), strict=True))
    for number, (content, label, category) in enumerate(rows):
        row = {"id": f"weibo21-{part}-{number}", "content": content, "label": label, "domain": category}
        with bad.collect(f"row {number + 1}"):
            articles.append(parse_article(row, require_label=True))
    bad.raise_if_any(len(rows))
    return articles
