"""One trial after the other: settings asked for, trained, judged on val, pruned where there is no hope."""

import json
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
from zhenwei.evaluation.tuning.space import Dimension, Trial
from zhenwei.evaluation.tuning.study import FrozenTrial, Study, finished_trials, judged_trials, load_optuna, open_study
from zhenwei.training.trainer import Trainer

logger = logging.getLogger(__name__)

TRIALS, NOTHING = "trials", ".no-test"


@dataclass(frozen=True)
class Search:
    """What one process needs to take part in a search.

    Attributes:
        config: The settings that are searched from.
        dimensions: What is searched.
        metric: What for.
        url: Of the database.
        study: Its name.
        terms: What must not change while it goes on.
        folder: Where trials are trained.
        train: The file of training articles.
        val: The file of val.
        wanted: Finished trials that the study shall have.
        deadline: Seconds since the epoch after which no trial is begun; None: there is none.
        seed: Of the search.
        keep: Whether to keep every trial's run folder, and not the best one's alone.
    """

    config: Config
    dimensions: tuple[Dimension, ...]
    metric: str
    url: str
    study: str
    terms: dict[str, Any]
    folder: Path
    train: Path
    val: Path
    wanted: int
    deadline: float | None
    seed: int
    keep: bool


def work(search: Search) -> None:
    """Carry out trials until the study has as many as are wanted, or the time is up.

    Raises:
        ZhenweiError: If the settings or the articles cannot be used; a training that diverges is a bad trial, no error.
    """
    study = open_study(search.url, search.study, search.terms, search.seed, search.metric)

    def stop_if_done(study: Study, _trial: object = None) -> None:
        late = search.deadline is not None and time.time() > search.deadline
        if late or len(finished_trials(study)) >= search.wanted:
            study.stop()

    def after(study: Study, trial: FrozenTrial) -> None:
        _report(study, trial, search)
        if not search.keep:
            _remove_all_but_best(study, search.folder / TRIALS)
        stop_if_done(study)

    if len(finished_trials(study)) < search.wanted:
        left = None if search.deadline is None else max(search.deadline - time.time(), 0.0)
        study.optimize(lambda trial: _judged(trial, search), timeout=left, callbacks=[after])


def work_aloud(search: Search) -> None:
    """Do the same in a process of its own, whose lines about each trial go to the terminal."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    work(search)


def trial_settings(search: Search, values: dict[str, Any], folder: Path) -> Config:
    """Return the settings of a trial: val alone judges it, and no test file is within its reach."""
    nothing = search.folder / NOTHING  # an empty folder: what `data.test` does not name is looked for in `root_path`
    nothing.mkdir(parents=True, exist_ok=True)
    fixed: dict[str, Any] = {
        "data.root_path": str(nothing), "data.train": str(search.train), "data.val": str(search.val),
        "data.test": None, "training.monitor": search.metric, "training.calibrate_on": "none",
        "output.dir": str(folder), "output.progress": False, "output.trackers": [], "output.save_steps": 0,
    }  # fmt: skip
    return Config.load(search.config, [f"{name}={json.dumps(value)}" for name, value in (values | fixed).items()])


def _judged(trial: Trial, search: Search) -> float:
    """Train a trial, and return its best epoch's score on val."""
    optuna = load_optuna()
    values = {dimension.name: dimension.suggest(trial) for dimension in search.dimensions}
    folder = search.folder / TRIALS / str(trial.number)

    def report(record: dict[str, Any]) -> None:
        score = record["val"][search.metric]
        if score is not None:
            trial.report(score, record["epoch"])
            if trial.should_prune():
                raise optuna.TrialPruned(f"hopeless after epoch {record['epoch']}")

    try:
        with _quiet():
            _, bundle = Trainer(trial_settings(search, values, folder), overwrite=True, on_epoch=report).train()
    except TrainingError as error:
        trial.set_user_attr("diverged", str(error))
        raise optuna.TrialPruned(str(error)) from None
    facts = load_bundle(bundle).facts
    score = facts["val"][search.metric]
    if score is None:
        raise DataError(f"{search.val}: '{search.metric}' is undefined there; expected both labels")
    trial.set_user_attr("best_epoch", facts["epoch"])
    return float(score)


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave a training's lines to its own log: a search has hundreds of trainings."""
    root = logging.getLogger("zhenwei")
    before = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(before)


def _report(study: Study, trial: FrozenTrial, search: Search) -> None:
    """Say what came of a trial."""
    done, best = len(finished_trials(study)), judged_trials(study)
    if trial.state.name == "PRUNED":
        said = "diverged" if "diverged" in trial.user_attrs else f"pruned after epoch {trial.last_step}"
    else:
        said = f"{search.metric} {trial.value:.4f}" if trial.value is not None else trial.state.name.lower()
    lead = f"; best so far {best[0].value:.4f} (trial {best[0].number})" if best else ""
    logger.info("trial %d: %s; %d of %d%s", trial.number, said, done, search.wanted, lead)


def _remove_all_but_best(study: Study, folder: Path) -> None:
    """Remove the run folders of trials that have ended, but for the best one's."""
    best = judged_trials(study)
    kept = {str(best[0].number)} if best else set()
    kept |= {str(trial.number) for trial in study.get_trials(deepcopy=False) if not trial.state.is_finished()}
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name not in kept:
            shutil.rmtree(path, ignore_errors=True)
