"""Stream the articles of a file: Parquet by column, which is fast, other formats by row."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zhenwei.news.article import Article
from zhenwei.news.fields import FieldError
from zhenwei.news.io.raw_row import RawRow
from zhenwei.news.io.readers import read_rows
from zhenwei.news.io.row_tracker import RowTracker
from zhenwei.news.io.table_reader import read_parquet_columns, rows_of_columns
from zhenwei.news.io.validation import BadRowError, parse_article

Numbered = tuple[int, Article]


def stream_articles(path: Path, tracker: RowTracker, require_label: bool) -> Iterator[Numbered]:
    """Yield the good rows of a file as articles, with their row numbers from 1.

    Args:
        path: The file.
        tracker: Records the rows and checks the file at its end.
        require_label: Whether a row without a label is bad.

    Raises:
        DataError: The file as a whole cannot be read, or as `RowTracker.finish`.
    """
    needed = ("content", "label") if require_label else ("content",)
    if path.suffix.lower() != ".parquet":
        yield from _by_row(read_rows(path, needed), tracker, require_label)
    else:
        for start, columns in read_parquet_columns(path, needed):
            emotions = tracker.emotions(start, len(columns["content"]))
            articles = _by_column(columns, emotions, require_label)
            if articles is None:  # a row is bad: find out which
                yield from _by_row(rows_of_columns(start, columns), tracker, require_label)
                continue
            for number, article in enumerate(articles, start + 1):
                tracker.start_row(number)
                tracker.add_id(number, article.id)
                yield number, article
    tracker.finish()


def _by_row(rows: Iterable[RawRow], tracker: RowTracker, require_label: bool) -> Iterator[Numbered]:
    for row in rows:
        if not tracker.start_row(row.number):
            continue
        if row.problem is not None:
            tracker.add_bad_row(row, row.problem)
            continue
        try:
            article = parse_article(row.value, require_label=require_label, emotion=tracker.emotion(row.number))
        except BadRowError as problem:
            tracker.add_bad_row(row, str(problem))
            continue
        tracker.add_id(row.number, article.id)
        yield row.number, article


def _by_column(
    columns: Mapping[str, list[Any]], emotions: np.ndarray | None, require_label: bool
) -> list[Article] | None:
    """Build the articles of some rows; return None if a row is bad.

    Args:
        columns: The values by field.
        emotions: The vectors of the emotion file for these rows; fewer than rows if it ends earlier.
        require_label: Whether a row without a label is bad.
    """
    count = len(columns["content"])
    if emotions is not None:
        if len(emotions) < count:
            return None
        own = columns.get("emotion") or [None] * count
        pairs = zip(own, emotions.tolist(), strict=True)
        columns = {**columns, "emotion": [vector if value is None else value for value, vector in pairs]}
    try:
        articles = Article.from_columns(columns, count)
    except FieldError:
        return None
    if require_label and any(article.label is None for article in articles):
        return None
    return articles
