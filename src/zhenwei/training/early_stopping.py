"""When to stop: the best score so far, and how long ago it was."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass
class EarlyStopping:
    """Watches one score over the epochs.

    Attributes:
        direction: Whether more ("max") or less ("min") is better.
        patience: Epochs without a better score after which to stop; 0: never.
        best: The best score so far.
        best_epoch: When it was, counted from 1.
        waited: Epochs since then.
    """

    direction: Literal["max", "min"]
    patience: int
    best: float | None = None
    best_epoch: int = 0
    waited: int = 0

    def update(self, score: float | None, epoch: int) -> bool:
        """Take in an epoch's score and tell whether it is the best so far; an undefined one never is.

        Args:
            score: The watched score, or None where it is undefined.
            epoch: Counted from 1.
        """
        better = score is not None and not math.isnan(score) and (self.best is None or self._beats(score, self.best))
        if better:
            self.best, self.best_epoch, self.waited = score, epoch, 0
        else:
            self.waited += 1
        return better

    def _beats(self, score: float, best: float) -> bool:
        return score > best if self.direction == "max" else score < best

    @property
    def should_stop(self) -> bool:
        """Whether patience is at its end."""
        return bool(self.patience) and self.waited >= self.patience

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint must keep."""
        return asdict(self)
