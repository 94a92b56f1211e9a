"""Build findings, and format their shares, n-grams and examples."""

import unicodedata
from collections.abc import Iterable, Sequence

from zhenwei.audit.dataset import AuditDataset
from zhenwei.audit.findings import Finding, Plot, Table
from zhenwei.audit.thresholds import THRESHOLDS

MAX_EXAMPLES = 5
_EXCERPT_LENGTH = 80  # characters


def make_finding(
    check: str,
    title: str,
    summary: str,
    value: float | None,
    *,
    advice: str = "",
    tables: Iterable[Table] = (),
    plots: Iterable[Plot] = (),
) -> Finding:
    """Compare a value with the threshold of its check; the advice is dropped if the status is good."""
    threshold = THRESHOLDS[check]
    status = threshold.status_of(value)
    filled = tuple(table for table in tables if table.rows)
    number = None if value is None else float(value)
    if status == "good":
        advice = ""
    return Finding(check, title, status, summary, str(threshold), number, advice, filled, (*plots,))


def not_checked(check: str, title: str, reason: str) -> Finding:
    """Return the finding of a check that could not be made."""
    return Finding(check, title, "good", f"not checked: {reason}", str(THRESHOLDS[check]))


def format_share(count: int, total: int, noun: str = "articles") -> str:
    """Return "109 of 1,918 articles (5.7%)"; a share below 1% has two decimals."""
    percent = 100 * count / total if total else 0.0
    digits = 2 if 0 < percent < 1 else 1
    return f"{count:,} of {total:,} {noun} ({percent:.{digits}f}%)"


def excerpt(text: str, length: int = _EXCERPT_LENGTH) -> str:
    """Return the beginning of a text on one line; control characters become their code point."""
    flat = "".join(c if c.isprintable() else " " if c.isspace() else f"<{ord(c):04X}>" for c in text[: 2 * length])
    flat = " ".join(flat.split())
    return flat if len(flat) <= length and len(text) <= 2 * length else flat[: length - 1] + "…"


def readable_ngram(ngram: str) -> str:
    """Return an n-gram with its invisible characters replaced by their names."""
    if ngram.isprintable() and not any(c.isspace() or unicodedata.combining(c) for c in ngram):
        return ngram
    return " ".join(c if c.isprintable() and not c.isspace() else _name_of(c) for c in ngram)


def examples_table(dataset: AuditDataset, rows: Sequence[int], caption: str, limit: int = MAX_EXAMPLES) -> Table:
    """Return a table of the first few of some articles."""
    cells = [(*dataset.location(row), dataset.label(row), excerpt(dataset.texts[row])) for row in rows[:limit]]
    return Table(caption, ("part", "row", "label", "text"), tuple(cells))


def pairs_table(dataset: AuditDataset, pairs: Sequence[tuple[int, int]], caption: str) -> Table:
    """Return a table of the first few of some pairs of articles, two rows each."""
    return examples_table(dataset, [row for pair in pairs for row in pair], caption, 2 * MAX_EXAMPLES)


def _name_of(character: str) -> str:
    name = unicodedata.name(character, "")
    return f"U+{ord(character):04X}" + (f" {name}" if name else "")
