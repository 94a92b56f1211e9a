"""Reviews as training articles."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from zhenwei.errors import DataError
from zhenwei.news import Article, write_articles
from zhenwei.serving.feedback.store import FeedbackStore
from zhenwei.serving.feedback.tables import reason_of

REVIEW_FIELDS = ("reviewer", "comment", "predicted_verdict", "predicted_probability", "bundle_version")


def export_reviews(store: FeedbackStore, path: Path) -> dict[str, int]:
    """Write one labeled article per reviewed text, with the latest verdict on it.

    The articles have no `time`: the time of a review is not the time of publication. Extra fields describe the review:
    `source`, `reviewed_at`, `reviewer`, `comment`, `predicted_verdict`, `predicted_probability`, `bundle_version`.

    Args:
        store: The database.
        path: The file to write: .json, .jsonl, .csv or .parquet.

    Returns:
        The number of `articles`, of `real` and `fake` ones, and of reviews that were `superseded` by later ones.

    Raises:
        DataError: If there are no reviews, the database fails, or the file cannot be written.
    """
    labels: Counter[str] = Counter()
    try:
        total = store.total()
        if total == 0:
            raise DataError("there are no reviews in this database yet; nothing was written")
        write_articles(path, _articles(store, labels))
    except SQLAlchemyError as error:
        raise DataError(f"the feedback database failed: {reason_of(error)}") from None
    count = sum(labels.values())
    return {"articles": count, "real": labels["real"], "fake": labels["fake"], "superseded": total - count}


def _articles(store: FeedbackStore, labels: Counter[str]) -> Iterator[Article]:
    for row in store.latest():
        labels[row["verdict"]] += 1
        yield Article.from_row(
            {
                "id": f"review-{row['text_sha256'][:16]}",
                "content": row["text"],
                "label": row["verdict"],
                "source": "feedback",
                "reviewed_at": row["time"].isoformat(sep=" ", timespec="seconds"),
                **{name: row[name] for name in REVIEW_FIELDS if row[name] is not None},
            }
        )
