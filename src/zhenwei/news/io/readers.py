"""Read the raw rows of a file in any of the supported formats.

A reader knows its format, not what an article is.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from zhenwei.news.io.json_reader import read_json, read_jsonl
from zhenwei.news.io.raw_row import RawRow
from zhenwei.news.io.table_reader import read_csv, read_parquet

_OBJECT_READERS: dict[str, Callable[[Path], Iterator[RawRow]]] = {".json": read_json, ".jsonl": read_jsonl}
_TABLE_READERS: dict[str, Callable[[Path, Sequence[str]], Iterator[RawRow]]] = {
    ".csv": read_csv,
    ".parquet": read_parquet,
}
SUFFIXES = (*_OBJECT_READERS, *_TABLE_READERS)


def read_rows(path: Path, needed: Sequence[str] = ("content",)) -> Iterator[RawRow]:
    """Yield the rows of a file in the format that its suffix, one of `SUFFIXES`, names.

    Args:
        path: The file.
        needed: The columns that a table must have; objects are checked one by one by the caller.

    Raises:
        DataError: The file as a whole cannot be read.
    """
    suffix = path.suffix.lower()
    return _OBJECT_READERS[suffix](path) if suffix in _OBJECT_READERS else _TABLE_READERS[suffix](path, needed)
