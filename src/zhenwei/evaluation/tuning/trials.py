"""The trials of a search: suggest settings, train, score on val, and prune trials without a chance."""

import logging
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zhenwei.bundle import load_bundle
from zhenwei.config import Config
from zhenwei.errors import DataError, TrainingError
from zhenwei.evaluation.tuning.space import Dimension, Trial, with_values
from zhenwei.evaluation.tuning.study import (
    FrozenTrial,
    Study,
    completed_trials,
    finished_trials,
    load_optuna,
    open_study,
)
from zhenwei.training.trainer import Trainer

logger = logging.getLogger(__name__)

TRIALS, NO_TEST = "trials", ".no-test"


@dataclass(frozen=True)
class Search:
    """The parameters of one worker process of a search.

    Attributes:
        config: The settings that the search starts from.
        dimensions: The search space.
        metric: The metric to optimize.
        url: URL of the database.
        study: Name of the study.
        definition: What must stay the same when the study resumes.
        folder: Folder of the trials.
        train: File of the training articles.
        val: File of the val articles.
        n_trials: Number of finished trials that the study should have.
        deadline: Seconds since the epoch after which no trial starts; None without a time limit.
        seed: Seed of the search.
        keep: Whether to keep the run folders of all trials instead of the best one only.
    """

    config: Config
    dimensions: tuple[Dimension, ...]
    metric: str
    url: str
    study: str
    definition: dict[str, Any]
    folder: Path
    train: Path
    val: Path
    n_trials: int
    deadline: float | None
    seed: int
    keep: bool


def run_trials(search: Search) -> None:
    """Run trials until the study has enough, or the deadline has passed.

    Raises:
        ZhenweiError: If the settings or the articles are invalid. A training that diverges only ends its trial.
    """
    study = open_study(search.url, search.study, search.definition, search.seed, search.metric)

    def after_trial(study: Study, trial: FrozenTrial) -> None:
        _log_trial(study, trial, search)
        if not search.keep:
            _remove_all_but_best(study, search.folder / TRIALS)
        if len(finished_trials(study)) >= search.n_trials:
            study.stop()

    if len(finished_trials(study)) < search.n_trials:
        left = None if search.deadline is None else max(search.deadline - time.time(), 0.0)
        study.optimize(lambda trial: _train_trial(trial, search), timeout=left, callbacks=[after_trial])


def run_trials_with_log(search: Search) -> None:
    """Run trials in a worker process that prints its log to the terminal."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    run_trials(search)


def trial_settings(search: Search, values: dict[str, Any], folder: Path) -> Config:
    """Return the settings of a trial, which has no access to a test file."""
    empty = search.folder / NO_TEST  # without `data.test`, a test file would be searched in `root_path`
    empty.mkdir(parents=True, exist_ok=True)
    fixed: dict[str, Any] = {
        "data.root_path": str(empty), "data.train": str(search.train), "data.val": str(search.val),
        "data.test": None, "training.monitor": search.metric, "training.calibrate_on": "none",
        "output.dir": str(folder), "output.progress": False, "output.trackers": [], "output.save_steps": 0,
    }  # fmt: skip
    return with_values(search.config, values | fixed)


def _train_trial(trial: Trial, search: Search) -> float:
    """Train a trial, and return the score of its best epoch on val."""
    optuna = load_optuna()
    values = {dimension.name: dimension.suggest(trial) for dimension in search.dimensions}
    folder = search.folder / TRIALS / str(trial.number)

    def report(record: dict[str, Any]) -> None:
        score = record["val"][search.metric]
        if score is not None:
            trial.report(score, record["epoch"])
            if trial.should_prune():
                raise optuna.TrialPruned(f"pruned after epoch {record['epoch']}")

    try:
        with _errors_only():
            _, bundle = Trainer(trial_settings(search, values, folder), overwrite=True, on_epoch=report).train()
    except TrainingError as error:
        trial.set_user_attr("diverged", str(error))
        raise optuna.TrialPruned(str(error)) from None
    facts = load_bundle(bundle).facts
    score = facts["val"][search.metric]
    if score is None:
        raise DataError(f"{search.val}: '{search.metric}' is undefined on these articles; expected both labels")
    trial.set_user_attr("best_epoch", facts["epoch"])
    return float(score)


@contextmanager
def _errors_only() -> Iterator[None]:
    """Print only errors of the trainings, of which a search has hundreds; each has its own log file."""
    root = logging.getLogger("zhenwei")
    before = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(before)


def _log_trial(study: Study, trial: FrozenTrial, search: Search) -> None:
    """Log the outcome of a trial."""
    n_finished, completed = len(finished_trials(study)), completed_trials(study)
    if trial.state.name == "PRUNED":
        outcome = "diverged" if "diverged" in trial.user_attrs else f"pruned after epoch {trial.last_step}"
    else:
        outcome = f"{search.metric} {trial.value:.4f}" if trial.value is not None else trial.state.name.lower()
    best = f"; best so far {completed[0].value:.4f} (trial {completed[0].number})" if completed else ""
    logger.info("trial %d: %s; %d of %d%s", trial.number, outcome, n_finished, search.n_trials, best)


def _remove_all_but_best(study: Study, folder: Path) -> None:
    """Remove the run folders of finished trials except the best one."""
    completed = completed_trials(study)
    keep = {str(completed[0].number)} if completed else set()
    keep |= {str(trial.number) for trial in study.get_trials(deepcopy=False) if not trial.state.is_finished()}
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name not in keep:
            shutil.rmtree(path, ignore_errors=True)
