"""`zhenwei feedback export`: reviews as training articles."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zhenwei.news import read_articles

pytest.importorskip("sqlalchemy", reason="the extra 'serve' is not installed")

from zhenwei.serving.feedback.store import FeedbackStore, Review


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "feedback.sqlite"
    store = FeedbackStore.open(str(path))
    for verdict in ("real", "fake"):
        store.add(Review(text="听说大蒜涨价了", verdict=verdict, bundle_name="demo", bundle_version="ab" * 32))
    store.close()
    return path


def test_figures_as_json_and_as_a_sentence(zhenwei: Callable[..., Any], database: Path, tmp_path: Path) -> None:
    done = zhenwei("feedback", "export", database, "-o", tmp_path / "out.jsonl", "--json", "-")
    assert json.loads(done.stdout) == {"articles": 1, "real": 0, "fake": 1, "superseded": 1}
    assert "1 articles (1 fake); 1 reviews were superseded by later ones" in done.stderr
    (article,) = read_articles(tmp_path / "out.jsonl", require_label=True)
    assert (article.content, article.label) == ("听说大蒜涨价了", "fake")


def test_a_missing_database_is_not_created(zhenwei: Callable[..., Any], tmp_path: Path) -> None:
    missing = tmp_path / "none.sqlite"
    error = zhenwei("feedback", "export", missing, "-o", tmp_path / "out.json").error
    assert error == f"error: {missing}: no such file; expected the database that `zhenwei serve --feedback` wrote"
    assert not missing.exists()


def test_a_database_without_reviews(zhenwei: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "other.sqlite").touch()
    error = zhenwei("feedback", "export", tmp_path / "other.sqlite", "-o", tmp_path / "out.json").error
    assert "cannot be used as a feedback database: no such table: zhenwei_reviews" in error
