"""The cost of a training, summed over interruptions."""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from zhenwei.bundle.weights import write_json
from zhenwei.parallel import peak_memory


@dataclass(frozen=True)
class TrainingCost:
    """Time and memory of a training.

    Attributes:
        seconds: Wall-clock time; the time of a killed process after its last epoch is not included.
        peak_memory: Peak resident memory of the process, in bytes; None if the system does not report it.
    """

    seconds: float = 0.0
    peak_memory: int | None = None

    @classmethod
    def load(cls, path: Path) -> "TrainingCost | None":
        """Read a saved cost; None if the file is missing or damaged."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None


class CostTracker:
    """Measures the cost of a training, and saves it in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.earlier = TrainingCost.load(path) or TrainingCost()
        self.start = time.perf_counter()

    def save(self, _record: object = None) -> None:
        """Save the cost so far; `Trainer` calls this after each epoch."""
        peaks = [peak for peak in (self.earlier.peak_memory, peak_memory()) if peak is not None]
        seconds = self.earlier.seconds + time.perf_counter() - self.start
        write_json(asdict(TrainingCost(round(seconds, 1), max(peaks, default=None))), self.path)
