"""How findings are worded: shares, examples, and what could not be checked."""

import unicodedata
from collections.abc import Iterable, Sequence

from zhenwei.audit.dataset import Collection
from zhenwei.audit.findings import Finding, Plot, Table
from zhenwei.audit.thresholds import BOUNDS

SHOWN = 5  # examples of a finding
_LENGTH = 80  # characters of an example


def finding(
    check: str,
    title: str,
    found: str,
    value: float | None,
    *,
    advice: str = "",
    tables: Iterable[Table] = (),
    plots: Iterable[Plot] = (),
) -> Finding:
    """Hold a value against the bound of its check; advice is kept only where something is wrong."""
    bound = BOUNDS[check]
    status = bound.grade(value)
    kept = tuple(table for table in tables if table.rows)
    number = None if value is None else float(value)
    return Finding(check, title, status, found, str(bound), number, advice if status != "good" else "", kept, (*plots,))


def unchecked(check: str, title: str, why: str) -> Finding:
    """Say that a check could not be made, and why."""
    return Finding(check, title, "good", f"not checked: {why}", str(BOUNDS[check]))


def share(part: int, whole: int, of: str = "articles") -> str:
    """Return "109 of 1,918 articles (5.7%)"; what is below 1% has two digits behind the point."""
    percent = 100 * part / whole if whole else 0.0
    digits = 2 if 0 < percent < 1 else 1
    return f"{part:,} of {whole:,} {of} ({percent:.{digits}f}%)"


def beginning(text: str, length: int = _LENGTH) -> str:
    """Return the beginning of a text on one line, with its control characters spelled."""
    flat = "".join(c if c.isprintable() else " " if c.isspace() else f"<{ord(c):04X}>" for c in text[: 2 * length])
    flat = " ".join(flat.split())
    return flat if len(flat) <= length and len(text) <= 2 * length else flat[: length - 1] + "…"


def spelled(gram: str) -> str:
    """Return an n-gram as it can be read: what cannot be seen is named."""
    if gram.isprintable() and not any(c.isspace() or unicodedata.combining(c) for c in gram):
        return gram
    return " ".join(c if c.isprintable() and not c.isspace() else _named(c) for c in gram)


def examples(collection: Collection, rows: Sequence[int], caption: str) -> Table:
    """Return a table of some articles."""
    columns = ("part", "row", "label", "text")
    cells = [(*collection.place(row), collection.label(row), beginning(collection.texts[row])) for row in rows[:SHOWN]]
    return Table(caption, columns, tuple(cells))


def pairs(collection: Collection, rows: Sequence[tuple[int, int]], caption: str) -> Table:
    """Return a table of pairs of articles, each the one and the other."""
    cells = []
    for one, other in rows[:SHOWN]:
        for row in (one, other):
            cells.append((*collection.place(row), collection.label(row), beginning(collection.texts[row])))
    return Table(caption, ("part", "row", "label", "text"), tuple(cells))


def _named(character: str) -> str:
    name = unicodedata.name(character, "")
    return f"U+{ord(character):04X}" + (f" {name}" if name else "")
