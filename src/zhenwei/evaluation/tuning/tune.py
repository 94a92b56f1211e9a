"""Search for better settings of a detector."""

import json
import logging
import os
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, get_args

from zhenwei.bundle.weights import write_json
from zhenwei.config import Config
from zhenwei.config.section import did_you_mean
from zhenwei.config.training import Monitor
from zhenwei.errors import CheckpointError, ConfigError
from zhenwei.evaluation.comparison.candidates import Candidate
from zhenwei.evaluation.comparison.results import write_csv
from zhenwei.evaluation.comparison.shared_data import SourceFile, check_requirements
from zhenwei.evaluation.tuning.space import Dimension, read_space, with_values
from zhenwei.evaluation.tuning.study import (
    FrozenTrial,
    Study,
    completed_trials,
    default_storage,
    finished_trials,
    load_optuna,
    open_study,
    redact_password,
    study_definition,
)
from zhenwei.evaluation.tuning.trials import TRIALS, Search, run_trials, run_trials_with_log
from zhenwei.hashing import file_sha256
from zhenwei.parallel import run_in_subprocesses
from zhenwei.training.preparation import find_parts

BEST, TABLE = "best.json", "trials.csv"
MAX_TRIALS_FOR_IMPORTANCE = 500  # with more it takes long


@dataclass(frozen=True)
class TrialRecord:
    """The outcome of a trial.

    Attributes:
        number: Number, from 0.
        state: `complete` or `pruned`.
        score: Score of the best epoch on val; None if it was pruned.
        best_epoch: That epoch; None if it was pruned.
        seconds: Duration.
        values: Values of the searched settings.
    """

    number: int
    state: str
    score: float | None
    best_epoch: int | None
    seconds: float | None
    values: dict[str, Any]


@dataclass(frozen=True)
class Tuning:
    """The outcome of a search.

    Attributes:
        metric: The metric, on val.
        trials: All finished trials: completed ones, the best first, then pruned ones.
        importance: Share of the scores' variance that each setting explains (fANOVA); empty with too few trials.
        best: File of the best settings, ready for `zhenwei train`.
        best_run: Run folder of the best trial; None if it is on another machine.
    """

    metric: str
    trials: tuple[TrialRecord, ...]
    importance: dict[str, float]
    best: str
    best_run: str | None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)


def tune(
    source: str | os.PathLike[str],
    trials: int,
    out: str | os.PathLike[str],
    *,
    space: Path | None = None,
    overrides: Iterable[str] = (),
    metric: str = "macro_f1",
    storage: str | None = None,
    study: str | None = None,
    timeout: float | None = None,
    jobs: int = 1,
    seed: int = 2021,
    keep: bool = False,
) -> Tuning:
    """Search for better settings of a detector by its score on val.

    Args:
        source: The settings file or preset that the search starts from.
        trials: Number of finished trials that the study should have, including those of earlier searches and other
            machines.
        out: Folder for `best.json`, `trials.csv` and the best trial's run.
        space: JSON file of the search space; by default that of the detector.
        overrides: `section.key=value` texts, applied to the settings.
        metric: The metric to optimize: the best epoch's score on val.
        storage: URL of a database that several machines share; by default SQLite in `out`.
        study: Name of the study in the database; by default the detector's name.
        timeout: Minutes after which no further trial starts.
        jobs: Number of processes.
        seed: Seed of the search; with one process, a search is reproducible.
        keep: Keep the run folders of all trials.

    Raises:
        CheckpointError: If the database cannot be used, or has another search under this name.
        ConfigError: If settings or search space are invalid, or Optuna is not installed.
        DataError: If the articles are invalid.
    """
    config = Config.load(source, overrides)
    if metric not in get_args(Monitor):
        raise ConfigError(f"--metric: found '{metric}'; {did_you_mean(metric, get_args(Monitor))}")
    for name, value in (("--trials", trials), ("--jobs", jobs)):
        if value < 1:
            raise ConfigError(f"{name}: found {value}; expected 1 or more")
    dimensions = read_space(space, config)
    load_optuna()
    paths = find_parts(config)
    files = {part: SourceFile(paths[part], file_sha256(paths[part])) for part in ("train", "val")}  # test is not read
    check_requirements([Candidate(config.model.title, str(source), config)], files)
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise CheckpointError(f"{folder}: is a file; expected a folder") from None
    _check_same_study(folder, study or config.model.title)
    definition = study_definition(config, dimensions, metric, {part: file.sha256 for part, file in files.items()})
    search = Search(
        config, tuple(dimensions), metric, storage or default_storage(folder), study or config.model.title, definition,
        folder, files["train"].path.resolve(), files["val"].path.resolve(), trials,
        None if timeout is None else time.time() + 60 * timeout, seed, keep,
    )  # fmt: skip
    optuna_study = open_study(search.url, search.study, definition, seed, metric)
    if jobs == 1:
        run_trials(search)
    else:
        _run_workers(search, jobs)
    return _write_results(optuna_study, config, search)


