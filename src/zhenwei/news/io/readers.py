"""From the bytes of a file to its raw rows: JSON, JSON lines, CSV and Parquet, each read as a stream.

A reader knows its format alone, not what an article is. What breaks the whole file is raised at once as a
DataError; what spoils one row only (a line of JSON lines, a line of CSV) is yielded as that row's problem.
"""

import csv
import json
import mmap
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import ijson

from zhenwei.errors import DataError
from zhenwei.news.fields import format_value
from zhenwei.news.io.field_suggestions import missing_field

NEEDED = ("content",)

_BOM = b"\xef\xbb\xbf"
_ROWS_PER_BATCH = 1024
_LONGEST_CELL = 2**31 - 1
_LONE_SURROGATE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])"
    rb"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
_LONG_INTEGER = re.compile(rb"[:,\[]\s*+-?[0-9]{19,}")  # 64 bits hold every number of 18 digits
_OUTSIDE = rb'[^"\[\]{}]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"\[\]{}]*+)*+'  # strings are passed over
# The next bracket outside of strings, but for the pairs before it that hold no other pair.
_NEXT_BRACKET = re.compile(_OUTSIDE + rb"(?:[\[{]" + _OUTSIDE + rb"[\]}]" + _OUTSIDE + rb")*+[\[\]{}]", re.DOTALL)
_DEEPEST = 200


@dataclass(frozen=True, slots=True)
class RawRow:
    """One row as its file holds it.

    Attributes:
        number: Its place among the rows, from 1.
        value: What stands there; hopefully a dict.
        line: The line it starts on, where the format has lines.
        problem: Why it cannot be read at all, or None.
    """

    number: int
    value: object = None
    line: int | None = None
    problem: str | None = None


def read_json(path: Path) -> Iterator[RawRow]:
    """Stream the members of a JSON array.

    Raises:
        DataError: The file is not UTF-8, not JSON, cut off, nested too deep, or holds something else than an array.
    """
    with path.open("rb") as file:
        _skip_bom(file)
        start = file.tell()
        _expect_array(path, file)
        file.seek(start)
        number = 0
        try:
            for value in _json_backend(path).items(file, "item", use_float=True):
                number += 1
                yield RawRow(number, value)
        except (ijson.JSONError, ValueError, RecursionError, MemoryError) as error:
            refuse_other_encodings(path)
            trouble = _json_trouble(str(error) or type(error).__name__)
            raise DataError(f"{path}: {trouble}, after row {number}") from None


def read_jsonl(path: Path) -> Iterator[RawRow]:
    """Stream the lines of a JSON lines file; blank lines are passed over.

    Raises:
        DataError: The file is not UTF-8.
    """
    number = 0
    with path.open("rb") as file:
        _skip_bom(file)
        for line_number, line in enumerate(file, start=1):
            try:
                text = line.decode("utf-8").strip()
            except UnicodeDecodeError:
                refuse_other_encodings(path)
                raise  # unreachable: the check finds the same byte
            if not text:
                continue
            number += 1
            try:
                yield RawRow(number, json.loads(text, parse_constant=_refuse_constant), line_number)
            except (ValueError, RecursionError, MemoryError) as error:
                yield RawRow(number, None, line_number, f"not JSON ({error})")


def read_csv(path: Path, needed: Sequence[str] = NEEDED) -> Iterator[RawRow]:
    """Stream the records of a comma-separated file with a header; empty cells are left out of their row.

    An empty label is kept as None, so that it can be told from a label that has no column.

    Args:
        path: The file.
        needed: The columns that must be there.

    Raises:
        DataError: The file is not UTF-8, its header lacks a column or has a name twice, or a quote never ends.
    """
    csv.field_size_limit(_LONGEST_CELL)  # Python's default of 128 KiB would refuse a long article
    number, line = 0, 0
    with path.open(encoding="utf-8-sig", newline="") as file:
        # strict: without it, a quote that never ends would swallow the rest of the file in silence
        records = csv.reader(file, strict=True)
        try:
            columns = next(records, [])
            _check_columns(path, columns, needed)
            line = records.line_num
            for cells in records:
                first_line, line = line + 1, records.line_num
                if not cells:
                    continue
                number += 1
                if len(cells) != len(columns):
                    problem = f"found {len(cells)} cells; expected {len(columns)}, as in the header"
                    yield RawRow(number, None, first_line, problem)
                    continue
                row: dict[str, str | None] = {
                    c: cell for c, cell in zip(columns, cells, strict=True) if cell or c == "content"
                }
                if "label" in columns:
                    row.setdefault("label", None)
                yield RawRow(number, row, first_line)
        except UnicodeDecodeError:
            refuse_other_encodings(path)
            raise  # unreachable: the check finds the same byte
        except csv.Error as error:
            raise DataError(
                f"{path}: not CSV in the record that starts on line {line + 1} ({error}); "
                "quotes within a quoted cell are doubled"
            ) from None


def read_parquet(path: Path, needed: Sequence[str] = NEEDED) -> Iterator[RawRow]:
    """Stream the rows of a Parquet file, a record batch at a time; nulls but those of label are left out of their row.

    Args:
        path: The file.
        needed: The columns that must be there.

    Raises:
        DataError: The file is not Parquet, is damaged, or lacks a column.
    """
    for before, columns in parquet_columns(path, needed):
        yield from rows_of_columns(before, columns)


