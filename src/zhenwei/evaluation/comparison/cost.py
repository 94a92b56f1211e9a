"""What a training has cost so far, over all the times that it was interrupted and went on."""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from zhenwei.bundle.weights import write_json
from zhenwei.parallel import peak_memory


@dataclass(frozen=True)
class Cost:
    """What a training has cost.

    Attributes:
        seconds: Wall-clock time; what a killed process did after its last epoch is not known, and not counted.
        peak_memory: Most resident memory of its process, in bytes; None where the system does not tell.
    """

    seconds: float = 0.0
    peak_memory: int | None = None

    @classmethod
    def load(cls, path: Path) -> "Cost | None":
        """Read what was saved; None where there is nothing, or it is damaged."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None


class CostAccount:
    """Adds up what a training costs, and keeps it in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.before = Cost.load(path) or Cost()
        self.begun = time.perf_counter()

    def save(self, _record: object = None) -> None:
        """Write what it has cost so far; as `Trainer` calls it after each epoch."""
        peaks = [peak for peak in (self.before.peak_memory, peak_memory()) if peak is not None]
        seconds = self.before.seconds + time.perf_counter() - self.begun
        write_json(asdict(Cost(round(seconds, 1), max(peaks, default=None))), self.path)
