"""Calibration: a map from logits to probabilities, as a bundle stores it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from zhenwei.bundle.predict_logits import sigmoid
from zhenwei.config import CalibrationMethod

Floats = NDArray[np.float64]

METHODS = ("temperature", "platt", "isotonic")


@dataclass(frozen=True)
class Calibration:
    """A monotone map from logits to probabilities of fake.

    Attributes:
        method: `temperature` (Guo et al., ICML 2017), `platt` (Platt, 1999) or `isotonic` (Zadrozny & Elkan, KDD 2002).
        slope: Factor of the logits; 1 / temperature.
        intercept: Added to the scaled logits; 0 for `temperature`.
        knots: For `isotonic`: ascending logits and their probabilities; values between them are interpolated.
        fitted_on: The articles that it was fitted on, in words.
        n: Number of those articles.
        fake_share: Share of fakes among them.
        objective: What the threshold optimizes, as in the settings.
        target_share: Share of fakes that probabilities are corrected to; None: no correction.
        target_from: Source of that share, in words.
    """

    method: CalibrationMethod
    slope: float = 1.0
    intercept: float = 0.0
    knots: tuple[tuple[float, float], ...] = ()
    fitted_on: str = ""
    n: int = 0
    fake_share: float = 0.5
    objective: str = "macro_f1"
    target_share: float | None = None
    target_from: str = ""

    def logits(self, logits: Floats) -> Floats:
        """Return the log odds of the calibrated probabilities [N] for the network's logits [N]."""
        if self.method == "isotonic":
            knot_logits, knot_probabilities = np.array(self.knots).T
            calibrated = log_odds(np.interp(logits, knot_logits, knot_probabilities))
        else:
            calibrated = self.slope * logits + self.intercept
        if self.target_share is not None:  # Saerens et al., Neural Computation 2002
            calibrated = calibrated + log_odds(self.target_share) - log_odds(self.fake_share)
        return np.asarray(calibrated, np.float64)

    def probabilities(self, logits: Floats) -> Floats:
        """Return the probabilities of fake [N] for the network's logits [N]."""
        return sigmoid(self.logits(logits))

    def corrected(self, share: float | None, source: str = "") -> "Calibration":
        """Return this calibration, corrected to another share of fakes; None: without a correction."""
        return replace(self, target_share=share, target_from=source)

    def describe(self) -> str:
        """Describe the calibration in one line."""
        text = f"{self.method}, fitted on {self.n:,} articles ({self.fitted_on}); threshold for {self.objective}"
        if self.target_share is not None:
            text += f"; corrected to a share of fakes of {self.target_share:.3f} ({self.target_from})"
        return text

    def to_dict(self) -> dict[str, Any]:
        """Return the calibration as a bundle stores it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Read the result of `to_dict`.

        Raises:
            ValueError: If it is invalid; the message says why.
        """
        names = {field.name for field in fields(cls)}
        if stored.keys() != names:
            raise ValueError(f"found {', '.join(sorted(stored))}; expected {', '.join(sorted(names))}")
        try:
            knots = tuple((float(logit), float(probability)) for logit, probability in stored["knots"])
            calibration = cls(**{**stored, "knots": knots})
            with np.errstate(all="ignore"):  # a damaged one gives values that are checked below
                probe = calibration.probabilities(np.array([-1e3, -1.0, 0.0, 1.0, 1e3]))
        except (TypeError, ValueError, KeyError) as error:
            raise ValueError(str(error)) from None
        knot_logits = [logit for logit, _ in knots]
        shares = [share for share in (calibration.fake_share, calibration.target_share) if share is not None]
        if not all(0 < share < 1 for share in shares):
            raise ValueError(f"shares of fakes: found {shares}; expected above 0 and below 1")
        if calibration.method not in METHODS or (calibration.method == "isotonic") != bool(knots):
            raise ValueError(f"method: found {calibration.method!r} with {len(knots)} knots")
        if not np.isfinite(probe).all() or (np.diff(probe) < 0).any() or knot_logits != sorted(knot_logits):
            raise ValueError("probabilities do not rise with the logits")
        return calibration


def log_odds(share: Any) -> Any:
    """Return log(p / (1 - p)) of a share or of an array of them, each above 0 and below 1."""
    return np.log(share) - np.log1p(-np.asarray(share))
