"""Choosing the threshold that optimizes an objective."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from zhenwei.bundle.predict_logits import sigmoid
from zhenwei.bundle.threshold import choose_threshold
from zhenwei.config import Config, ThresholdObjective, parse_threshold_objective
from zhenwei.errors import ConfigError, DataError

CHANCE = np.random.default_rng(7)
LOGITS = CHANCE.normal(-0.5, 2, 1500)
CHANCES = sigmoid(LOGITS)
LABELS = (CHANCE.random(1500) < CHANCES).astype(np.int64)
ONES = np.ones(1500)


def macro_f1(labels: np.ndarray, verdicts: np.ndarray) -> float:
    """Return macro-F1 without the checks of scikit-learn, which take most of its time."""
    scores = []
    for label in (0, 1):
        truth, found = labels == label, verdicts == label
        scores.append(2 * (truth & found).sum() / max(truth.sum() + found.sum(), 1))
    return float(np.mean(scores))


def test_macro_f1_is_that_of_scikit_learn() -> None:
    for threshold in (0.0, 0.3, 0.5, 1.0):
        verdicts = (threshold <= CHANCES).astype(np.int64)
        assert macro_f1(LABELS, verdicts) == pytest.approx(f1_score(LABELS, verdicts, average="macro", zero_division=0))


def best(score: object) -> float:
    return max(score(LABELS, threshold <= CHANCES) for threshold in np.unique(CHANCES)[::10])  # type: ignore[operator]


def test_macro_f1_is_close_to_the_best() -> None:
    threshold = choose_threshold(LABELS, CHANCES, ThresholdObjective("macro_f1"), ONES)
    assert macro_f1(LABELS, threshold <= CHANCES) > best(macro_f1) - 0.004
    assert 0.35 < threshold < 0.6  # where it belongs, for the probabilities are true


def test_smoothing_generalizes_better_than_the_maximum() -> None:
    """Thresholds are chosen on 15 samples of 100 articles each, and evaluated on all 1,500."""
    smooth, ragged = [], []
    for start in range(0, 1500, 100):
        labels, chances = LABELS[start : start + 100], CHANCES[start : start + 100]
        cuts = np.sort(chances)
        highest = cuts[int(np.argmax([macro_f1(labels, chances >= cut) for cut in cuts]))]
        chosen = choose_threshold(labels, chances, ThresholdObjective("macro_f1"), np.ones(100))
        for scores, threshold in ((smooth, chosen), (ragged, highest)):
            scores.append(macro_f1(LABELS, threshold <= CHANCES))
    assert np.mean(smooth) > np.mean(ragged)


@pytest.mark.no_cover
@pytest.mark.slow
@pytest.mark.parametrize("asked", [0.6, 0.8, 0.95])
def test_precision_is_reached_at_the_highest_recall(asked: float) -> None:
    threshold = choose_threshold(LABELS, CHANCES, ThresholdObjective("precision", asked), ONES)
    verdicts = threshold <= CHANCES
    assert precision_score(LABELS, verdicts) >= asked
    good = [c for c in np.unique(CHANCES)[::10] if precision_score(LABELS, c <= CHANCES) >= asked]
    most = max(recall_score(LABELS, c <= CHANCES) for c in good)
    assert recall_score(LABELS, verdicts) >= most - 0.02  # of 1,500 cuts, a thousand are tried


@pytest.mark.no_cover
@pytest.mark.slow
@pytest.mark.parametrize("asked", [0.5, 0.9, 1.0])
def test_recall_is_reached_at_the_highest_precision(asked: float) -> None:
    threshold = choose_threshold(LABELS, CHANCES, ThresholdObjective("recall", asked), ONES)
    verdicts = threshold <= CHANCES
    assert recall_score(LABELS, verdicts) >= asked
    good = [c for c in np.unique(CHANCES)[::10] if recall_score(LABELS, c <= CHANCES) >= asked]
    most = max(precision_score(LABELS, c <= CHANCES) for c in good)
    assert precision_score(LABELS, verdicts) >= most - 0.01


@pytest.mark.parametrize(("cost", "expected"), [(1.0, 0.5), (4.0, 0.2), (0.25, 0.8)])
def test_a_cost_sets_the_threshold_of_equal_expected_costs(cost: float, expected: float) -> None:
    assert choose_threshold(LABELS, CHANCES, ThresholdObjective("cost", cost), ONES) == pytest.approx(expected, abs=0.1)


def test_weights_change_the_threshold() -> None:
    heavy = np.where(LABELS == 1, 4.0, 1.0)
    plain, weighed = (choose_threshold(LABELS, CHANCES, ThresholdObjective("cost", 1.0), w) for w in (ONES, heavy))
    assert weighed < plain - 0.15


def test_an_unreachable_objective_is_refused_with_the_highest_value() -> None:
    labels, chances = np.array([1, 0] * 50), np.repeat([0.9, 0.9], 50)
    with pytest.raises(DataError, match=r"no threshold reaches a precision of 0\.9 on fakes: the highest is 0\.500"):
        choose_threshold(labels, chances, ThresholdObjective("precision", 0.9), np.ones(100))


def test_it_lies_between_the_probabilities_that_it_separates() -> None:
    labels, chances = np.array([0] * 50 + [1] * 50), np.repeat([0.2, 0.6], 50)
    for objective in ("macro_f1", "precision=1", "recall=1", "cost=2"):
        assert choose_threshold(labels, chances, parse_threshold_objective(objective), np.ones(100)) == pytest.approx(
            0.4
        )


def test_adjacent_floats_are_separated() -> None:
    low = 0.5
    high = float(np.nextafter(low, 1))
    threshold = choose_threshold(
        np.array([0] * 50 + [1] * 50), np.repeat([low, high], 50), ThresholdObjective("macro_f1"), np.ones(100)
    )
    assert low < threshold <= high


@pytest.mark.parametrize(
    "text", ["", "f1", "macro_f1=1", "precision", "precision=0", "recall=1.1", "cost=-1", "cost=x"]
)
def test_other_objectives_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"training.threshold_objective: found .* expected macro_f1, precision=P"):
        Config.load({"training": {"threshold_objective": text}})


def test_if_alarms_cost_too_much_nothing_is_fake() -> None:
    labels = np.repeat([1, 0, 1, 0], [90, 210, 70, 630])
    chances = np.repeat([0.3, 0.1], [300, 700])
    threshold = choose_threshold(labels, chances, ThresholdObjective("cost", 1.0), np.ones(1000))
    assert 0.3 < threshold <= 1
