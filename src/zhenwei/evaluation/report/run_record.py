"""What a run's folder, or a bundle alone, tells of the training: read anew from its files."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zhenwei.bundle.bundle import DESCRIPTION, SETTINGS, find_bundle
from zhenwei.config import Config
from zhenwei.errors import CheckpointError
from zhenwei.training.run_folder import RunFolder


@dataclass(frozen=True)
class Epoch:
    """What an epoch came to: its number from 1, the mean training loss, the scores on val."""

    number: int
    train_loss: float
    val: dict[str, Any]


@dataclass(frozen=True)
class Step:
    """A logged step: how many epochs were done, the mean loss since the last one, the learning rate."""

    epochs: float
    loss: float
    lr: float


@dataclass(frozen=True)
class RunRecord:
    """A training as its files tell it.

    Attributes:
        path: What the user named: a run's folder or a bundle.
        folder: The run's folder; None for a bundle alone.
        bundle: The bundle's folder.
        config: The settings.
        description: `detector.json` of the bundle.
        results: `results.json` of the run; empty where there is none.
        epochs: In their order.
        steps: In their order.
    """

    path: Path
    folder: RunFolder | None
    bundle: Path
    config: Config
    description: dict[str, Any]
    results: dict[str, Any]
    epochs: tuple[Epoch, ...]
    steps: tuple[Step, ...]

    @property
    def name(self) -> str:
        """What the page calls the run: its folder's name."""
        return self.path.resolve().name

    @property
    def facts(self) -> dict[str, Any]:
        """What the bundle knows of its training."""
        facts = self.description.get("facts")
        return facts if isinstance(facts, dict) else {}

    @property
    def best_epoch(self) -> int | None:
        """The epoch whose weights were kept; None where the detector was fitted in one go."""
        return None if self.facts.get("fitted") else self.facts.get("epoch")


def read_run(path: Path) -> RunRecord:
    """Read what a run's folder or a bundle tells.

    Raises:
        CheckpointError: If it is neither, or its bundle is damaged.
    """
    bundle = find_bundle(path)
    folder = None if bundle == path else RunFolder(path)
    description = _read_object(bundle / DESCRIPTION)
    if description is None:
        raise CheckpointError(f"{bundle / DESCRIPTION}: damaged or foreign: expected a JSON object")
    config = Config.load(bundle / SETTINGS)
    if folder is None:
        return RunRecord(path, None, bundle, config, description, {}, (), ())
    epochs, steps = _read_metrics(folder.metrics)
    return RunRecord(path, folder, bundle, config, description, _read_object(folder.results) or {}, epochs, steps)


def _read_object(path: Path) -> dict[str, Any] | None:
    """Return the object in a JSON file; None where there is no such file, or something else in it."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _read_metrics(path: Path) -> tuple[tuple[Epoch, ...], tuple[Step, ...]]:
    """Read the epochs and steps of `metrics.jsonl`; lines that are cut off or foreign are left out."""
    records = list(_lines(path))
    ends = [record for record in records if record.get("event") == "epoch"]
    try:
        per_epoch = ends[-1]["step"] / ends[-1]["epoch"] if ends else 1.0
        epochs = tuple(Epoch(each["epoch"], each["train_loss"], each["val"]) for each in ends)
        steps = tuple(
            Step(each["step"] / per_epoch, each["loss"], each["lr"]) for each in records if each.get("event") == "step"
        )
    except (KeyError, TypeError, ZeroDivisionError):
        return (), ()
    return epochs, steps


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return
    for line in text.splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            yield record