def _run_workers(search: Search, jobs: int) -> None:
    with_log = logging.getLogger("zhenwei").isEnabledFor(logging.INFO)
    seeds = {f"worker {number}": search.seed + 104729 * number for number in range(1, jobs + 1)}
    tasks = {name: replace(search, seed=seed) for name, seed in seeds.items()}
    with closing(run_in_subprocesses(run_trials_with_log if with_log else run_trials, tasks, jobs)) as workers:
        for _ in workers:
            pass


def _write_results(study: Study, config: Config, search: Search) -> Tuning:
    """Write the best settings and the table of trials.

    Raises:
        CheckpointError: If no trial was completed.
    """
    completed = completed_trials(study)
    pruned = [trial for trial in finished_trials(study) if trial.state.name == "PRUNED"]
    if not completed:
        raise CheckpointError(
            f"{redact_password(search.url)}: no trial of '{search.study}' was completed ({len(pruned)} pruned); "
            "increase --trials"
        )
    records = tuple(_trial_record(trial, search.dimensions) for trial in [*completed, *pruned])
    best, folder = search.folder / BEST, search.folder / TRIALS / str(completed[0].number)
    fixed = {"training.monitor": search.metric, "output.dir": str(search.folder / "best")}
    write_json(with_values(config, records[0].values | fixed).to_dict(), best)
    rows = [{name: value for name, value in (vars(each) | each.values).items() if name != "values"} for each in records]
    write_csv(rows, search.folder / TABLE)
    run = str(folder) if folder.is_dir() else None
    return Tuning(search.metric, records, _importance(study, len(completed)), str(best), run)


def _trial_record(trial: FrozenTrial, dimensions: Iterable[Dimension]) -> TrialRecord:
    params = trial.params
    values = {each.name: json.loads(params[each.name]) if each.choices else params[each.name] for each in dimensions}
    return TrialRecord(
        trial.number, trial.state.name.lower(), trial.value if trial.state.name == "COMPLETE" else None,
        trial.user_attrs.get("best_epoch"), trial.duration.total_seconds() if trial.duration else None, values,
    )  # fmt: skip


def _importance(study: Study, n_completed: int) -> dict[str, float]:
    """Return the importance of each setting; empty with too few or too many trials."""
    if not 4 <= n_completed <= MAX_TRIALS_FOR_IMPORTANCE:
        return {}
    try:
        importances = load_optuna().importance.get_param_importances(
            study, evaluator=load_optuna().importance.FanovaImportanceEvaluator(seed=0)
        )
    except (RuntimeError, ValueError):  # all scores are equal, or a setting had a single value
        return {}
    return {name: round(float(value), 4) for name, value in importances.items()}


def _check_same_study(folder: Path, study: str) -> None:
    """Refuse a folder with the trials of another study, and record the study in a new one."""
    file = folder / "study.json"
    try:
        recorded = json.loads(file.read_text(encoding="utf-8"))["study"]
    except FileNotFoundError:
        if (folder / "trials").exists():
            raise CheckpointError(
                f"{folder}: its folder 'trials' does not belong to a search; choose another --out"
            ) from None
        write_json({"study": study}, file)
        return
    except (OSError, ValueError, KeyError, TypeError):
        raise CheckpointError(f"{file}: damaged; choose another --out") from None
    if recorded != study:
        raise CheckpointError(f"{folder}: contains the search '{recorded}', found '{study}'; choose another --out")
