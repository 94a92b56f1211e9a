"""Read the record of a training from a run's folder, or from a bundle alone."""

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
    """The result of an epoch: its number from 1, the mean training loss, the scores on val."""

    number: int
    train_loss: float
    val: dict[str, Any]


@dataclass(frozen=True)
class Step:
    """A logged step: its time in epochs, the mean loss since the previous one, the learning rate."""

    epochs: float
    loss: float
    lr: float


@dataclass(frozen=True)
class RunRecord:
    """The record of a training.

    Attributes:
        path: The path that the user gave: a run's folder or a bundle.
        folder: The run's folder; None for a bundle alone.
        bundle: The bundle's folder.
        config: The settings.
        description: `detector.json` of the bundle.
        results: `results.json` of the run; empty if missing.
        epochs: In order.
        steps: In order.
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
        """The name of the run: its folder's name."""
        return self.path.resolve().name

    @property
    def facts(self) -> dict[str, Any]:
        """The facts of the training that the bundle stores."""
        facts = self.description.get("facts")
        return facts if isinstance(facts, dict) else {}

    @property
    def files(self) -> dict[str, dict[str, str]]:
        """The path and SHA-256 of each file of the training, by part; empty if not recorded."""
        return self.facts.get("files") or {}

    @property
    def best_epoch(self) -> int | None:
        """The epoch whose weights were saved; None for a detector that is fitted without epochs."""
        return None if self.facts.get("fitted") else self.facts.get("epoch")


def read_run(path: Path) -> RunRecord:
    """Read the record of a run's folder or of a bundle.

    Raises:
        CheckpointError: If it is neither, or its bundle is damaged.
    """
    bundle = find_bundle(path)
    folder = None if bundle == path else RunFolder(path)
    description = _read_object(bundle / DESCRIPTION)
    if description is None:
        raise CheckpointError(f"{bundle / DESCRIPTION}: damaged: expected a JSON object")
    config = Config.load(bundle / SETTINGS)
    if folder is None:
        return RunRecord(path, None, bundle, config, description, {}, (), ())
    epochs, steps = _read_metrics(folder.metrics)
    return RunRecord(path, folder, bundle, config, description, _read_object(folder.results) or {}, epochs, steps)


def _read_object(path: Path) -> dict[str, Any] | None:
    """Return the object in a JSON file; None if the file is missing or contains something else."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _read_metrics(path: Path) -> tuple[tuple[Epoch, ...], tuple[Step, ...]]:
    """Read the epochs and steps of `metrics.jsonl`; truncated or invalid lines are skipped."""
    records = list(_lines(path))
    epoch_records = [record for record in records if record.get("event") == "epoch"]
    try:
        steps_per_epoch = epoch_records[-1]["step"] / epoch_records[-1]["epoch"] if epoch_records else 1.0
        epochs = tuple(Epoch(each["epoch"], each["train_loss"], each["val"]) for each in epoch_records)
        steps = tuple(
            Step(each["step"] / steps_per_epoch, each["loss"], each["lr"])
            for each in records
            if each.get("event") == "step"
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
