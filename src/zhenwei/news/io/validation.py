"""Validate raw rows: turn each into an article, or collect why it cannot be one."""

import hashlib
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from zhenwei.errors import DataError
from zhenwei.news.article import Article, ArticleError
from zhenwei.news.io.field_suggestions import missing_field

_MAX_SHOWN = 10
_JSON_TYPES = {bool: "a boolean", str: "a string", int: "a number", float: "a number", list: "an array"}


class BadRowError(Exception):
    """One row cannot become an article; the message says why, without naming file and row."""


def parse_article(values: object, *, require_label: bool, emotion: np.ndarray | None = None) -> Article:
    """Build an article from the content of a raw row.

    Args:
        values: The fields by name.
        require_label: Whether a row without a label is bad.
        emotion: The row's vector from the emotion file, used unless the row has its own.

    Raises:
        BadRowError: The row cannot be used.
    """
    if not isinstance(values, dict):
        found = "null" if values is None else _JSON_TYPES[type(values)]
        raise BadRowError(f"found {found}; expected an object with 'content'")
    if "content" not in values:
        raise BadRowError(missing_field("content", list(values)))
    if emotion is not None and values.get("emotion") is None:
        values = {**values, "emotion": emotion.tolist()}
    try:
        article = Article.from_row(values)
    except ArticleError as error:
        raise BadRowError(str(error)) from None
    if require_label and article.label is None:
        if "label" in values:
            raise BadRowError("field 'label': found nothing (or null); expected 'real', 'fake', 0 or 1")
        raise BadRowError(missing_field("label", list(values)))
    return article


class BadRows:
    """The bad rows of a file: all are counted, the first ten are shown.

    Attributes:
        count: Number of bad rows.
    """

    def __init__(self, source: Path) -> None:
        self._source = source
        self.count = 0
        self._first: list[str] = []

    def add(self, location: str, problem: str) -> None:
        """Count one bad row.

        Args:
            location: Where it is within the source, such as "row 7".
            problem: What was found, and what was expected.
        """
        self.count += 1
        if len(self._first) < _MAX_SHOWN:
            separator = ", " if problem.startswith("field ") else ": "
            self._first.append(f"{self._source.name}, {location}{separator}{problem}")

    @contextmanager
    def collect(self, location: str) -> Iterator[None]:
        """Count a bad row if the block raises a `BadRowError`, which ends there."""
        try:
            yield
        except BadRowError as problem:
            self.add(location, str(problem))

    def raise_if_any(self, rows: int) -> None:
        """Raise if there are bad rows.

        Args:
            rows: Number of rows of the source.

        Raises:
            DataError: There are bad rows.
        """
        if not self.count:
            return
        header = f"{self._source}: {self.count} of {rows} rows cannot be used"
        if self.count > len(self._first):
            header += f"; the first {len(self._first)}"
        raise DataError("\n  ".join([header + ":", *self._first]))


class DuplicateIds:
    """Finds rows that repeat the id of an earlier row, at sixteen bytes per row whatever the length of the ids."""

    def __init__(self) -> None:
        self._digests = array("Q")
        self._rows = array("Q")

    def add(self, row: int, identity: str) -> None:
        """Record the id of one row."""
        # Eight bytes of a digest: among a billion ids, the chance of a false alarm is 1 in 37.
        digest = hashlib.blake2b(identity.encode("utf-8"), digest_size=8).digest()
        self._digests.append(int.from_bytes(digest, "little"))
        self._rows.append(row)

    def repeats(self) -> tuple[int, tuple[int, int] | None]:
        """Return how many rows repeat an earlier id, and the first such pair of rows (earlier, later)."""
        digests = np.array(self._digests, np.uint64)
        order = np.argsort(digests, kind="stable")  # stable: rows of one id stay in the order of the file
        repeated = np.flatnonzero(digests[order][1:] == digests[order][:-1]) + 1
        if repeated.size == 0:
            return 0, None
        first = repeated[np.argmin(order[repeated])]
        return int(repeated.size), (self._rows[order[first - 1]], self._rows[order[first]])
