"""Calibration: how a detector's logits become probabilities that can be believed, as its bundle stores it."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from zhenwei.training.scoring import sigmoid

Method = Literal["temperature", "platt", "isotonic"]
Floats = NDArray[np.float64]


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
        goal: What the threshold was chosen for, in words.
        target_share: The share of fakes that probabilities were corrected to; None: they were not.
        target_from: Where that share is from, in words.
    """

    method: Method
    slope: float = 1.0
    intercept: float = 0.0
    knots: tuple[tuple[float, float], ...] = ()
    fitted_on: str = ""
    n: int = 0
    fake_share: float = 0.5
    goal: str = ""
    target_share: float | None = None
    target_from: str = ""

    def probabilities(self, logits: Floats) -> Floats:
        """Return the probabilities of fake [N] for logits [N]."""
        if self.method == "isotonic":
            places, values = np.array(self.knots).T
            inner = np.interp(logits, places, values)
            calibrated = np.log(inner) - np.log1p(-inner)
        else:
            calibrated = self.slope * logits + self.intercept
        return sigmoid(calibrated + self._shift())

    def _shift(self) -> float:
        """Return what a changed share of fakes adds to the logits (Saerens et al., Neural Computation 2002)."""
        if self.target_share is None:
            return 0.0
        return _log_odds(self.target_share) - _log_odds(self.fake_share)

    def shifted(self, share: float | None, source: str = "") -> "Calibration":
        """Return the same calibration, corrected to another share of fakes; None: not corrected at all."""
        return replace(self, target_share=share, target_from=source)

    def describe(self) -> str:
        """Say in words what was done."""
        text = f"{self.method}, fitted on {self.fitted_on} ({self.n} articles); threshold for {self.goal}"
        if self.target_share is not None:
            text += f"; corrected to a share of fakes of {self.target_share:.3f} ({self.target_from})"
        return text

    def to_dict(self) -> dict[str, Any]:
        """Return what a bundle stores."""
        return asdict(self)


def _log_odds(share: float) -> float:
    return float(np.log(share) - np.log1p(-share))
