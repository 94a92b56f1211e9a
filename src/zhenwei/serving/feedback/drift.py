"""Predictions and reviews per week."""

from typing import Any

from sqlalchemy import case, func, select

from zhenwei.serving.feedback.store import FeedbackStore
from zhenwei.serving.feedback.tables import reviews, weekly_predictions


def drift(store: FeedbackStore, weeks: int) -> list[dict[str, Any]]:
    """Return the last weeks with predictions or reviews, the oldest first.

    Args:
        store: The database.
        weeks: Maximum number of weeks.

    Returns:
        Per week: `week` (ISO), `predictions`, `fakes`, `fake_share`, `confidence` (mean probability of the verdicts),
        `bundles` (versions), `reviews`, `reviewed_fakes`, `compared` (reviews with a known prediction), `agreed`, and
        `agreement`. A share is None if there is nothing to divide by.
    """
    sums: dict[str, dict[str, Any]] = {}
    with store.engine.connect() as connection:
        for row in connection.execute(_predictions().limit(weeks)).mappings():
            sums[row["week"]] = {**row}
        for row in connection.execute(_reviews().limit(weeks)).mappings():
            sums.setdefault(row["week"], {}).update(row)
        last = sorted(sums)[-weeks:]
        columns = weekly_predictions.c
        versions = select(columns.week, columns.bundle_version).where(columns.week.in_(last)).order_by(*columns[:2])
        bundles: dict[str, list[str]] = {}
        for week, version in connection.execute(versions):
            bundles.setdefault(week, []).append(version)
    return [_week(week, sums[week], bundles.get(week, [])) for week in last]


def _predictions() -> Any:
    columns = weekly_predictions.c
    sums = [func.sum(column).label(column.name) for column in (columns.predictions, columns.fakes, columns.confidence)]
    return select(columns.week, *sums).group_by(columns.week).order_by(columns.week.desc())


def _reviews() -> Any:
    columns = reviews.c
    return (
        select(
            columns.week,
            func.count().label("reviews"),
            func.sum(case((columns.verdict == "fake", 1), else_=0)).label("reviewed_fakes"),
            func.count(columns.predicted_verdict).label("compared"),
            func.sum(case((columns.verdict == columns.predicted_verdict, 1), else_=0)).label("agreed"),
        )
        .group_by(columns.week)
        .order_by(columns.week.desc())
    )


def _week(week: str, sums: dict[str, Any], bundles: list[str]) -> dict[str, Any]:
    counts = {
        name: int(sums.get(name) or 0)
        for name in ("predictions", "fakes", "reviews", "reviewed_fakes", "compared", "agreed")
    }
    return {
        "week": week,
        **counts,
        "fake_share": _share(counts["fakes"], counts["predictions"]),
        "confidence": _share(float(sums.get("confidence") or 0), counts["predictions"]),
        "agreement": _share(counts["agreed"], counts["compared"]),
        "bundles": bundles,
    }


def _share(part: float, total: int) -> float | None:
    return part / total if total else None
