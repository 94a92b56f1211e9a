"""Calibration: how a detector's logits become probabilities that can be believed, as its bundle stores it."""

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
        slope: What logits are multiplied by; 1 / temperature.
        intercept: What is added then; 0 for `temperature`.
        knots: For `isotonic`: logits, ascending, and the probability at each; between them it is interpolated.
        fitted_on: On which judgements it was fitted, in words.
        n: On how many.
        fake_share: The share of fakes among them.
        objective: What the threshold was chosen for, as in the settings.
        target_share: The share of fakes that probabilities were corrected to; None: they were not.
        target_from: Where that share is from, in words.
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
            places, values = np.array(self.knots).T
            calibrated = log_odds(np.interp(logits, places, values))
        else:
            calibrated = self.slope * logits + self.intercept
        if self.target_share is not None:  # Saerens et al., Neural Computation 2002
            calibrated = calibrated + log_odds(self.target_share) - log_odds(self.fake_share)
        return np.asarray(calibrated, np.float64)

    def probabilities(self, logits: Floats) -> Floats:
        """Return the probabilities of fake [N] for the network's logits [N]."""
        return sigmoid(self.logits(logits))

    def corrected(self, share: float | None, source: str = "") -> "Calibration":
        """Return the same calibration, corrected to another share of fakes; None: not corrected at all."""
        return replace(self, target_share=share, target_from=source)

    def describe(self) -> str:
        """Say in words what was done."""
        text = f"{self.method}, fitted on {self.n:,} judgements ({self.fitted_on}); threshold for {self.objective}"
        if self.target_share is not None:
            text += f"; corrected to a share of fakes of {self.target_share:.3f} ({self.target_from})"
        return text

    def to_dict(self) -> dict[str, Any]:
        """Return what a bundle stores."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Read what `to_dict` returned.

        Raises:
            ValueError: If it is no such thing; the message says what is wrong.
        """
        names = {field.name for field in fields(cls)}
        if stored.keys() != names:
            raise ValueError(f"found {', '.join(sorted(stored))}; expected {', '.join(sorted(names))}")
        try:
            knots = tuple((float(place), float(value)) for place, value in stored["knots"])
            calibration = cls(**{**stored, "knots": knots})
            with np.errstate(all="ignore"):  # what comes out of a damaged one is looked at below
                probe = calibration.probabilities(np.array([-1e3, -1.0, 0.0, 1.0, 1e3]))
        except (TypeError, ValueError, KeyError) as error:
            raise ValueError(str(error)) from None
        places = [place for place, _ in knots]
        shares = [share for share in (calibration.fake_share, calibration.target_share) if share is not None]
        if not all(0 < share < 1 for share in shares):
            raise ValueError(f"shares of fakes: found {shares}; expected above 0 and below 1")
        if calibration.method not in METHODS or (calibration.method == "isotonic") != bool(knots):
            raise ValueError(f"method: found {calibration.method!r} with {len(knots)} knots")
        if not np.isfinite(probe).all() or (np.diff(probe) < 0).any() or places != sorted(places):
            raise ValueError("its probabilities do not rise with the logits")
        return calibration


def log_odds(share: Any) -> Any:
    """Return log(p / (1 - p)) of a share or of an array of them, each above 0 and below 1."""
    return np.log(share) - np.log1p(-np.asarray(share))
