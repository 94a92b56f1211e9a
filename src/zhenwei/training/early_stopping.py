"""Early stopping: the best score so far, and the epochs since then."""

import math
from dataclasses import dataclass
from typing import Literal


@dataclass
class EarlyStopping:
    """Monitors one score over the epochs.

    Attributes:
        direction: Whether a higher ("max") or lower ("min") score is better.
        patience: Epochs without a better score after which training stops; 0: never.
        best: The best score so far.
        best_epoch: Its epoch, counted from 1.
        waited: Epochs since then.
    """

    direction: Literal["max", "min"]
    patience: int
    best: float | None = None
    best_epoch: int = 0
    waited: int = 0

    def update(self, score: float | None, epoch: int) -> bool:
        """Record the score of an epoch, and return whether it is the best so far; an undefined one never is.

        Args:
            score: The monitored score; None if it is undefined.
            epoch: Counted from 1.
        """
        sign = 1 if self.direction == "max" else -1
        better = score is not None and not math.isnan(score) and (self.best is None or sign * score > sign * self.best)
        if better:
            self.best, self.best_epoch, self.waited = score, epoch, 0
        else:
            self.waited += 1
        return better

    @property
    def should_stop(self) -> bool:
        """Whether `patience` epochs have passed without a better score."""
        return bool(self.patience) and self.waited >= self.patience
