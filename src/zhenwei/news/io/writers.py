"""Write articles as JSON, JSON Lines, CSV and Parquet."""

import csv
import itertools
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from zhenwei.errors import DataError
from zhenwei.news.article import FIELDS, Article

_ROWS_PER_BATCH = 1024


def write_json(path: Path, articles: Iterable[Article]) -> None:
    """Write an array with one object per line, so that `diff` can compare two versions of the file."""
    with path.open("wb") as file:
        file.write(b"[")
        separator = b"\n"
        for article in articles:
            file.write(separator + _json_line(article))
            separator = b",\n"
        file.write(b"\n]\n")


def write_jsonl(path: Path, articles: Iterable[Article]) -> None:
    """Write one object per line."""
    with path.open("wb") as file:
        file.writelines(_json_line(article) + b"\n" for article in articles)


def write_csv(path: Path, articles: Iterable[Article]) -> None:
    """Write a comma-separated file with a header; lists and other values that are not text become JSON text.

    A CSV file holds only text: an extra field that is a number is read back as its digits.
    """
    columns: dict[str, None] = dict.fromkeys(FIELDS)
    used: set[str] = {"content"}
    # The header names the fields of all rows, so the rows are buffered on disk until all have been seen.
    with tempfile.TemporaryFile("w+b", dir=path.parent) as buffer:
        for article in articles:
            row = article.to_row()
            columns |= dict.fromkeys(row)
            used |= row.keys()
            buffer.write(_json_line(article) + b"\n")
        buffer.seek(0)
        header = [name for name in columns if name in used]
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, header, restval="")
            writer.writeheader()
            for line in buffer:
                writer.writerow({name: _cell(value) for name, value in json.loads(line).items()})


def write_parquet(path: Path, articles: Iterable[Article]) -> None:
    """Write a Parquet file; `time` is a timestamp in it, and an extra field must have one type in all rows."""
    import pyarrow as pa  # noqa: PLC0415 # heavy, and only this format needs it
    import pyarrow.parquet as pq  # noqa: PLC0415

    types = {
        **dict.fromkeys(("id", "content", "label", "domain", "rewrite_of"), pa.string()),
        "time": pa.timestamp("us"),
        "entity_list": pa.list_(pa.struct([("entity", pa.string())])),
        "emotion": pa.list_(pa.float64()),
    }
    tables = []
    try:
        for rows in _batches(articles):
            names = dict.fromkeys(name for row in rows for name in row)
            tables.append(pa.table({n: pa.array([row.get(n) for row in rows], type=types.get(n)) for n in names}))
        if not tables:
            tables.append(pa.table({"content": pa.array([], type=pa.string())}))
        # A field may appear only in later rows, so the schema is known once all batches are joined.
        pq.write_table(pa.concat_tables(tables, promote_options="permissive"), path)
    except (pa.ArrowException, TypeError, OverflowError) as error:
        raise DataError(
            f"{path}: an extra field has values that Parquet cannot hold in one column ({error}); write .jsonl instead"
        ) from None


WRITERS: dict[str, Callable[[Path, Iterable[Article]], None]] = {
    ".json": write_json,
    ".jsonl": write_jsonl,
    ".csv": write_csv,
    ".parquet": write_parquet,
}


def _json_line(article: Article) -> bytes:
    row = article.to_row()
    try:
        return json.dumps(row, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except UnicodeEncodeError:  # a lone surrogate in an extra field: JSON can hold it as an escape
        return json.dumps(row, allow_nan=False).encode("utf-8")


def _cell(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _batches(articles: Iterable[Article]) -> Iterator[list[dict[str, Any]]]:
    rest = iter(articles)
    while batch := list(itertools.islice(rest, _ROWS_PER_BATCH)):
        yield [article.to_row() | ({"time": article.time} if article.time is not None else {}) for article in batch]
