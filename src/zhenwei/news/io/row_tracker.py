"""Track a file while its rows are read: bad rows, repeated ids, and the checks at its end."""

import itertools
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np

from zhenwei.errors import DataError
from zhenwei.news.fields import format_value
from zhenwei.news.io.emotion_file import check_row_count
from zhenwei.news.io.raw_row import RawRow
from zhenwei.news.io.readers import read_rows
from zhenwei.news.io.validation import BadRows, DuplicateIds, parse_article

_logger = logging.getLogger(__name__)


class RowTracker:
    """Counts the rows of a file, collects what is wrong with them, and finds the emotion vector of each.

    Args:
        path: The file.
        emotions: The vectors `[rows, F]` of its emotion file, or None.
        report_repeats: Whether to log repeated ids at the end of the file.
        on_bad_row: Called for each bad row; bad rows then raise no error at the end of the file.
    """

    def __init__(
        self,
        path: Path,
        emotions: np.ndarray | None,
        report_repeats: bool,
        on_bad_row: Callable[[RawRow, str], None] | None = None,
    ) -> None:
        self._path, self._emotions, self._on_bad_row = path, emotions, on_bad_row
        self._bad_rows = BadRows(path)
        self._ids = DuplicateIds() if report_repeats else None
        self._rows = 0

    def start_row(self, number: int) -> bool:
        """Count a row; return False if it is beyond the last emotion vector, and so cannot be read."""
        self._rows = number
        return self._emotions is None or number <= len(self._emotions)

    def emotion(self, number: int) -> np.ndarray | None:
        """Return the vector that the emotion file has for a row."""
        return None if self._emotions is None else self._emotions[number - 1]

    def emotions(self, start: int, count: int) -> np.ndarray | None:
        """Return the vectors of the `count` rows after row `start`; fewer if the emotion file ends earlier."""
        return None if self._emotions is None else self._emotions[start : start + count]

    def add_id(self, number: int, identity: str | None) -> None:
        """Record the id of a good row."""
        if self._ids is not None and identity is not None:
            self._ids.add(number, identity)

    def add_bad_row(self, row: RawRow, problem: str) -> None:
        """Record a bad row."""
        if self._on_bad_row is None:
            self._bad_rows.add(row.location, problem)
        else:
            self._on_bad_row(row, problem)

    def finish(self) -> None:
        """Check the file as a whole after its last row, and log repeated ids.

        Raises:
            DataError: The file has no rows or has bad ones, or its emotion file has another number of vectors.
        """
        if self._rows == 0:
            raise DataError(f"{self._path}: found no rows; expected at least one article")
        if self._emotions is not None:
            check_row_count(self._path, self._emotions, self._rows)
        if self._ids is not None:
            _warn_about_repeated_ids(self._path, self._ids)
        self._bad_rows.raise_if_any(self._rows)


def _warn_about_repeated_ids(path: Path, ids: DuplicateIds) -> None:
    count, pair = ids.repeats()
    if pair is None:
        return
    # `ids` holds digests only: read the id to show from the file again.
    row = next(itertools.islice(read_rows(path), pair[1] - 1, None))
    identity = parse_article(row.value, require_label=False).id
    _logger.warning(
        "%s: %d rows repeat the id of an earlier row; the first is %s in rows %d and %d",
        *(path, count, format_value(identity), *pair),
    )
