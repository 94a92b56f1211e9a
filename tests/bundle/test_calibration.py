"""Calibration: from logits to probabilities."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from zhenwei.bundle import load_bundle, save_bundle
from zhenwei.bundle.calibration import Calibration, log_odds
from zhenwei.bundle.card.update import updated_card
from zhenwei.bundle.metrics import expected_calibration_error
from zhenwei.bundle.predict_logits import sigmoid
from zhenwei.config import CalibrationMethod, ThresholdObjective
from zhenwei.errors import CheckpointError, DataError
from zhenwei.training.calibration.fit import HeldOutPredictions, calibrate, fit_calibration

MACRO_F1 = ThresholdObjective("macro_f1")


def predictions(n: int, slope: float = 1.0, intercept: float = 0.0, seed: int = 0) -> HeldOutPredictions:
    """Return predictions for articles whose chance of being fake is sigmoid(slope x logit + intercept)."""
    chance = np.random.default_rng(seed)
    logits = chance.normal(0, 2, n)
    labels = (chance.random(n) < sigmoid(slope * logits + intercept)).astype(np.int64)
    return HeldOutPredictions(labels, logits, "made up")


def test_platt_recovers_the_slope_and_intercept_of_the_labels() -> None:
    fitted = fit_calibration(predictions(20_000, slope=0.4, intercept=1.2), "platt", MACRO_F1)
    assert (fitted.slope, fitted.intercept) == (pytest.approx(0.4, abs=0.03), pytest.approx(1.2, abs=0.05))


def test_temperature_recovers_the_slope_and_has_no_intercept() -> None:
    fitted = fit_calibration(predictions(20_000, slope=0.4), "temperature", MACRO_F1)
    assert fitted.slope == pytest.approx(0.4, abs=0.03)
    assert fitted.probabilities(np.zeros(1)) == pytest.approx([0.5])


def test_isotonic_is_the_curve_of_scikit_learn_inside_0_and_1() -> None:
    judgements = predictions(2_000)
    fitted = fit_calibration(judgements, "isotonic", MACRO_F1)
    curve = IsotonicRegression(out_of_bounds="clip").fit(judgements.logits, judgements.labels)
    logits = np.linspace(-9, 9, 101)
    found = fitted.probabilities(logits)
    assert found == pytest.approx(np.clip(curve.predict(logits), 1 / 2002, 1 - 1 / 2002), abs=1e-9)


@pytest.mark.parametrize("method", ["temperature", "platt", "isotonic"])
def test_a_calibration_generalizes(method: CalibrationMethod) -> None:
    fitted = fit_calibration(predictions(5_000, slope=0.3), method, MACRO_F1)
    others = predictions(5_000, slope=0.3, seed=1)
    raw = expected_calibration_error(others.labels, sigmoid(others.logits))
    assert raw > 0.15
    assert expected_calibration_error(others.labels, fitted.probabilities(others.logits)) < raw / 4


@pytest.mark.parametrize("method", ["temperature", "platt", "isotonic"])
def test_the_order_does_not_change(method: CalibrationMethod) -> None:
    logits = np.sort(np.random.default_rng(2).normal(0, 9, 500))
    assert (np.diff(fit_calibration(predictions(600), method, MACRO_F1).probabilities(logits)) >= 0).all()


def test_separable_labels_give_a_finite_slope() -> None:
    logits = np.concatenate([np.full(60, -1.0), np.full(60, 1.0)])
    fitted = fit_calibration(HeldOutPredictions((logits > 0).astype(np.int64), logits, ""), "platt", MACRO_F1)
    assert fitted.probabilities(np.array([1.0])) == pytest.approx([61 / 62], abs=1e-3)


@pytest.mark.parametrize(("n", "fakes"), [(99, 40), (100, 19), (100, 81), (100, 0), (0, 0)])
def test_too_few_articles_are_refused(n: int, fakes: int) -> None:
    labels = (np.arange(n) < fakes).astype(np.int64)
    with pytest.raises(DataError, match=f"too few .* found {n} articles, {fakes} of them fake"):
        fit_calibration(HeldOutPredictions(labels, labels + 0.0, "val"), "platt", MACRO_F1)


def test_the_minimum_number_is_accepted() -> None:
    labels = (np.arange(100) < 20).astype(np.int64)
    noise = np.random.default_rng(0).normal(0, 1, 100)
    assert fit_calibration(HeldOutPredictions(labels, labels + noise, "val"), "platt", MACRO_F1).n == 100


def test_isotonic_needs_more_articles() -> None:
    with pytest.raises(DataError, match=r"too few .* 'isotonic': found 499 .* at least 500"):
        fit_calibration(predictions(499), "isotonic", MACRO_F1)


@pytest.mark.parametrize("method", ["temperature", "platt", "isotonic"])
def test_a_detector_that_scores_reals_higher_is_refused(method: CalibrationMethod) -> None:
    with pytest.raises(DataError, match="does not score fakes higher"):
        fit_calibration(predictions(2_000, slope=-2.0), method, MACRO_F1)


class TestChangedShare:
    def test_a_known_share_moves_the_log_odds(self) -> None:
        fitted = replace(fit_calibration(predictions(1000), "platt", MACRO_F1), fake_share=0.4)
        logits = np.linspace(-3, 3, 7)
        moved = fitted.corrected(0.7, "as given").logits(logits) - fitted.logits(logits)
        assert moved == pytest.approx(np.full(7, log_odds(0.7) - log_odds(0.4)))
        assert fitted.corrected(0.7, "as given").corrected(None) == fitted

    def test_corrected_probabilities_are_calibrated_after_a_shift(self) -> None:
        """If some fakes are removed, corrected probabilities match the remaining shares."""
        fitted = fit_calibration(predictions(20_000), "platt", MACRO_F1)
        later = predictions(20_000, seed=1)
        remaining = (later.labels == 0) | (np.random.default_rng(3).random(20_000) < 0.2)
        labels, logits = later.labels[remaining], later.logits[remaining]
        corrected = fitted.corrected(float(labels.mean()))
        assert expected_calibration_error(labels, fitted.probabilities(logits)) > 0.15
        assert expected_calibration_error(labels, corrected.probabilities(logits)) < 0.02

    def test_the_threshold_is_chosen_for_the_target_share(self, own_bundle: Path) -> None:
        """If a false alarm costs as much as a miss, the best threshold on true probabilities is a half."""
        bundle = load_bundle(own_bundle)
        calibrate(bundle, predictions(20_000), "platt", ThresholdObjective("cost", 1.0), 0.1, "as given")
        assert bundle.threshold == pytest.approx(0.5, abs=0.06)


class TestInABundle:
    @pytest.mark.parametrize("method", ["temperature", "platt", "isotonic"])
    def test_it_is_stored_bit_exactly(self, own_bundle: Path, method: CalibrationMethod) -> None:
        bundle = load_bundle(own_bundle)
        calibrate(bundle, predictions(800), method, ThresholdObjective("precision", 0.6), 0.3, "as given")
        save_bundle(bundle, own_bundle, card=updated_card(bundle, own_bundle))
        again = load_bundle(own_bundle)
        assert (again.calibration, again.threshold) == (bundle.calibration, bundle.threshold)
        logits = np.linspace(-5, 5, 11)
        assert (again.probabilities(logits) == bundle.probabilities(logits)).all()
        assert "is calibrated: " + method in (own_bundle / "README.md").read_text(encoding="utf-8")

    @pytest.mark.parametrize(
        "change",
        [
            {"method": "magic"}, {"slope": -1.0}, {"slope": "1"}, {"method": "isotonic"}, {"target_share": 1.0},
            {"knots": [[0.0, 0.2], [1.0, 0.1]], "method": "isotonic"}, {"knots": [[1.0]]}, {"more": 1},
        ],
    )  # fmt: skip
    def test_a_damaged_calibration_is_refused(self, own_bundle: Path, change: dict[str, Any]) -> None:
        path = own_bundle / "detector.json"
        stored = Calibration("platt", 2.0, 0.1).to_dict() | change
        path.write_text(json.dumps(json.loads(path.read_text()) | {"calibration": stored}))
        with pytest.raises(CheckpointError, match="damaged or foreign: calibration: "):
            load_bundle(own_bundle)


@pytest.mark.parametrize("logit", [-0.7, 0.0, 0.7])
@pytest.mark.parametrize("method", ["temperature", "platt", "isotonic"])
def test_constant_logits_are_refused(method: CalibrationMethod, logit: float) -> None:
    labels = (np.arange(600) < 180).astype(np.int64)
    with pytest.raises(DataError, match="does not score fakes higher"):
        fit_calibration(HeldOutPredictions(labels, np.full(600, logit), "val"), method, MACRO_F1)
