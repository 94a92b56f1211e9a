"""The service's side of the feedback: it counts predictions in memory, and lets the database wait in a thread."""

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
from zhenwei.serving.http.errors import too_busy

logger = logging.getLogger(__name__)

T = TypeVar("T")
MAX_WAITING = 64  # requests that may wait for the database


class FeedbackDesk:
    """Takes reviews and counts predictions for a service; a database that fails never keeps it from predicting.

    Args:
        store: The database; closed with the desk.
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
            counted = self._counts.setdefault((week, version), WeekCount())
            for prediction in predictions:
                fake = prediction.verdict == "fake"
                counted.predictions += 1
                counted.fakes += fake
                counted.confidence += prediction.probability if fake else 1.0 - prediction.probability

    def flush(self) -> bool:
        """Write what was counted; return whether that went well. Else it is kept for the next time."""
        with self._lock:
            counts, self._counts = self._counts, {}
        if not counts:
            return True
        try:
            self.store.count(counts)
        except SQLAlchemyError as error:
            logger.error("the counts of predictions were not written, and are kept: %s", reason_of(error))
            with self._lock:
                for key, counted in counts.items():
                    self._counts.setdefault(key, WeekCount()).add(counted)
            return False
        return True

    async def flushed(self) -> bool:
        """Write what was counted, in the database's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self.flush)

    async def add(self, review: Review) -> int:
        """Keep a review, and return its number.

        Raises:
            Refusal: 503: too many wait for the database, or it failed; the review was not kept.
        """
        return await self._in_thread(lambda: self.store.add(review))

    async def drift(self, weeks: int) -> list[dict[str, Any]]:
        """Return what changed from week to week; see `drift.drift`.

        Raises:
            Refusal: 503: too many wait for the database, or it failed.
        """

        def read() -> list[dict[str, Any]]:
            self.flush()
            return drift(self.store, weeks)

        return await self._in_thread(read)

    def close(self) -> None:
        """Write what was counted, and close the database."""
        self._thread.shutdown()
        self.flush()
        self.store.close()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._waiting >= MAX_WAITING:
            raise too_busy(f"busy: {MAX_WAITING} requests wait for the database; try again later", 2)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except SQLAlchemyError as error:
            logger.error("the database of the feedback failed: %s", reason_of(error))
            raise too_busy(
                "the database of the feedback does not answer; nothing was kept, try again later", 10
            ) from None
        finally:
            self._waiting -= 1
