"""Read CSV and Parquet as streams of raw rows, Parquet by column as well.

An error of the whole file is raised at once as a DataError; a CSV record of the wrong length becomes the problem of
that row.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from zhenwei.errors import DataError
from zhenwei.news.fields import format_value
from zhenwei.news.io.encoding import check_utf8
from zhenwei.news.io.field_suggestions import missing_field
from zhenwei.news.io.raw_row import RawRow

_ROWS_PER_BATCH = 1024
_MAX_CELL_LENGTH = 2**31 - 1


def read_csv(path: Path, needed: Sequence[str]) -> Iterator[RawRow]:
    """Yield the records of a comma-separated file with a header; empty cells are left out of their row.

    An empty label stays as None, which distinguishes it from a missing column.

    Args:
        path: The file.
        needed: The required columns.

    Raises:
        DataError: The file is not UTF-8, its header lacks a column or repeats a name, or a quote is not closed.
    """
    csv.field_size_limit(_MAX_CELL_LENGTH)  # Python's default of 128 KiB is too short for an article
    number, line = 0, 0
    with path.open(encoding="utf-8-sig", newline="") as file:
        # strict: otherwise an unclosed quote would silently swallow the rest of the file
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
            check_utf8(path)
            raise  # unreachable: the check raises for the same byte
        except csv.Error as error:
            raise DataError(
                f"{path}: not CSV in the record that starts on line {line + 1} ({error}); "
                "double the quotes within a quoted cell"
            ) from None


def read_parquet(path: Path, needed: Sequence[str]) -> Iterator[RawRow]:
    """Yield the rows of a Parquet file; nulls are left out of their row, except those of content and label.

    Args:
        path: The file.
        needed: The required columns.

    Raises:
        DataError: The file is not Parquet, is damaged, or lacks a column.
    """
    for start, columns in read_parquet_columns(path, needed):
        yield from rows_of_columns(start, columns)


def read_parquet_columns(path: Path, needed: Sequence[str]) -> Iterator[tuple[int, dict[str, list[Any]]]]:
    """Yield the columns of a Parquet file, a batch of rows at a time, with the number of rows before the batch.

    Raises:
        DataError: As `read_parquet`.
    """
    import pyarrow as pa  # noqa: PLC0415 # heavy, and only this format needs it
    import pyarrow.parquet as pq  # noqa: PLC0415

    start = 0
    try:
        with pq.ParquetFile(path) as file:
            _check_columns(path, file.schema_arrow.names, needed)
            for batch in file.iter_batches(batch_size=_ROWS_PER_BATCH):
                columns = batch.to_pydict()
                yield start, columns
                start += batch.num_rows
    except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path}: not a Parquet file that can be read ({reason}), after row {start}") from None


def rows_of_columns(start: int, columns: Mapping[str, Sequence[Any]]) -> Iterator[RawRow]:
    """Yield the rows of a batch of columns that has `start` rows before it."""
    for number, values in enumerate(zip(*columns.values(), strict=True), start + 1):
        pairs = zip(columns, values, strict=True)
        yield RawRow(number, {c: value for c, value in pairs if value is not None or c in ("content", "label")})


def _check_columns(path: Path, columns: list[str], needed: Sequence[str]) -> None:
    for name in needed:
        if name not in columns:
            raise DataError(f"{path}: {missing_field(name, columns, noun='column')}")
    repeated = sorted({name for name in columns if columns.count(name) > 1})
    if repeated:
        raise DataError(f"{path}: found the column {format_value(repeated[0])} more than once; expected each name once")
