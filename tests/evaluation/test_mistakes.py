"""Selection and order of mistakes."""

from pathlib import Path

import numpy as np
import pytest

from zhenwei.evaluation.mistakes import worst_mistakes
from zhenwei.evaluation.predictions import FilePredictions
from zhenwei.evaluation.records import Mistake
from zhenwei.news import Article

LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 0])
LOGITS = np.array([3.0, 2.0, 1.0, 0.5, -2.5, -0.5, 4.0, -4.0])  # rows 1 to 4 are false alarms, 5 and 6 missed fakes
ARTICLES = [Article(content=f"第{n}条", id=f"n{n}", label=int(LABELS[n - 1]), time="2020-01-02") for n in range(1, 9)]
APART = np.arange(8)


def rows(count: int, threshold: float = 0.5, groups: np.ndarray = APART, labels: np.ndarray = LABELS) -> list[int]:
    return [mistake.row for mistake in worst(count, threshold, groups, labels)]


def worst(count: int, threshold: float, groups: np.ndarray, labels: np.ndarray) -> tuple[Mistake, ...]:
    return worst_mistakes(FilePredictions(Path("a.json"), ARTICLES, labels, LOGITS, LOGITS, threshold), groups, count)


def test_the_most_confident_first_and_half_of_each_kind() -> None:
    assert rows(4) == [1, 5, 2, 6]
    assert rows(2) == [1, 5]
    assert rows(1) == [1]
    assert rows(3) == [1, 5, 2]


def test_a_rare_kind_leaves_its_share_to_the_other() -> None:
    assert rows(6) == rows(20) == [1, 5, 2, 3, 4, 6]
    assert rows(5) == [1, 5, 2, 3, 6]


def test_a_single_kind() -> None:
    assert rows(3, labels=np.zeros(8, int)) == [7, 1, 2]


def test_no_mistakes_and_none_requested() -> None:
    assert rows(5, labels=(LOGITS > 0).astype(int)) == []
    assert rows(0) == []


def test_of_near_duplicates_only_the_most_confident() -> None:
    assert rows(20, groups=np.array([0, 0, 0, 1, 2, 2, 3, 4])) == [1, 5, 4]


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_thresholds_of_0_and_1(threshold: float) -> None:
    label_of_mistakes = 0 if threshold == 0 else 1
    assert set(rows(20, threshold)) == {row for row, label in enumerate(LABELS, start=1) if label == label_of_mistakes}


def test_a_mistake_has_the_fields_of_its_article() -> None:
    first = worst(1, 0.5, APART, LABELS)[0]
    assert (first.row, first.id, first.content, first.label, first.domain) == (1, "n1", "第1条", "real", None)
    assert first.time == "2020-01-02 00:00:00"
    assert first.probability == pytest.approx(1 / (1 + np.exp(-3.0)))
