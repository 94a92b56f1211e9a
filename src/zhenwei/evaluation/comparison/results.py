"""The results of a comparison as files: JSON, CSV, Markdown and HTML."""

import csv
import io
from pathlib import Path

from zhenwei.atomic import write_atomic
from zhenwei.bundle.weights import write_json
from zhenwei.evaluation.comparison.records import Comparison
from zhenwei.evaluation.comparison.table import csv_rows, markdown


def write_results(comparison: Comparison, folder: Path) -> None:
    """Write `comparison.json`, `.csv`, `.md` and `.html`, each whole or not at all.

    Raises:
        OSError: If one cannot be written; older ones are left as they were.
    """
    from zhenwei.evaluation.report import write_comparison_page  # noqa: PLC0415  # matplotlib

    rows = list(csv_rows(comparison))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomic(text.getvalue(), folder / "comparison.csv")
    write_atomic(markdown(comparison), folder / "comparison.md")
    write_comparison_page(comparison, folder / "comparison.html")
    write_json(comparison.to_dict(), folder / "comparison.json")
