"""Scores of slices."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zhenwei.bundle.metrics import metrics_from_logits
from zhenwei.evaluation.predictions import FilePredictions
from zhenwei.evaluation.records import Slice
from zhenwei.evaluation.slices import score_slices
from zhenwei.news import Article

N = 60
LABELS = np.arange(N) % 2
LOGITS = np.random.default_rng(0).normal(2.0 * LABELS - 1.0, 1.5)


def sliced(kind: str, fields: list[dict[str, Any]], training_entities: frozenset[str] | None = None) -> list[Slice]:
    """Return the slices of one kind, of 60 articles that have these fields in turn."""
    articles = [Article(**({"content": "大蒜"} | fields[n % len(fields)])) for n in range(N)]
    predictions = FilePredictions(Path("test.json"), articles, LABELS, LOGITS, LOGITS, 0.4)
    result = score_slices(predictions, np.arange(N), training_entities, rounds=100, seed=0)
    return [part for part in result if part.kind == kind]


def test_each_slice_has_the_scores_of_its_articles() -> None:
    parts = sliced("domain", [{"domain": "财经"}, {"domain": "科技"}, {"domain": "财经"}])
    assert [part.name for part in parts] == ["科技", "财经"]
    rows = np.flatnonzero(np.arange(N) % 3 == 1)
    assert parts[0].scores == metrics_from_logits(LABELS[rows], LOGITS[rows], 0.4)
    assert (parts[0].n, parts[0].n_fake) == (20, 10)
    low, high = parts[0].intervals["auc"] or (1, 0)
    assert low < (parts[0].scores["auc"] or 0) < high


def test_months_are_in_order_and_articles_without_time_last() -> None:
    parts = sliced("month", [{"time": "2013-02-01"}, {}, {"time": "2012-12-31"}])
    assert [(part.name, part.n) for part in parts] == [("2012-12", 20), ("2013-02", 20), ("no time", 20)]


def test_more_than_three_years_are_sliced_by_year() -> None:
    days = [{"time": datetime(2010, 1, 1) + timedelta(days=31 * n)} for n in range(N)]
    assert [part.name for part in sliced("year", days)] == ["2010", "2011", "2012", "2013", "2014", "2015"]
    assert not sliced("month", days)


@pytest.mark.parametrize(("length", "name"), [(1, "1-50"), (50, "1-50"), (51, "51-100"), (1001, "over 1000")])
def test_length_is_counted_in_characters(length: int, name: str) -> None:
    parts = sliced("length", [{"content": "蒜" * length}, {"content": "蒜" * 200}])
    assert {part.name for part in parts} == {name, "151-300"}


def test_entities_are_seen_or_unseen_in_training() -> None:
    fields = [{"entity_list": ["云溪", "东河"]}, {"entity_list": ["南岭"]}, {"entity_list": []}, {}]
    parts = sliced("entities", fields, training_entities=frozenset({"东河"}))
    assert [(part.name, part.n) for part in parts] == [
        ("seen in training", 15), ("unseen in training", 15), ("no entities", 15)
    ]  # fmt: skip
    assert not sliced("entities", fields, training_entities=None)


def test_a_single_slice_is_omitted() -> None:
    assert not sliced("domain", [{"domain": "财经"}])
    assert not sliced("length", [{}])


def test_a_slice_of_one_article_has_no_intervals_and_undefined_scores() -> None:
    articles = [Article(content="大蒜", domain="科技" if n == 0 else "财经") for n in range(N)]
    predictions = FilePredictions(Path("test.json"), articles, LABELS, LOGITS, LOGITS, 0.5)
    alone = score_slices(predictions, np.arange(N), None, rounds=100, seed=0)[0]
    assert (alone.name, alone.n, alone.n_fake) == ("科技", 1, 0)
    assert alone.scores["auc"] is None
    assert alone.scores["macro_f1"] is None
    assert alone.scores["acc"] in (0.0, 1.0)
    assert set(alone.intervals.values()) == {None}
