"""Reviews and weekly counts, written and read."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Engine, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from zhenwei.serving.feedback.tables import open_database, reviews, weekly_predictions

ROWS_AT_ONCE = 1000


def week_of(moment: datetime) -> str:
    """Return a moment's ISO week, as in `2026-W07`; weeks sort as text."""
    year, week, _ = moment.isocalendar()
    return f"{year:04}-W{week:02}"


@dataclass(frozen=True)
class Review:
    """A reviewer's verdict on a text.

    Attributes:
        text: The text.
        verdict: The reviewer's.
        bundle_name: Of the detector that was served.
        bundle_version: Of the detector that had judged it.
        predicted_verdict: The detector's, where it is known.
        predicted_probability: The detector's, where it is known.
        comment: Why.
        reviewer: Who.
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
    """Predictions of a week by one bundle: how many, how many fakes, and the sum of the verdicts' probabilities."""

    predictions: int = 0
    fakes: int = 0
    confidence: float = 0.0

    def add(self, other: "WeekCount") -> None:
        """Count others in."""
        self.predictions += other.predictions
        self.fakes += other.fakes
        self.confidence += other.confidence


Counts = Mapping[tuple[str, str], WeekCount]  # by week and bundle version


class FeedbackStore:
    """The database of the feedback. Threads may share it; every method waits for the database.

    Every method raises `sqlalchemy.exc.SQLAlchemyError` where the database fails; nothing is half written then.
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
        """Give all connections back."""
        self.engine.dispose()

    def add(self, review: Review, moment: datetime | None = None) -> int:
        """Keep a review, and return its number."""
        moment = (moment or datetime.now(UTC)).astimezone(UTC)
        row = {
            **vars(review),
            "time": moment.replace(tzinfo=None),
            "week": week_of(moment),
            "text_sha256": text_digest(review.text),
        }
        with self.engine.begin() as connection:
            key = connection.execute(insert(reviews).values(row)).inserted_primary_key
        assert key is not None
        return int(key[0])

    def count(self, counts: Counts) -> None:
        """Add to the weekly counts, all or none of them."""
        with self.engine.begin() as connection:
            for (week, version), counted in sorted(counts.items()):  # in one order, so that processes cannot block
                if not _increase(connection, week, version, counted):
                    _begin_week(connection, week, version, counted)

    def latest(self) -> Iterator[Mapping[str, Any]]:
        """Yield the latest review of each text, in the order of the reviews, holding only some of them at once."""
        newest = select(func.max(reviews.c.id)).group_by(reviews.c.text_sha256).scalar_subquery()
        query = select(reviews).where(reviews.c.id.in_(newest)).order_by(reviews.c.id)
        with self.engine.connect() as connection:
            rows = connection.execution_options(yield_per=ROWS_AT_ONCE).execute(query)
            for row in rows.mappings():
                yield dict(row)

    def total(self) -> int:
        """Return how many reviews there are."""
        with self.engine.connect() as connection:
            return int(connection.execute(select(func.count()).select_from(reviews)).scalar_one())


def text_digest(text: str) -> str:
    """Return what tells texts apart: the SHA-256 of a text without the white space around it."""
    return sha256(text.strip().encode("utf-8")).hexdigest()


def _increase(connection: Connection, week: str, version: str, counted: WeekCount) -> bool:
    """Add to a row; return whether there is one."""
    columns = weekly_predictions.c
    changed = connection.execute(
        update(weekly_predictions)
        .where(columns.week == week, columns.bundle_version == version)
        .values(
            predictions=columns.predictions + counted.predictions,
            fakes=columns.fakes + counted.fakes,
            confidence=columns.confidence + counted.confidence,
        )
    )
    return changed.rowcount > 0


def _begin_week(connection: Connection, week: str, version: str, counted: WeekCount) -> None:
    """Write a row; where another process was faster, add to its."""
    row = {"week": week, "bundle_version": version, **vars(counted)}
    try:
        with connection.begin_nested():
            connection.execute(insert(weekly_predictions).values(row))
    except IntegrityError:
        _increase(connection, week, version, counted)
