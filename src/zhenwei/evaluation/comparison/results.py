"""Result files of a comparison: JSON, CSV and Markdown."""

import csv
import io
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
    rows = list(csv_rows(comparison))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomic(text.getvalue(), folder / "comparison.csv")
    write_atomic(markdown(comparison), folder / "comparison.md")
    write_json(comparison.to_dict(), folder / "comparison.json")
