"""Significance: the parts of the estimate, rare false alarms, and Holm's correction."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from zhenwei.audit.significance import holm
from zhenwei.evaluation.comparison.significance import (
    ScoreSamples,
    estimate_difference,
    estimate_mean,
    summarize,
)


@pytest.fixture(scope="module")
def simulation() -> ModuleType:
    """benchmarks/significance.py, as a module."""
    path = Path(__file__).parents[3] / "benchmarks" / "significance.py"
    spec = importlib.util.spec_from_file_location("significance_benchmark", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look it up
    spec.loader.exec_module(module)
    return module


def score_samples(values: list[float], spread: float, rounds: int = 4000, seed: int = 0, **facts: bool) -> ScoreSamples:
    """Runs with these values, whose resamples share the variation over articles."""
    drawn = np.random.default_rng(seed).normal(0.0, spread, rounds)
    return ScoreSamples(np.array(values), np.array(values)[:, None] + drawn, **facts)


class TestStandardError:
    def test_one_run_has_the_variance_over_articles(self) -> None:
        estimate = estimate_mean(score_samples([0.8], 0.03), n_groups=1000)
        assert estimate.error == pytest.approx(0.03, rel=0.03)
        assert estimate.freedom == pytest.approx(999)

    def test_several_runs_add_the_variance_between_seeds(self) -> None:
        values = [0.78, 0.80, 0.82]
        estimate = estimate_mean(score_samples(values, 0.03), n_groups=1000)
        assert estimate.value == pytest.approx(0.80)
        assert estimate.error**2 == pytest.approx(0.03**2 + 0.02**2 / 3, rel=0.05)
        assert 2 < estimate.freedom < 999

    def test_a_deterministic_detector_has_no_variance_between_seeds(self) -> None:
        estimate = estimate_mean(score_samples([0.78, 0.82], 0.03, deterministic=True), n_groups=1000)
        assert estimate.error == pytest.approx(0.03, rel=0.03)

    def test_the_effect_of_articles_on_each_run_is_counted_once(self) -> None:
        generator = np.random.default_rng(1)
        values = generator.normal(0.8, 0.03, 5)  # the runs differ as much as their resamples
        resampled = values[:, None] + generator.normal(0.0, 0.03, (5, 4000))
        estimate = estimate_mean(ScoreSamples(values, resampled), n_groups=1000)
        between, of_articles = values.var(ddof=1) / 5, 0.03**2 / 5
        assert estimate.error**2 == pytest.approx(max(between, of_articles), rel=0.1)

    def test_articles_that_are_hard_for_both_cancel_out(self) -> None:
        one, other = score_samples([0.80], 0.03), score_samples([0.79], 0.03)  # the same resamples
        estimate = estimate_difference(one, other, n_groups=1000)
        assert estimate.value == pytest.approx(0.01)
        assert estimate.error == pytest.approx(0.0, abs=1e-9)
        assert estimate.p < 1e-6
        apart = estimate_difference(one, score_samples([0.79], 0.03, seed=1), n_groups=1000)
        assert apart.error == pytest.approx(0.03 * 2**0.5, rel=0.05)

    def test_a_detector_does_not_differ_from_itself(self) -> None:
        one = score_samples([0.80, 0.81], 0.03)
        same = estimate_difference(
            ScoreSamples(one.values[:1], one.resampled[:1]), ScoreSamples(one.values[:1], one.resampled[:1]), 100
        )
        assert (same.value, same.p, same.interval) == (0.0, 1.0, (0.0, 0.0))

    def test_the_interval_and_the_p_value_agree(self) -> None:
        estimate = estimate_difference(
            score_samples([0.80, 0.81], 0.02), score_samples([0.76, 0.77], 0.02, seed=1), 500
        )
        low, high = estimate.interval
        assert low < estimate.value < high
        assert (estimate.p < 0.05) == (not low <= 0.0 <= high)


class TestSummary:
    def test_mean_deviation_and_interval(self) -> None:
        summary = summarize(score_samples([0.7, 0.8], 0.02), 300)
        assert summary.mean == pytest.approx(0.75)
        assert summary.deviation == pytest.approx(0.0707, abs=1e-4)
        assert summary.interval is not None
        assert summary.interval[0] < 0.75 < summary.interval[1]

    def test_one_run_has_no_deviation(self) -> None:
        assert summarize(score_samples([0.7], 0.02), 300).deviation is None

    def test_the_interval_is_clipped_to_possible_scores(self) -> None:
        assert summarize(score_samples([0.99], 0.02), 300).interval == (pytest.approx(0.95, abs=0.01), 1.0)

    def test_an_undefined_score_stays_undefined(self) -> None:
        summary = summarize(score_samples([float("nan")], 0.02), 300)
        assert (summary.mean, summary.deviation, summary.interval) == (None, None, None)


class TestHolm:
    def test_the_smallest_is_multiplied_by_their_number(self) -> None:
        assert holm(np.array([0.01, 0.04, 0.03])) == pytest.approx([0.03, 0.06, 0.06])

    def test_corrected_values_are_at_most_one_and_keep_their_order(self) -> None:
        assert holm(np.array([0.9, 0.8])).tolist() == [1.0, 1.0]
        assert holm(np.array([0.020, 0.021, 0.022])) == pytest.approx([0.06, 0.06, 0.06])
        assert holm(np.array([])).tolist() == []


class TestOnSimulatedDetectors:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("seeds", "n", "seed_deviation", "kind_deviation"),
        [(1, 200, 0.0, 0.4), (3, 200, 0.08, 0.0), (5, 200, 0.08, 0.4)],
    )
    def test_false_alarms_are_rare_and_real_differences_are_found(
        self, simulation: ModuleType, seeds: int, n: int, seed_deviation: float, kind_deviation: float
    ) -> None:
        row = simulation.measure((seeds, n, seed_deviation, kind_deviation), repeats=200, rounds=150)
        assert row.false_alarms <= 0.075  # 5% is right; 200 repeats estimate it to within 3 points
        assert row.coverage_equal >= 0.925
        assert row.coverage_unequal >= 0.925
        assert row.power > 3 * row.false_alarms + 0.1

    def test_without_the_variance_between_seeds_false_alarms_are_frequent(self, simulation: ModuleType) -> None:
        """Check that the simulation can detect a wrong estimate."""
        generator = np.random.default_rng(3)
        alarms = []
        for number in range(60):
            labels, weights = np.tile([0, 1], 300), simulation.resampled_weights(600, None, 200, number)
            one, other = (
                simulation.score_samples(
                    labels, [(2 * labels - 1) * strength + generator.normal(0.0, 1.0, 600)], weights
                )
                for strength in generator.normal(1.0, 0.4, 2)
            )
            alarms.append(estimate_difference(one, other, 600).p < 0.05)
        assert np.mean(alarms) > 0.3
