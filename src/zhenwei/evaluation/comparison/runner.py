"""The runs of a comparison carried out: each in a process of its own, what has ended taken as it is."""

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from zhenwei.errors import ZhenweiError
from zhenwei.evaluation.comparison.cost import Cost, CostAccount
from zhenwei.evaluation.comparison.plan import PlannedRun
from zhenwei.evaluation.comparison.predictions import Predictions, bundle_digest, predict_files
from zhenwei.evaluation.comparison.shared_data import JUDGED, SourceFile
from zhenwei.parallel import run_in_subprocesses
from zhenwei.training.trainer import Trainer

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FinishedRun:
    """A run with what it came to.

    Attributes:
        run: The run.
        predictions: What its detector says.
        cost: What its training has cost; None where it was trained elsewhere.
        loaded: Whether it had ended before this comparison began.
    """

    run: PlannedRun
    predictions: Predictions
    cost: Cost | None
    loaded: bool


@dataclass(frozen=True)
class _Task:
    run: PlannedRun
    files: dict[str, tuple[Path, str]]
    device: str


def run_all(runs: Sequence[PlannedRun], files: Mapping[str, SourceFile], jobs: int, device: str) -> list[FinishedRun]:
    """Train what is still to be trained, and judge it.

    Args:
        runs: All runs.
        files: What they read, by part.
        jobs: How many are trained at a time.
        device: Where runs that ended elsewhere are judged.

    Raises:
        ZhenweiError: If a run fails; the others are asked to save their checkpoints, and end.
        KeyboardInterrupt: After Ctrl-C; likewise.
    """
    judged = {part: (files[part].path, files[part].sha256) for part in JUDGED if part in files}
    ready = {run.name: _kept(run, files) for run in runs}
    left = {run.name: _Task(run, judged, device) for run in runs if ready[run.name] is None}
    ended_before = {run.name for run in runs if run.config is None or (run.folder / "results.json").is_file()}
    if len(left) < len(runs):
        logger.info("%d of %d runs have ended before", len(runs) - len(left), len(runs))
    begun, done = time.perf_counter(), 0
    with closing(run_in_subprocesses(_carry_out, left, jobs)) as outcomes:
        for name, predictions in outcomes:
            ready[name] = predictions
            done += 1
            logger.info("%s", _progress(left[name].run, done, len(left), time.perf_counter() - begun))
    outcomes_of = {name: predictions for name, predictions in ready.items() if predictions is not None}
    return [
        FinishedRun(run, outcomes_of[run.name], Cost.load(run.cost) if run.config else None, run.name in ended_before)
        for run in runs
    ]


def _kept(run: PlannedRun, files: Mapping[str, SourceFile]) -> Predictions | None:
    """Return what is kept of a run that has ended, if its detector and the articles are still the same."""
    if run.config is not None and not (run.folder / "results.json").is_file():
        return None
    predictions = Predictions.load(run.predictions)
    expected = {part: file.sha256 for part, file in files.items() if part in JUDGED}
    if predictions is None or predictions.bundle != bundle_digest(run.bundle) or predictions.files != expected:
        return None
    return predictions


def _carry_out(task: _Task) -> Predictions:
    """Be the process of a run."""
    run = task.run
    device = task.device if run.config is None else run.config.training.device
    try:
        if run.config is not None:
            _train(run)
        predictions = predict_files(run.bundle, task.files, device)
    except ZhenweiError as error:
        raise ZhenweiError(f"{run.name}: {error}") from None
    predictions.save(run.predictions)
    return predictions


def _train(run: PlannedRun) -> None:
    """Train, or go on; a run that has ended is found so, and costs no more."""
    assert run.config is not None
    account = CostAccount(run.cost)
    ended = (run.folder / "results.json").is_file()
    Trainer(run.config, resume=True, on_epoch=account.save).train()
    if not ended:
        account.save()


def _progress(run: PlannedRun, done: int, total: int, seconds: float) -> str:
    """Say which run has ended, and how long the others may take."""
    cost = Cost.load(run.cost)
    took = f"trained in {cost.seconds / 60:.1f} min" if run.config is not None and cost else "judged"
    text = f"{run.name}: {took}; {done} of {total}"
    return text if done == total else f"{text}, about {seconds / done * (total - done) / 60:.0f} min left"
