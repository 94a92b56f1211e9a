"""Read the record of a training from a run's folder, or from a bundle alone."""

import json
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
    def n_epochs(self) -> int | None:
        """The number of epochs of the training; None if not recorded."""
        return self.results.get("epochs") or (self.epochs[-1].number if self.epochs else None)

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
    description = _parse_object(_read_text(bundle / DESCRIPTION))
    if not description:
        raise CheckpointError(f"{bundle / DESCRIPTION}: damaged: expected a JSON object")
    config = Config.load(bundle / SETTINGS)
    if folder is None:
        return RunRecord(path, None, bundle, config, description, {}, (), ())
    results, metrics = _parse_object(_read_text(folder.results)), _read_text(folder.metrics)
    return RunRecord(path, folder, bundle, config, description, results, *_parse_metrics(metrics))


def _read_text(path: Path) -> str:
    """Return the text of a file; empty if it is missing or damaged."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def _parse_object(text: str) -> dict[str, Any]:
    """Return a JSON object; empty if the text is something else or truncated."""
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _parse_metrics(text: str) -> tuple[tuple[Epoch, ...], tuple[Step, ...]]:
    """Return the epochs and steps of `metrics.jsonl`; truncated or invalid lines are skipped."""
    records = [_parse_object(line) for line in text.splitlines()]
    epochs, steps = ([each for each in records if each.get("event") == event] for event in ("epoch", "step"))
    try:
        steps_per_epoch = epochs[-1]["step"] / epochs[-1]["epoch"] if epochs else 1.0
        return (
            tuple(Epoch(each["epoch"], each["train_loss"], each["val"]) for each in epochs),
            tuple(Step(each["step"] / steps_per_epoch, each["loss"], each["lr"]) for each in steps),
        )
    except (KeyError, TypeError, ZeroDivisionError):
        return (), ()
