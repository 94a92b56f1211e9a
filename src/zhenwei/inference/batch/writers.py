"""Write predictions one by one as JSON lines, CSV or Parquet, with the same columns and constant memory."""

import csv
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Literal, get_args

from zhenwei.inference.prediction import Prediction

ShardFormat = Literal["jsonl", "csv", "parquet"]
SHARD_FORMATS: tuple[str, ...] = get_args(ShardFormat)

Write = Callable[[int, Prediction], None]  # of the row number in the input, and the prediction

LISTS = ("reasons", "warnings")  # columns with several texts
COLUMNS = ("id", "row", "text", "verdict", "probability", "threshold", "reasons", "warnings")
_ROW_GROUP_SIZE = 16_384  # rows of a Parquet row group


def shard_writer(path: Path, format: str, with_text: bool) -> AbstractContextManager[Write]:
    """Open a file for predictions; its columns do not depend on the input.

    Args:
        path: The file.
        format: One of `SHARD_FORMATS`.
        with_text: Whether to write the texts.

    Returns:
        A context manager that returns the function to write with, and closes the file.

    Raises:
        OSError: If the file cannot be written.
    """
    columns = [name for name in COLUMNS if with_text or name != "text"]
    return _OPENERS[format](path, columns)


@contextmanager
def _jsonl(path: Path, columns: list[str]) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", newline="\n") as file:

        def write(row: int, prediction: Prediction) -> None:
            file.write(json.dumps(_values(columns, row, prediction), ensure_ascii=False) + "\n")

        yield write


@contextmanager
def _csv(path: Path, columns: list[str]) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()

        def write(row: int, prediction: Prediction) -> None:
            values = _values(columns, row, prediction)
            writer.writerow({name: "; ".join(value) if name in LISTS else value for name, value in values.items()})

        yield write


@contextmanager
def _parquet(path: Path, columns: list[str]) -> Iterator[Write]:
    import pyarrow as pa  # noqa: PLC0415 - heavy; only this format needs it
    import pyarrow.parquet as pq  # noqa: PLC0415

    types = {
        **dict.fromkeys(("id", "text", "verdict"), pa.string()),
        "row": pa.int64(),
        **dict.fromkeys(("probability", "threshold"), pa.float64()),
        **dict.fromkeys(LISTS, pa.list_(pa.string())),
    }
    schema = pa.schema([(name, types[name]) for name in columns])
    row_group: list[dict[str, Any]] = []
    with pq.ParquetWriter(path, schema) as file:

        def flush() -> None:
            file.write_table(pa.Table.from_pylist(row_group, schema))
            row_group.clear()

        def write(row: int, prediction: Prediction) -> None:
            row_group.append(_values(columns, row, prediction))
            if len(row_group) == _ROW_GROUP_SIZE:
                flush()

        yield write
        flush()


_OPENERS: dict[str, Callable[[Path, list[str]], AbstractContextManager[Write]]] = {
    "jsonl": _jsonl,
    "csv": _csv,
    "parquet": _parquet,
}


def _values(columns: list[str], row: int, prediction: Prediction) -> dict[str, Any]:
    values = {**vars(prediction), "row": row, "reasons": [reason.code for reason in prediction.reasons]}
    return {name: values[name] for name in columns}
