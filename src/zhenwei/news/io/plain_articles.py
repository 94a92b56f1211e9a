"""Files of articles for those who read a million of them: the same checks and words, without an object's ceremony.

A row whose fields all pass becomes a tuple; Parquet's rows are even checked a column at a time. Whatever does not pass
at once is read again as `iter_articles` reads it, which finds the words for what is wrong.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from zhenwei.news.article import TARGETS, Article
from zhenwei.news.fields import (
    Label,
    parse_content,
    parse_emotion,
    parse_entities,
    parse_label,
    parse_name,
    parse_time,
)
from zhenwei.news.io.emotion_file import open_emotion_file
from zhenwei.news.io.files import check_article_file
from zhenwei.news.io.readers import NEEDED, RawRow, parquet_columns, read_rows, rows_of_columns
from zhenwei.news.io.row_tracker import RowTracker
from zhenwei.news.io.validation import BadRowError, article_of


class PlainArticle(NamedTuple):
    """What an `Article` knows, but for its extra fields."""

    content: str
    label: Label | None = None
    id: str | None = None
    time: datetime | None = None
    domain: str | None = None
    entity_list: tuple[str, ...] | None = None
    emotion: tuple[float, ...] | None = None

    @property
    def target(self) -> int | None:
        """The label as the number that a model learns: 0 real, 1 fake, None unknown."""
        return TARGETS[self.label]


AnyArticle = Article | PlainArticle

_PARSERS: dict[str, Callable[[object], Any]] = {
    "content": parse_content,
    "label": parse_label,
    "id": parse_name,
    "time": parse_time,
    "domain": parse_name,
    "entity_list": parse_entities,
    "emotion": parse_emotion,
}
assert tuple(_PARSERS) == PlainArticle._fields
_LABEL, _EMOTION = (PlainArticle._fields.index(name) for name in ("label", "emotion"))


def iter_plain_articles(
    path: str | os.PathLike[str], *, require_label: bool = False, report_repeats: bool = True
) -> Iterator[PlainArticle]:
    """Stream the articles of a file; the same as `iter_articles` in all but the extra fields, which are left out.

    Args:
        path: A `.json`, `.jsonl`, `.csv` or `.parquet` file.
        require_label: Whether a row without a label is a bad row.
        report_repeats: Whether to log repeated ids; False for a second reading of the same file.

    Raises:
        DataError: As `iter_articles`.
    """
    file = check_article_file(path)
    return _stream(file, open_emotion_file(file), require_label, report_repeats)


def _stream(
    path: Path, emotions: np.ndarray | None, require_label: bool, report_repeats: bool
) -> Iterator[PlainArticle]:
    account = RowTracker(path, emotions, report_repeats)
    needed = (*NEEDED, "label") if require_label else NEEDED
    if path.suffix.lower() != ".parquet":
        yield from _by_row(read_rows(path, needed), account, require_label)
    else:
        for before, columns in parquet_columns(path, needed):
            articles = _by_column(columns, None if emotions is None else emotions[before:], require_label)
            if articles is None:
                yield from _by_row(rows_of_columns(before, columns), account, require_label)
                continue
            for number, article in enumerate(articles, before + 1):
                account.enter(number)
                account.good(number, article.id)
                yield article
    account.close()


def _by_row(rows: Iterable[RawRow], account: RowTracker, require_label: bool) -> Iterator[PlainArticle]:
    """Yield the good ones of some rows."""
    for row in rows:
        if not account.enter(row.number):
            continue
        emotion = account.emotion(row.number)
        article = _parsed(row, emotion, require_label)
        if article is None:
            try:
                checked = article_of(row, require_label=require_label, emotion=emotion)
            except BadRowError as problem:
                account.bad(row, problem)
                continue
            article = PlainArticle(*(getattr(checked, name) for name in PlainArticle._fields))
        account.good(row.number, article.id)
        yield article


def _parsed(row: RawRow, emotion: np.ndarray | None, require_label: bool) -> PlainArticle | None:
    """Read a row that has nothing wrong with it; None for one that may have."""
    values = row.value
    if row.problem is not None or not isinstance(values, dict):
        return None
    fields = [values.get(name) for name in _PARSERS]
    if emotion is not None and fields[_EMOTION] is None:
        fields[_EMOTION] = emotion.tolist()
    try:
        "".join(values).encode()  # half a surrogate pair in the name of a field is refused, too
        article = PlainArticle(*[parse(value) for parse, value in zip(_PARSERS.values(), fields, strict=True)])
    except Exception:  # whatever it is: it comes again, where it is put into words
        return None
    return None if require_label and article.label is None else article


def _by_column(
    columns: Mapping[str, list[Any]], emotions: np.ndarray | None, require_label: bool
) -> list[PlainArticle] | None:
    """Read rows that have nothing wrong with them, field by field; None where one may have.

    Args:
        columns: The rows' values, by field.
        emotions: The vectors that stand beside these rows and all after them, or None.
        require_label: Whether a row without a label is a bad row.
    """
    count = len(columns["content"])
    values = {name: columns.get(name) for name in _PARSERS}
    if emotions is not None:
        if len(emotions) < count:
            return None
        own = values["emotion"] or [None] * count
        pairs = zip(own, emotions[:count].tolist(), strict=True)
        values["emotion"] = [beside if given is None else given for given, beside in pairs]
    try:
        fields = [
            [None] * count if values[name] is None else list(map(parse, values[name] or ()))
            for name, parse in _PARSERS.items()
        ]
    except Exception:  # as above
        return None
    if require_label and None in fields[_LABEL]:
        return None
    return list(map(PlainArticle, *fields))
