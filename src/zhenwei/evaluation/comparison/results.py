"""Result files of a comparison: JSON, CSV and Markdown."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from zhenwei.atomic import write_atomic
from zhenwei.bundle.weights import write_json
from zhenwei.evaluation.comparison.records import Comparison
from zhenwei.evaluation.comparison.table import csv_rows, markdown


def write_results(comparison: Comparison, folder: Path) -> None:
    """Write `comparison.csv`, `.md` and `.json`, each atomically.

    Raises:
        OSError: If a file cannot be written; the older one does not change.
    """
    write_csv(list(csv_rows(comparison)), folder / "comparison.csv")
    write_atomic(markdown(comparison), folder / "comparison.md")
    write_json(comparison.to_dict(), folder / "comparison.json")


def write_csv(rows: Sequence[Mapping[str, object]], path: Path) -> None:
    """Write rows with the same columns as CSV, atomically.

    Raises:
        OSError: If the file cannot be written; the older one does not change.
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomic(text.getvalue(), path)
