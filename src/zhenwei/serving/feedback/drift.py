"""Predictions and reviews per week."""

from typing import Any

from sqlalchemy import case, func, literal, select, union_all

from zhenwei.serving.feedback.store import FeedbackStore
from zhenwei.serving.feedback.tables import reviews, weekly_predictions


def drift(store: FeedbackStore, weeks: int) -> list[dict[str, Any]]:
    """Return the last weeks with predictions or reviews, the oldest first.

    Args:
        store: The database.
        weeks: Maximum number of weeks.

    Returns:
        Per week: `week` (ISO), `predictions`, `fakes`, `unsure` (without a verdict, which the shares leave out),
        `fake_share`, `confidence` (mean probability of the verdicts),
        `bundles` (versions), `reviews`, `reviewed_fakes`, `compared` (reviews with a known prediction), `agreed`, and
        `agreement`. A share is None if there is nothing to divide by.
    """
    columns = weekly_predictions.c
    with store.engine.connect() as connection:
        rows = connection.execute(_sums().limit(weeks)).mappings().all()[::-1]
        versions = select(columns.week, columns.bundle_version).where(columns.week.in_([row["week"] for row in rows]))
        bundles: dict[str, list[str]] = {}
        for week, version in connection.execute(versions.order_by(*columns[:2])):
            bundles.setdefault(week, []).append(version)
    return [
        {
            **row,
            "fake_share": _share(row["fakes"], row["predictions"] - row["unsure"]),
            "confidence": _share(row["confidence"], row["predictions"] - row["unsure"]),
            "agreement": _share(row["agreed"], row["compared"]),
            "bundles": bundles.get(row["week"], []),
        }
        for row in rows
    ]


def _sums() -> Any:
    """Select the sums of each week, the latest first."""
    counts, review = weekly_predictions.c, reviews.c
    reviewed = {
        "reviews": literal(1),
        "reviewed_fakes": case((review.verdict == "fake", 1), else_=0),
        "compared": case((review.predicted_verdict.in_(("fake", "real")), 1), else_=0),
        "agreed": case((review.verdict == review.predicted_verdict, 1), else_=0),
    }
    predicted = (counts.predictions, counts.fakes, counts.unsure, counts.confidence)
    per_bundle = select(counts.week, *predicted, *(literal(0).label(name) for name in reviewed))
    per_review = select(review.week, *(literal(0).label(column.name) for column in predicted), *reviewed.values())
    week, *numbers = union_all(per_bundle, per_review).subquery().c
    sums = (func.sum(number).label(number.name) for number in numbers)
    return select(week, *sums).group_by(week).order_by(week.desc())


def _share(part: float, total: int) -> float | None:
    return part / total if total else None
