"""Fitting a calibration, and choosing a threshold, on held-out predictions."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zhenwei.bundle.bundle import Bundle
from zhenwei.bundle.calibration import Calibration
from zhenwei.bundle.threshold import choose_threshold
from zhenwei.config import CalibrationMethod, ThresholdObjective
from zhenwei.errors import DataError

MIN_PREDICTIONS = 100
MIN_PER_LABEL = 20
MIN_FOR_ISOTONIC = 500
_NO_PENALTY = 1e10  # scikit-learn's C: an inverse penalty so large that none is left

Labels = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class HeldOutPredictions:
    """Predictions for labelled articles that were not used in training.

    Attributes:
        labels: [N] of 0 (real) or 1 (fake).
        logits: [N] of fake.
        description: Which articles they are, in words.
    """

    labels: Labels
    logits: Floats
    description: str

    def joined(self, other: "HeldOutPredictions") -> "HeldOutPredictions":
        """Return these predictions and others."""
        return HeldOutPredictions(
            np.concatenate([self.labels, other.labels]),
            np.concatenate([self.logits, other.logits]),
            f"{self.description}; {other.description}",
        )


def calibrate(
    bundle: Bundle,
    held_out: HeldOutPredictions,
    method: CalibrationMethod,
    objective: ThresholdObjective,
    target_share: float | None = None,
    target_from: str = "",
) -> Calibration:
    """Set a detector's calibration and threshold.

    Args:
        bundle: The detector; changed in place, unless an error is raised.
        held_out: Predictions of this detector, or of detectors trained like it, for articles not used in training.
        method: The calibration method.
        objective: What the threshold optimizes.
        target_share: Expected share of fakes where the detector is used; None: as in `held_out`.
        target_from: Source of that share, in words.

    Returns:
        The calibration.

    Raises:
        DataError: If there are too few predictions, all have one label, scores do not rise with the chance of fake, or
            no threshold reaches the objective.
    """
    labels, logits = held_out.labels, held_out.logits
    calibration = fit_calibration(held_out, method, objective).corrected(target_share, target_from)
    weights = np.ones(len(labels))
    if target_share is not None:  # reweight the articles to the expected share of fakes
        fakes = calibration.fake_share
        weights = np.where(labels == 1, target_share / fakes, (1 - target_share) / (1 - fakes))
    threshold = choose_threshold(labels, calibration.probabilities(logits), objective, weights)
    bundle.calibration, bundle.threshold = calibration, threshold
    return calibration


def fit_calibration(
    held_out: HeldOutPredictions, method: CalibrationMethod, objective: ThresholdObjective
) -> Calibration:
    """Fit a map from logits to probabilities.

    Raises:
        DataError: If there are too few predictions, all have one label, or scores do not rise with the chance of fake.
    """
    labels, logits = held_out.labels, held_out.logits
    _check_enough(labels, method)
    slope, intercept = 1.0, 0.0
    knots: tuple[tuple[float, float], ...] = ()
    if method == "isotonic":
        knots = _isotonic(labels, logits)
    else:
        slope, intercept = _logistic(labels, logits, with_intercept=method == "platt")
    if float(np.ptp(logits)) == 0.0 or slope <= 0 or (knots and knots[0][1] == knots[-1][1]):
        raise DataError(
            f"{held_out.description}: the detector does not score fakes higher than real articles; "
            "a calibration would invert its verdicts"
        )
    return Calibration(
        method, slope, intercept, knots,
        fitted_on=held_out.description, n=len(labels), fake_share=float(labels.mean()), objective=str(objective),
    )  # fmt: skip


def _check_enough(labels: Labels, method: CalibrationMethod) -> None:
    n, fakes = len(labels), int(labels.sum())
    minimum = MIN_FOR_ISOTONIC if method == "isotonic" else MIN_PREDICTIONS
    if n < minimum or min(fakes, n - fakes) < MIN_PER_LABEL:
        raise DataError(
            f"too few to calibrate on by '{method}': found {n} articles, {fakes} of them fake; expected at least "
            f"{minimum}, with {MIN_PER_LABEL} of each label"
        )


def _logistic(labels: Labels, logits: Floats, with_intercept: bool) -> tuple[float, float]:
    """Return slope and intercept of the logistic regression of labels on logits.

    The targets are Platt's, slightly inside 0 and 1, so that logits that separate the labels perfectly do not make the
    slope infinite.
    """
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415  # a second to import

    fakes = int(labels.sum())
    reals = len(labels) - fakes
    targets = np.where(labels == 1, (fakes + 1) / (fakes + 2), 1 / (reals + 2))
    scale = float(np.abs(logits).max()) or 1.0  # the solver works best with numbers near 1
    rows = np.tile(logits / scale, 2)[:, None]
    regression = LogisticRegression(C=_NO_PENALTY, fit_intercept=with_intercept, max_iter=1000, tol=1e-8)
    regression.fit(rows, np.repeat([1, 0], len(labels)), sample_weight=np.concatenate([targets, 1 - targets]))
    intercept = float(regression.intercept_[0]) if with_intercept else 0.0
    return float(regression.coef_[0, 0]) / scale, intercept


def _isotonic(labels: Labels, logits: Floats) -> tuple[tuple[float, float], ...]:
    """Return the knots of the isotonic curve that fits best; no probability is exactly 0 or 1."""
    from sklearn.isotonic import IsotonicRegression  # noqa: PLC0415

    margin = 1 / (len(labels) + 2)
    curve = IsotonicRegression(y_min=margin, y_max=1 - margin, out_of_bounds="clip").fit(logits, labels)
    return tuple((float(x), float(y)) for x, y in zip(curve.X_thresholds_, curve.y_thresholds_, strict=True))
