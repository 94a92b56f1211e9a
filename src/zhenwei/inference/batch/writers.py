"""Verdicts to a file, one by one: JSON lines, CSV and Parquet with the same columns, and memory that stays flat."""

import csv
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Literal, get_args

from zhenwei.inference.prediction import Prediction

ShardFormat = Literal["jsonl", "csv", "parquet"]
SHARD_FORMATS: tuple[str, ...] = get_args(ShardFormat)

Write = Callable[[int, Prediction], None]  # takes the number of the row in its input, and the verdict on it

COLUMNS = ("id", "row", "text", "verdict", "probability", "threshold", "warnings")
_ROWS_PER_GROUP = 16_384  # rows of Parquet that wait to be written together


def shard_writer(path: Path, format: str, with_text: bool) -> AbstractContextManager[Write]:
    """Open a file for verdicts; every shard has the columns of every other, whatever its input has.

    Args:
        path: The file.
        format: One of `SHARD_FORMATS`.
        with_text: Whether the texts are written, too.

    Returns:
        A context that gives the function to write with, and closes the file.

    Raises:
        OSError: It cannot be written.
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
            writer.writerow({**values, "warnings": "; ".join(values["warnings"])})

        yield write


@contextmanager
def _parquet(path: Path, columns: list[str]) -> Iterator[Write]:
    import pyarrow as pa  # noqa: PLC0415 - heavy, and only this format needs it
    import pyarrow.parquet as pq  # noqa: PLC0415

    types = {
        **dict.fromkeys(("id", "text", "verdict"), pa.string()),
        "row": pa.int64(),
        **dict.fromkeys(("probability", "threshold"), pa.float64()),
        "warnings": pa.list_(pa.string()),
    }
    schema = pa.schema([(name, types[name]) for name in columns])
    waiting: list[dict[str, Any]] = []
    with pq.ParquetWriter(path, schema) as file:

        def flush() -> None:
            file.write_table(pa.Table.from_pylist(waiting, schema))
            waiting.clear()

        def write(row: int, prediction: Prediction) -> None:
            waiting.append(_values(columns, row, prediction))
            if len(waiting) == _ROWS_PER_GROUP:
                flush()

        yield write
        flush()


_OPENERS: dict[str, Callable[[Path, list[str]], AbstractContextManager[Write]]] = {
    "jsonl": _jsonl,
    "csv": _csv,
    "parquet": _parquet,
}


def _values(columns: list[str], row: int, prediction: Prediction) -> dict[str, Any]:
    values = {
        "id": prediction.id,
        "row": row,
        "text": prediction.text,
        "verdict": prediction.verdict,
        "probability": prediction.probability,
        "threshold": prediction.threshold,
        "warnings": list(prediction.warnings),
    }
    return {name: values[name] for name in columns}