def parquet_columns(path: Path, needed: Sequence[str] = NEEDED) -> Iterator[tuple[int, dict[str, list[Any]]]]:
    """Stream the columns of a Parquet file, some rows at a time; with them, how many rows were before.

    Raises:
        DataError: As `read_parquet`.
    """
    import pyarrow as pa  # noqa: PLC0415 - heavy, and only this format needs it
    import pyarrow.parquet as pq  # noqa: PLC0415

    before = 0
    try:
        with pq.ParquetFile(path) as file:
            _check_columns(path, file.schema_arrow.names, needed)
            for batch in file.iter_batches(batch_size=_ROWS_PER_BATCH):
                columns = batch.to_pydict()
                yield before, columns
                before += batch.num_rows
    except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path}: not a Parquet file that can be read ({reason}), after row {before}") from None


def rows_of_columns(before: int, columns: Mapping[str, Sequence[Any]]) -> Iterator[RawRow]:
    """Give the rows that columns hold, the first of which has `before` rows before it."""
    for number, values in enumerate(zip(*columns.values(), strict=True), before + 1):
        pairs = zip(columns, values, strict=True)
        yield RawRow(number, {c: value for c, value in pairs if value is not None or c in ("content", "label")})


_OBJECT_READERS: dict[str, Callable[[Path], Iterator[RawRow]]] = {".json": read_json, ".jsonl": read_jsonl}
_TABLE_READERS: dict[str, Callable[[Path, Sequence[str]], Iterator[RawRow]]] = {
    ".csv": read_csv,
    ".parquet": read_parquet,
}
SUFFIXES = (*_OBJECT_READERS, *_TABLE_READERS)


def read_rows(path: Path, needed: Sequence[str] = NEEDED) -> Iterator[RawRow]:
    """Stream the rows of a file in the format that its suffix, one of `SUFFIXES`, names.

    Args:
        path: The file.
        needed: The columns that a table must have; objects are checked one by one, by whoever takes the rows.

    Raises:
        DataError: The file as a whole cannot be read.
    """
    suffix = path.suffix.lower()
    return _OBJECT_READERS[suffix](path) if suffix in _OBJECT_READERS else _TABLE_READERS[suffix](path, needed)


def refuse_other_encodings(path: Path) -> None:
    """Find the first byte of a text file that is not UTF-8, if any.

    Raises:
        DataError: There is one; the message names its place.
    """
    position = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                byte = line[error.start]
                raise DataError(
                    f"{path}: not UTF-8: found byte 0x{byte:02x} at position {position + error.start} "
                    f"(line {number}); save the file as UTF-8"
                ) from None
            position += len(line)


def _skip_bom(file: BinaryIO) -> None:
    if file.read(len(_BOM)) != _BOM:
        file.seek(0)


def _expect_array(path: Path, file: BinaryIO) -> None:
    """Refuse JSON that is no array, which would otherwise stream as nothing at all."""
    opening = file.read(4096).lstrip()
    first = opening[:1]
    if first in (b"[", b""):
        return
    refuse_other_encodings(path)
    if first == b"{":
        # A line that closes what it opened, and then another object: JSON lines under the wrong name.
        if re.match(rb"\{[^\n]*\}\s*\n\s*\{", opening):
            raise DataError(
                f"{path}: found one object a line; expected an array of objects: rename it to "
                f"{path.with_suffix('.jsonl').name}"
            )
        raise DataError(
            f"{path}: found an object; expected an array of objects, '[{{\"content\": ...}}, ...]' "
            "(or one object a line in a .jsonl file)"
        )
    try:
        value = json.loads(opening)
    except ValueError:
        text = opening[:80].decode("utf-8", errors="ignore")
        raise DataError(f"{path}: not JSON: found {format_value(text)}; expected an array of objects") from None
    raise DataError(f"{path}: found {format_value(value)}; expected an array of objects")


def _json_backend(path: Path) -> Any:
    """The parser for this file: the C one, unless the file holds what that one spoils.

    The C parser (yajl) turns half a surrogate pair, written as an escape, into "?" without a word, and gives up a
    file with an integer of more than 64 bits; ijson's own parser keeps both, so that the row can be judged. The
    text is only searched through the page cache, never loaded.

    Raises:
        DataError: The file is nested deeper than any of the parsers can bear.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        _refuse_deep_nesting(path, content)
        spoiled = _LONE_SURROGATE.search(content) or _LONG_INTEGER.search(content)
        return ijson.get_backend("python") if spoiled else ijson


def _refuse_deep_nesting(path: Path, content: mmap.mmap) -> None:
    """Refuse a file that is nested too deep: the memory that ijson takes grows with the square of the depth."""
    depth = place = 0
    while found := _NEXT_BRACKET.match(content, place):
        place = found.end()
        depth += 1 if content[place - 1] in b"[{" else -1
        if depth > _DEEPEST:
            raise DataError(
                f"{path}: found arrays and objects nested more than {_DEEPEST} deep, at byte {place}; "
                "expected an array of objects"
            )


def _json_trouble(message: str) -> str:
    """What the parser says, in a few words: its first line, without its drawing of the place."""
    if "EOF" in message or "ncomplete" in message:
        return "the JSON ends in the middle (the file was cut off)"
    if "overflow" in message:
        return "found a number larger than 1.8e308, which no computer's ordinary number holds"
    return f"not JSON ({message.splitlines()[0].strip()})"


def _check_columns(path: Path, columns: list[str], needed: Sequence[str]) -> None:
    for name in needed:
        if name not in columns:
            raise DataError(f"{path}: {missing_field(name, columns, noun='column')}")
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise DataError(f"{path}: found the column {format_value(twice[0])} more than once; expected each name once")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")
