"""Execute the runs of a comparison: each in its own process; finished runs are loaded."""

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from zhenwei.config import Config
from zhenwei.errors import ZhenweiError
from zhenwei.evaluation.comparison.cost import CostTracker, TrainingCost
from zhenwei.evaluation.comparison.plan import PlannedRun
from zhenwei.evaluation.comparison.predictions import RunPredictions, bundle_digest, predict_files
from zhenwei.evaluation.comparison.shared_data import EVALUATED_PARTS, SourceFile
from zhenwei.parallel import run_in_subprocesses
from zhenwei.training.trainer import Trainer

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FinishedRun:
    """A run with its predictions and its cost.

    Attributes:
        run: The run.
        predictions: Its predictions.
        cost: The cost of its training; None if it was trained elsewhere.
        loaded: Whether it had finished before this comparison started.
    """

    run: PlannedRun
    predictions: RunPredictions
    cost: TrainingCost | None
    loaded: bool


def execute_runs(
    runs: Sequence[PlannedRun], files: Mapping[str, SourceFile], jobs: int, device: str
) -> list[FinishedRun]:
    """Train the runs that have not finished, and predict with all.

    Args:
        runs: All runs.
        files: The files that they read, by part.
        jobs: Number of parallel processes.
        device: The device on which existing runs predict.

    Raises:
        ZhenweiError: If a run fails; the others save their checkpoints and end.
        KeyboardInterrupt: After Ctrl-C; the runs save their checkpoints and end, too.
    """
    evaluated = {part: (files[part].path, files[part].sha256) for part in EVALUATED_PARTS if part in files}
    loaded = {run.name: _load_predictions(run, files) for run in runs}
    predictions = {name: each for name, each in loaded.items() if each is not None}
    tasks = {run.name: run for run in runs if run.name not in predictions}
    finished_before = {run.name for run in runs if run.config is None or (run.folder / "results.json").is_file()}
    if predictions:
        logger.info("%d of %d runs have finished before", len(predictions), len(runs))
    start = time.perf_counter()
    with closing(run_in_subprocesses(partial(_execute, evaluated, device), tasks, jobs)) as outcomes:
        for done, (name, outcome) in enumerate(outcomes, start=1):
            predictions[name] = outcome
            logger.info("%s", _progress(tasks[name], done, len(tasks), time.perf_counter() - start))
    return [
        FinishedRun(
            run, predictions[run.name], TrainingCost.load(run.cost) if run.config else None, run.name in finished_before
        )
        for run in runs
    ]  # fmt: skip


def _load_predictions(run: PlannedRun, files: Mapping[str, SourceFile]) -> RunPredictions | None:
    """Return the saved predictions of a finished run if neither its bundle nor the articles have changed."""
    if run.config is not None and not (run.folder / "results.json").is_file():
        return None
    predictions = RunPredictions.load(run.predictions)
    expected = {part: file.sha256 for part, file in files.items() if part in EVALUATED_PARTS}
    if predictions is None or predictions.bundle != bundle_digest(run.bundle) or predictions.files != expected:
        return None
    return predictions


def _execute(files: dict[str, tuple[Path, str]], device: str, run: PlannedRun) -> RunPredictions:
    """Train and predict, in the process of the run."""
    try:
        if run.config is not None:
            device = run.config.training.device
            _train(run, run.config)
        predictions = predict_files(run.bundle, files, device)
    except ZhenweiError as error:
        raise ZhenweiError(f"{run.name}: {error}") from None
    predictions.save(run.predictions)
    return predictions


def _train(run: PlannedRun, config: Config) -> None:
    """Train or resume; the cost of a finished run does not change."""
    tracker = CostTracker(run.cost)
    finished = (run.folder / "results.json").is_file()
    Trainer(config, resume=True, on_epoch=tracker.save).train()
    if not finished:
        tracker.save()


def _progress(run: PlannedRun, done: int, total: int, seconds: float) -> str:
    """Return which run has finished, and the estimated time that is left."""
    cost = TrainingCost.load(run.cost)
    took = f"trained in {cost.seconds / 60:.1f} min" if run.config is not None and cost else "predicted"
    text = f"{run.name}: {took}; {done} of {total}"
    return text if done == total else f"{text}, about {seconds / done * (total - done) / 60:.0f} min left"
