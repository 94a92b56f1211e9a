"""From raw rows to articles, with an account of the rows that cannot be used."""

import hashlib
from array import array
from pathlib import Path

import numpy as np
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from zhenwei.errors import DataError
from zhenwei.news.article import Article
from zhenwei.news.fields import format_value
from zhenwei.news.io.field_suggestions import missing_field
from zhenwei.news.io.readers import RawRow

_ROWS_SHOWN = 10
_KINDS = {bool: "a boolean", str: "a string", int: "a number", float: "a number", list: "an array"}


class BadRowError(Exception):
    """One row cannot become an article; the message says why, without naming file and row."""


def article_of(row: RawRow, *, require_label: bool, emotion: np.ndarray | None = None) -> Article:
    """Check one raw row.

    Args:
        row: The row as read.
        require_label: Whether a row without a label is bad.
        emotion: The row's features from the neighbour file, used unless the row has its own.

    Raises:
        BadRowError: It cannot be used.
    """
    if row.problem is not None:
        raise BadRowError(row.problem)
    if not isinstance(row.value, dict):
        found = "null" if row.value is None else _KINDS[type(row.value)]
        raise BadRowError(f"found {found}; expected an object with 'content'")
    values = row.value
    if emotion is not None and values.get("emotion") is None:
        values = {**values, "emotion": emotion.tolist()}
    if "content" not in values:
        raise BadRowError(missing_field("content", list(values)))
    try:
        article = Article.model_validate(values)
    except ValidationError as error:
        raise BadRowError("; ".join(map(_problem, error.errors()))) from None
    if require_label and article.label is None:
        if "label" in values:
            raise BadRowError("field 'label': found nothing (or null); expected 'real', 'fake', 0 or 1")
        raise BadRowError(missing_field("label", list(values)))
    return article


def _problem(error: ErrorDetails) -> str:
    """Say what is wrong with a field; with its name, where that is what is wrong."""
    if error["loc"]:
        return f"field '{error['loc'][0]}': {error['msg']}"
    return f"found a field named {format_value(error['input'])}; expected a name without lone surrogates"


class BadRows:
    """The account of a file's bad rows: all are counted, the first ten are kept to be shown."""

    def __init__(self, source: Path) -> None:
        self._source = source
        self._count = 0
        self._first: list[str] = []

    @property
    def count(self) -> int:
        """How many there are."""
        return self._count

    def add(self, place: str, problem: str) -> None:
        """Count one bad row.

        Args:
            place: Where it stands within the source, such as "row 7".
            problem: What is wrong: what was found, and what was expected.
        """
        self._count += 1
        if len(self._first) < _ROWS_SHOWN:
            comma = ": " if not problem.startswith("field ") else ", "
            self._first.append(f"{self._source.name}, {place}{comma}{problem}")

    def raise_if_any(self, rows: int) -> None:
        """End the account of a source with so many rows.

        Raises:
            DataError: There were bad rows.
        """
        if not self._count:
            return
        of = f"{self._source}: {self._count} of {rows} rows cannot be used"
        if self._count > len(self._first):
            of += f"; the first {len(self._first)}"
        raise DataError("\n  ".join([of + ":", *self._first]))


def row_location(row: RawRow) -> str:
    """Where a row stands: its number, and its line if that is another one."""
    return f"row {row.number}" if row.line in (None, row.number) else f"row {row.number} (line {row.line})"


class DuplicateIds:
    """Which rows repeat the id of an earlier one, at sixteen bytes a row however long the ids are."""

    def __init__(self) -> None:
        self._digests = array("Q")
        self._rows = array("Q")

    def add(self, row: int, identity: str) -> None:
        """Note the id of one row."""
        # Eight bytes of a digest: among a billion ids, a false alarm has a chance of 1 in 37.
        digest = hashlib.blake2b(identity.encode("utf-8"), digest_size=8).digest()
        self._digests.append(int.from_bytes(digest, "little"))
        self._rows.append(row)

    def repeats(self) -> tuple[int, tuple[int, int] | None]:
        """How many rows repeat an earlier id, and the first such pair of rows (earlier, later)."""
        digests = np.frombuffer(self._digests, dtype=np.uint64) if self._digests else np.empty(0, np.uint64)
        order = np.argsort(digests, kind="stable")  # stable: rows of one id stay in the order of the file
        again = np.flatnonzero(digests[order][1:] == digests[order][:-1]) + 1
        if again.size == 0:
            return 0, None
        first = again[np.argmin(order[again])]
        return int(again.size), (self._rows[order[first - 1]], self._rows[order[first]])
