"""The account of a file that is being read: its rows, its bad rows, the ids that repeat, and what its end must hold."""

import itertools
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np

from zhenwei.errors import DataError
from zhenwei.news.fields import format_value
from zhenwei.news.io.emotion_file import check_row_count
from zhenwei.news.io.readers import RawRow, read_rows
from zhenwei.news.io.validation import BadRowError, BadRows, DuplicateIds, article_of, row_location

_logger = logging.getLogger(__name__)


class RowTracker:
    """What is known of a file so far.

    Args:
        path: The file.
        emotions: The vectors `[rows, F]` that stand beside it, or None.
        report_repeats: Whether to log repeated ids when the file ends.
        on_bad_row: Is told of each bad row in place of the error at the end.
    """

    def __init__(
        self,
        path: Path,
        emotions: np.ndarray | None,
        report_repeats: bool,
        on_bad_row: Callable[[RawRow, str], None] | None = None,
    ) -> None:
        self._path, self._emotions, self._on_bad_row = path, emotions, on_bad_row
        self._bad = BadRows(path)
        self._ids = DuplicateIds() if report_repeats else None
        self._rows = 0

    def enter(self, number: int) -> bool:
        """Note a row's number; tell whether the row can be read: beyond the last vector, it is only counted."""
        self._rows = number
        return self._emotions is None or number <= len(self._emotions)

    def emotion(self, number: int) -> np.ndarray | None:
        """Return the vector that stands beside a row."""
        return None if self._emotions is None else self._emotions[number - 1]

    def good(self, number: int, identity: str | None) -> None:
        """Note a good row's id."""
        if self._ids is not None and identity is not None:
            self._ids.add(number, identity)

    def bad(self, row: RawRow, problem: BadRowError) -> None:
        """Note a bad row."""
        if self._on_bad_row is None:
            self._bad.add(row_location(row), str(problem))
        else:
            self._on_bad_row(row, str(problem))

    def close(self) -> None:
        """End the account where the file has ended, and log the ids that repeat.

        Raises:
            DataError: There were no rows, or bad ones, or the vectors beside the file are more or fewer than its rows.
        """
        if self._rows == 0:
            raise DataError(f"{self._path}: found no rows; expected at least one article")
        if self._emotions is not None:
            check_row_count(self._path, self._emotions, self._rows)
        if self._ids is not None:
            _warn_of_repeated_ids(self._path, self._ids)
        self._bad.raise_if_any(self._rows)


def _warn_of_repeated_ids(path: Path, ids: DuplicateIds) -> None:
    count, pair = ids.repeats()
    if pair is None:
        return
    # The account holds digests, not ids: fetch the one to show from the file.
    row = next(itertools.islice(read_rows(path), pair[1] - 1, None))
    identity = article_of(row, require_label=False).id
    _logger.warning(
        "%s: %d rows repeat the id of an earlier row; the first is %s in rows %d and %d",
        *(path, count, format_value(identity), *pair),
    )
