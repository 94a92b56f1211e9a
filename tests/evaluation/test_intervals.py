"""95% intervals: coverage, groups of near-duplicates, and limits."""

import numpy as np
import pytest
from numpy.typing import NDArray

from zhenwei.bundle.metrics import metrics_from_logits
from zhenwei.bundle.predict_logits import sigmoid
from zhenwei.evaluation.intervals import bootstrap_intervals
from zhenwei.evaluation.resampling import METRICS, resampled_scores

MAIN_METRICS = ("macro_f1", "auc", "acc", "brier")


def simulate(n: int, generator: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return labels, and log odds of a detector with an AUC of 0.92."""
    labels = (generator.random(n) < 0.4).astype(np.int64)
    return labels, 2.0 * generator.normal(2.0 * labels - 1.0, 1.0)


@pytest.fixture(scope="module")
def truth() -> dict[str, float]:
    """The scores of very many articles."""
    labels, logits = simulate(400_000, np.random.default_rng(0))
    scores = resampled_scores(labels, sigmoid(logits), 0.5, np.ones((1, len(labels)), np.uint8), MAIN_METRICS)
    return {name: float(values[0]) for name, values in scores.items()}


@pytest.mark.slow
@pytest.mark.parametrize("copies", [1, 3])
def test_about_95_percent_of_intervals_cover_the_truth(truth: dict[str, float], copies: int) -> None:
    """95% of 120 test sets are 114, with a standard deviation of 2.4; `benchmarks/intervals.py` simulates thousands."""
    generator = np.random.default_rng(1)
    covered = dict.fromkeys(MAIN_METRICS, 0)
    for repeat in range(120):
        labels, logits = (np.repeat(values, copies) for values in simulate(150, generator))
        result = bootstrap_intervals(
            labels, sigmoid(logits), 0.5, groups=np.repeat(np.arange(150), copies),
            metrics=MAIN_METRICS, rounds=200, seed=repeat,
        )  # fmt: skip
        for name, interval in result.items():
            assert interval is not None
            covered[name] += interval[0] <= truth[name] <= interval[1]
    assert all(107 <= count <= 119 for count in covered.values()), covered


class TestGroups:
    def test_copies_of_articles_do_not_narrow_the_interval(self) -> None:
        labels, logits = simulate(200, np.random.default_rng(1))
        alone = bootstrap_intervals(labels, sigmoid(logits), 0.5)
        many = np.repeat(labels, 4), sigmoid(np.repeat(logits, 4))
        together = bootstrap_intervals(*many, 0.5, groups=np.repeat(np.arange(200), 4))
        apart = bootstrap_intervals(*many, 0.5)
        for name in MAIN_METRICS:
            one, grouped, split = (result[name] for result in (alone, together, apart))
            assert one is not None
            assert grouped is not None
            assert split is not None
            assert grouped == pytest.approx(one, abs=1e-9), "copies add no information"
            assert split[1] - split[0] == pytest.approx((one[1] - one[0]) / 2, rel=0.15), (
                "but seem to, if they count individually"
            )

    def test_group_indices_may_have_gaps(self) -> None:
        labels, logits = simulate(60, np.random.default_rng(2))
        numbers = np.arange(60) // 2
        result = [bootstrap_intervals(labels, sigmoid(logits), 0.5, groups=groups) for groups in (numbers, numbers * 7)]
        assert result[0] == result[1]

    def test_many_articles(self) -> None:
        labels, logits = simulate(3000, np.random.default_rng(3))
        interval = bootstrap_intervals(labels, sigmoid(logits), 0.5, metrics=("acc",), rounds=300)["acc"]
        score = metrics_from_logits(labels, logits)["acc"]
        reach = 1.96 * np.sqrt(score * (1 - score) / 3000)
        assert interval == pytest.approx((score - reach, score + reach), abs=0.002)


class TestEveryMetric:
    def test_every_interval_contains_its_score(self) -> None:
        labels, logits = simulate(100, np.random.default_rng(4))
        scores = metrics_from_logits(labels, logits)
        result = bootstrap_intervals(labels, sigmoid(logits), 0.5, logits=logits)
        assert result.keys() == {*METRICS}
        for name, interval in result.items():
            assert interval is not None
            assert interval[0] < scores[name] < interval[1]
            assert interval[0] > 0
            assert interval[1] < 1 or name == "loss"

    def test_equal_seeds_give_equal_intervals(self) -> None:
        labels, logits = simulate(100, np.random.default_rng(5))
        one, same, other = (bootstrap_intervals(labels, sigmoid(logits), 0.5, seed=seed) for seed in (1, 1, 2))
        assert one == same != other


class TestLimits:
    def test_a_perfect_score_has_an_interval(self) -> None:
        labels = np.repeat([0, 1], [180, 20])
        result = bootstrap_intervals(labels, np.where(labels, 0.9, 0.1), 0.5)
        for name in ("auc", "macro_f1", "acc", "recall_fake"):
            interval = result[name]
            assert interval is not None
            assert interval == pytest.approx((0.025 ** (1 / 20), 1.0)), "20 fakes, none missed"

    def test_a_score_of_zero_has_an_interval(self) -> None:
        labels = np.repeat([0, 1], [80, 20])
        interval = bootstrap_intervals(labels, np.full(100, 0.2), 0.5)["recall_fake"]
        assert interval == pytest.approx((0.0, 1 - 0.025 ** (1 / 20)))

    def test_metrics_that_need_both_classes_have_none_for_one(self) -> None:
        probabilities = np.random.default_rng(6).random(50)
        result = bootstrap_intervals(np.zeros(50, np.int64), probabilities, 0.5)
        assert {name for name, interval in result.items() if interval is not None} == {
            *("acc", "ece", "brier", "f1_real", "recall_real", "precision_real")
        }

    def test_two_fakes_or_nine_articles_are_too_few(self) -> None:
        labels = np.repeat([0, 1], [40, 2])
        probabilities = np.random.default_rng(7).random(42)
        result = bootstrap_intervals(labels, probabilities, 0.5)
        assert result["auc"] is None
        assert result["acc"] is not None
        assert set(bootstrap_intervals(labels[-9:], probabilities[-9:], 0.5).values()) == {None}
        assert set(bootstrap_intervals(labels, probabilities, 0.5, groups=np.arange(42) % 9).values()) == {None}
