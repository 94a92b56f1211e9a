"""A tiny TF-IDF run, and files to evaluate it on."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zhenwei.bundle import Bundle, load_bundle

Rows = list[dict[str, Any]]


@pytest.fixture(scope="session")
def tfidf_run(tmp_path_factory: pytest.TempPathFactory, tiny_settings: Callable[..., dict[str, Any]]) -> Path:
    """The folder of a finished TF-IDF run. Read-only."""
    from zhenwei import Trainer  # noqa: PLC0415

    run = tmp_path_factory.mktemp("runs") / "tfidf"
    settings = tiny_settings(run) | {"model": {"name": "tfidf", "min_df": 1}}
    Trainer(settings).train()
    return run


@pytest.fixture(scope="session")
def shared_tfidf(tfidf_run: Path) -> Bundle:
    """The bundle of the TF-IDF run. Read-only."""
    return load_bundle(tfidf_run)


@pytest.fixture
def tfidf(shared_tfidf: Bundle) -> Bundle:
    """A copy of the TF-IDF bundle for this test."""
    return copy.deepcopy(shared_tfidf)


@pytest.fixture(scope="session")
def hard_rows(make_posts: Callable[..., Rows]) -> Rows:
    """40 posts, every fifth with the wrong label, so that scores are neither 0 nor 1."""
    rows = make_posts(40, seed=5)
    return [
        row | ({"label": "real" if row["label"] == "fake" else "fake"} if n % 5 == 0 else {})
        for n, row in enumerate(rows)
    ]


@pytest.fixture
def written(tmp_path: Path) -> Callable[[Rows], Path]:
    """Write rows to a file of articles, and return its path."""

    def write(rows: Rows, name: str = "articles.json") -> Path:
        path = tmp_path / name
        path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
        return path

    return write
