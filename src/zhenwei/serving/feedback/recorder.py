"""Records feedback for the service: counts predictions in memory, and uses the database in a thread."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from zhenwei.inference import Prediction
from zhenwei.serving.feedback.drift import drift
from zhenwei.serving.feedback.store import FeedbackStore, Review, WeekCount, week_of
from zhenwei.serving.feedback.tables import reason_of
from zhenwei.serving.http.errors import unavailable

logger = logging.getLogger(__name__)

T = TypeVar("T")
MAX_WAITING = 64  # requests that wait for the database


class FeedbackRecorder:
    """Stores reviews and counts predictions. Predictions do not depend on the database: they work if it fails.

    Args:
        store: The database; closed with the recorder.
    """

    def __init__(self, store: FeedbackStore) -> None:
        self.store = store
        self._counts: dict[tuple[str, str], WeekCount] = {}
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="feedback")
        self._waiting = 0

    def count(self, predictions: Iterable[Prediction], version: str) -> None:
        """Count predictions in memory; `flush` writes them."""
        week = week_of(datetime.now(UTC))
        with self._lock:
            counts = self._counts.setdefault((week, version), WeekCount())
            for prediction in predictions:
                counts.predictions += 1
                if prediction.verdict == "unsure":
                    counts.unsure += 1
                    continue
                fake = prediction.verdict == "fake"
                counts.fakes += fake
                counts.confidence += prediction.probability if fake else 1.0 - prediction.probability

    def flush(self) -> bool:
        """Write the counts; return whether it succeeded. If not, they stay in memory."""
        with self._lock:
            pending, self._counts = self._counts, {}
        if not pending:
            return True
        try:
            self.store.count(pending)
        except SQLAlchemyError as error:
            logger.error("could not write the counts of predictions, they stay in memory: %s", reason_of(error))
            with self._lock:
                for key, counts in pending.items():
                    self._counts.setdefault(key, WeekCount()).add(counts)
            return False
        return True

    async def flush_in_thread(self) -> bool:
        """Write the counts in the database's thread; see `flush`."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self.flush)

    async def add(self, review: Review) -> int:
        """Store a review, and return its number.

        Raises:
            ApiError: 503: too many requests wait for the database, or it failed; the review was not stored.
        """
        return await self._in_thread(lambda: self.store.add(review))

    async def drift(self, weeks: int) -> list[dict[str, Any]]:
        """Return predictions and reviews per week; see `drift.drift`.

        Raises:
            ApiError: 503: too many requests wait for the database, or it failed.
        """

        def read() -> list[dict[str, Any]]:
            self.flush()
            return drift(self.store, weeks)

        return await self._in_thread(read)

    def close(self) -> None:
        """Write the counts, and close the database."""
        self._thread.shutdown()
        self.flush()
        self.store.close()

    async def _in_thread(self, function: Callable[[], T]) -> T:
        if self._waiting >= MAX_WAITING:
            raise unavailable(f"busy: {MAX_WAITING} requests wait for the database; try again later", 2)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, function)
        except SQLAlchemyError as error:
            logger.error("the feedback database failed: %s", reason_of(error))
            raise unavailable("the feedback database failed; nothing was stored, try again later", 10) from None
        finally:
            self._waiting -= 1
