"""The state of a training: what changes while it runs."""

from dataclasses import dataclass, field
from typing import Any

from accelerate import Accelerator
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from zhenwei.models import DetectorNetwork


@dataclass
class Progress:
    """How far a training is.

    Attributes:
        epoch: Epochs done.
        step_in_epoch: Optimizer steps done in the current epoch.
        step: Optimizer steps done in all.
        loss_sum: Sum of the training loss over the articles of the current epoch.
        n_texts: Number of those articles.
        unlogged_losses: Losses of the steps since the last logged line.
        stopping: State of early stopping.
        finished: Whether training has ended, so that at most the final scores are missing.
    """

    epoch: int = 0
    step_in_epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    n_texts: int = 0
    unlogged_losses: list[float] = field(default_factory=list)
    stopping: dict[str, Any] = field(default_factory=dict)
    finished: bool = False

    def add(self, loss: float, n_texts: int) -> None:
        """Count an optimizer step with its mean loss over a number of articles."""
        self.step += 1
        self.step_in_epoch += 1
        self.loss_sum += loss * n_texts
        self.n_texts += n_texts


@dataclass(frozen=True)
class TrainState:
    """The objects whose state changes while training."""

    network: DetectorNetwork
    optimizer: AdamW
    schedule: LambdaLR
    accelerator: Accelerator

    @property
    def lr(self) -> float:
        """Learning rate of the next step, of the first parameter group."""
        return float(self.optimizer.param_groups[0]["lr"])
