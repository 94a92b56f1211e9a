"""Storage of reviews and weekly counts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Engine, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from zhenwei.serving.feedback.tables import open_database, reviews, weekly_predictions

ROWS_AT_ONCE = 1000


def week_of(time: datetime) -> str:
    """Return the ISO week of a time, as in `2026-W07`; weeks sort as text."""
    year, week, _ = time.isocalendar()
    return f"{year:04}-W{week:02}"


@dataclass(frozen=True)
class Review:
    """A reviewer's verdict on a text.

    Attributes:
        text: The text.
        verdict: The reviewer's verdict.
        bundle_name: The name of the served bundle.
        bundle_version: The version of the bundle that made the prediction.
        predicted_verdict: The predicted verdict, if known.
        predicted_probability: The predicted probability, if known.
        comment: The reviewer's reasons.
        reviewer: The reviewer's name.
    """

    text: str
    verdict: str
    bundle_name: str
    bundle_version: str
    predicted_verdict: str | None = None
    predicted_probability: float | None = None
    comment: str | None = None
    reviewer: str | None = None


@dataclass
class WeekCount:
    """Predictions of one bundle in a week: all, fakes, unsure, and the sum of the verdicts' probabilities."""

    predictions: int = 0
    fakes: int = 0
    confidence: float = 0.0
    unsure: int = 0

    def add(self, other: "WeekCount") -> None:
        """Add other counts."""
        self.predictions += other.predictions
        self.fakes += other.fakes
        self.unsure += other.unsure
        self.confidence += other.confidence


Counts = Mapping[tuple[str, str], WeekCount]  # by week and bundle version


class FeedbackStore:
    """The feedback database. Threads can share it; every method blocks.

    Every method raises `sqlalchemy.exc.SQLAlchemyError` if the database fails, and then writes nothing.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def open(cls, target: str, *, create: bool = True) -> "FeedbackStore":
        """Open a database; see `open_database`.

        Raises:
            ConfigError: If it cannot be used.
        """
        return cls(open_database(target, create=create))

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def add(self, review: Review, time: datetime | None = None) -> int:
        """Store a review, and return its number."""
        time = (time or datetime.now(UTC)).astimezone(UTC)
        row = {
            **vars(review),
            "time": time.replace(tzinfo=None),
            "week": week_of(time),
            "text_sha256": text_digest(review.text),
        }
        with self.engine.begin() as connection:
            key = connection.execute(insert(reviews).values(row)).inserted_primary_key
        assert key is not None
        return int(key[0])

    def count(self, counts: Counts) -> None:
        """Add to the weekly counts, all or none of them."""
        with self.engine.begin() as connection:
            for (week, version), count in sorted(counts.items()):  # in a fixed order: processes cannot deadlock
                if not _increase(connection, week, version, count):
                    _insert(connection, week, version, count)

    def latest(self) -> Iterator[Mapping[str, Any]]:
        """Yield the latest review of each text, in the order of the reviews, in constant memory."""
        newest = select(func.max(reviews.c.id)).group_by(reviews.c.text_sha256).scalar_subquery()
        query = select(reviews).where(reviews.c.id.in_(newest)).order_by(reviews.c.id)
        with self.engine.connect() as connection:
            rows = connection.execution_options(yield_per=ROWS_AT_ONCE).execute(query)
            for row in rows.mappings():
                yield dict(row)

    def total(self) -> int:
        """Return the number of reviews."""
        with self.engine.connect() as connection:
            return int(connection.execute(select(func.count()).select_from(reviews)).scalar_one())


def text_digest(text: str) -> str:
    """Return the SHA-256 of a text without the white space around it."""
    return sha256(text.strip().encode("utf-8")).hexdigest()


def _increase(connection: Connection, week: str, version: str, count: WeekCount) -> bool:
    """Add to a row; return whether it exists."""
    columns = weekly_predictions.c
    changed = connection.execute(
        update(weekly_predictions)
        .where(columns.week == week, columns.bundle_version == version)
        .values(
            predictions=columns.predictions + count.predictions,
            fakes=columns.fakes + count.fakes,
            unsure=columns.unsure + count.unsure,
            confidence=columns.confidence + count.confidence,
        )
    )
    return changed.rowcount > 0


def _insert(connection: Connection, week: str, version: str, count: WeekCount) -> None:
    """Insert a row; if another process was faster, add to its row."""
    row = {"week": week, "bundle_version": version, **vars(count)}
    try:
        with connection.begin_nested():
            connection.execute(insert(weekly_predictions).values(row))
    except IntegrityError:
        _increase(connection, week, version, count)
