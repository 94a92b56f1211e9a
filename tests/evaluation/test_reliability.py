"""Calibration bins, ECE by chance, and the confusion matrix."""

import numpy as np
import pytest

from zhenwei.bundle.metrics import expected_calibration_error
from zhenwei.evaluation.reliability import confusion, ece_by_chance, reliability_bins, wilson_interval


def test_bins_contain_all_articles_and_their_gaps_give_the_ece() -> None:
    generator = np.random.default_rng(0)
    probabilities = np.append(generator.random(200), [0.0, 1.0, 0.1])
    labels = (generator.random(203) < probabilities).astype(np.int64)
    bins = reliability_bins(labels, probabilities)
    assert [(part.low, part.high) for part in bins] == [(index / 10, (index + 1) / 10) for index in range(10)]
    assert sum(part.n for part in bins) == 203
    assert all(part.low <= part.probability <= part.high for part in bins)
    assert all(part.interval[0] <= part.share <= part.interval[1] for part in bins)
    gap = sum(part.n * abs(part.probability - part.share) for part in bins) / 203
    assert gap == pytest.approx(expected_calibration_error(labels, probabilities))


def test_empty_bins_are_omitted() -> None:
    bins = reliability_bins(np.array([0, 1, 1]), np.array([0.05, 0.95, 1.0]))
    assert [(part.low, part.n, part.share) for part in bins] == [(0.0, 1, 0.0), (0.9, 2, 1.0)]


@pytest.mark.parametrize(
    ("count", "n", "expected"),
    [(8, 10, (0.4902, 0.9433)), (0, 10, (0.0, 0.2775)), (10, 10, (0.7225, 1.0)), (1, 2, (0.0945, 0.9055))],
)
def test_wilson_interval(count: int, n: int, expected: tuple[float, float]) -> None:
    assert wilson_interval(count, n) == pytest.approx(expected, abs=1e-4)


def test_the_ece_of_right_probabilities_is_within_the_range_and_of_wrong_ones_above() -> None:
    generator = np.random.default_rng(1)
    probabilities = generator.random(400)
    low, high = ece_by_chance(probabilities)
    assert 0 < low < high < 0.1
    right = [
        expected_calibration_error((generator.random(400) < probabilities).astype(np.int64), probabilities)
        for _ in range(200)
    ]
    assert 0.9 <= np.mean([low <= value <= high for value in right]) <= 0.99
    wrong = (generator.random(400) < probabilities**2).astype(np.int64)
    assert expected_calibration_error(wrong, probabilities) > high


def test_near_duplicates_widen_the_range() -> None:
    probabilities = np.repeat(np.random.default_rng(2).random(100), 4)
    assert ece_by_chance(probabilities, np.repeat(np.arange(100), 4))[1] > 1.5 * ece_by_chance(probabilities)[1]


def test_confusion_counts_by_label_then_by_verdict() -> None:
    result = confusion(np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 0, 1]))
    assert result == {"real": {"real": 2, "fake": 1}, "fake": {"real": 1, "fake": 1}}
