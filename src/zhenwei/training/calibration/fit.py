"""Fitting a calibration, and choosing a threshold, from judgements of articles that the detector did not learn from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zhenwei.bundle.bundle import Bundle
from zhenwei.bundle.calibration import Calibration
from zhenwei.bundle.threshold import choose_threshold
from zhenwei.config import CalibrationMethod, ThresholdObjective
from zhenwei.errors import DataError

FEWEST = 100  # judgements to calibrate on
FEWEST_OF_A_LABEL = 20
FEWEST_FOR_ISOTONIC = 500
_NO_PENALTY = 1e10  # scikit-learn's C: so weak a penalty is none

Labels = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class HeldOutPredictions:
    """What a detector said of labelled articles that it did not learn from.

    Attributes:
        labels: [N] of 0 (real) or 1 (fake).
        logits: [N] of fake.
        described: What articles they are, in words.
    """

    labels: Labels
    logits: Floats
    described: str

    def joined(self, other: "HeldOutPredictions") -> "HeldOutPredictions":
        """Return these and others."""
        return HeldOutPredictions(
            np.concatenate([self.labels, other.labels]),
            np.concatenate([self.logits, other.logits]),
            f"{self.described}; {other.described}",
        )


def calibrate(
    bundle: Bundle,
    judgements: HeldOutPredictions,
    method: CalibrationMethod,
    objective: ThresholdObjective,
    target_share: float | None = None,
    target_from: str = "",
) -> Calibration:
    """Set a detector's calibration and threshold.

    Args:
        bundle: The detector; changed in place, unless the judgements allow no calibration.
        judgements: What it, or detectors like it, said of articles that they did not learn from.
        method: How.
        objective: What the threshold is chosen for.
        target_share: The share of fakes that is to be expected where the detector is used; None: as in the judgements.
        target_from: Where that share is from, in words.

    Returns:
        The calibration.

    Raises:
        DataError: If the judgements are too few or of one label, do not rise with the chance of fake, or no threshold
            reaches the objective.
    """
    labels, logits = judgements.labels, judgements.logits
    calibration = fit_calibration(judgements, method, objective).corrected(target_share, target_from)
    weights = np.ones(len(labels))
    if target_share is not None:  # as if the judged articles had the share of fakes that is to be expected
        fakes = calibration.fake_share
        weights = np.where(labels == 1, target_share / fakes, (1 - target_share) / (1 - fakes))
    threshold = choose_threshold(labels, calibration.probabilities(logits), objective, weights)
    bundle.calibration, bundle.threshold = calibration, threshold
    return calibration


def fit_calibration(
    judgements: HeldOutPredictions, method: CalibrationMethod, objective: ThresholdObjective
) -> Calibration:
    """Fit a map from logits to probabilities.

    Raises:
        DataError: If the judgements are too few or of one label, or do not rise with the chance of fake.
    """
    labels, logits = judgements.labels, judgements.logits
    _check_enough(labels, method)
    slope, intercept = 1.0, 0.0
    knots: tuple[tuple[float, float], ...] = ()
    if method == "isotonic":
        knots = _isotonic(labels, logits)
    else:
        slope, intercept = _logistic(labels, logits, with_intercept=method == "platt")
    if float(np.ptp(logits)) == 0.0 or slope <= 0 or (knots and knots[0][1] == knots[-1][1]):
        raise DataError(
            f"{judgements.described}: the detector does not give fakes higher scores than real articles there; "
            "a calibration would turn its verdicts around"
        )
    return Calibration(
        method, slope, intercept, knots,
        fitted_on=judgements.described, n=len(labels), fake_share=float(labels.mean()), objective=str(objective),
    )  # fmt: skip


def _check_enough(labels: Labels, method: CalibrationMethod) -> None:
    n, fakes = len(labels), int(labels.sum())
    fewest = FEWEST_FOR_ISOTONIC if method == "isotonic" else FEWEST
    if n < fewest or min(fakes, n - fakes) < FEWEST_OF_A_LABEL:
        raise DataError(
            f"too few to calibrate on by '{method}': found {n} judged articles, {fakes} of them fake; expected at "
            f"least {fewest}, with {FEWEST_OF_A_LABEL} of either label"
        )


def _logistic(labels: Labels, logits: Floats, with_intercept: bool) -> tuple[float, float]:
    """Return slope and intercept of the logistic regression of labels on logits.

    Platt's targets are used, a little inside of 0 and 1, so that logits which part the labels perfectly do not make
    the slope endless.
    """
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415  # a second to import

    fakes = int(labels.sum())
    reals = len(labels) - fakes
    targets = np.where(labels == 1, (fakes + 1) / (fakes + 2), 1 / (reals + 2))
    scale = float(np.abs(logits).max()) or 1.0  # the solver likes numbers near 1
    rows = np.tile(logits / scale, 2)[:, None]
    regression = LogisticRegression(C=_NO_PENALTY, fit_intercept=with_intercept, max_iter=1000, tol=1e-8)
    regression.fit(rows, np.repeat([1, 0], len(labels)), sample_weight=np.concatenate([targets, 1 - targets]))
    intercept = float(regression.intercept_[0]) if with_intercept else 0.0
    return float(regression.coef_[0, 0]) / scale, intercept


def _isotonic(labels: Labels, logits: Floats) -> tuple[tuple[float, float], ...]:
    """Return the knots of the rising curve that fits best; no probability is quite 0 or 1."""
    from sklearn.isotonic import IsotonicRegression  # noqa: PLC0415

    margin = 1 / (len(labels) + 2)
    curve = IsotonicRegression(y_min=margin, y_max=1 - margin, out_of_bounds="clip").fit(logits, labels)
    return tuple((float(x), float(y)) for x, y in zip(curve.X_thresholds_, curve.y_thresholds_, strict=True))
