"""The search for better settings: trials in a study, the best of them as settings ready to train."""

import csv
import io
import json
import logging
import os
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, get_args

from zhenwei.atomic import write_atomic
from zhenwei.bundle.weights import write_json
from zhenwei.config import Config
from zhenwei.config.section import did_you_mean
from zhenwei.config.training import Monitor
from zhenwei.errors import CheckpointError, ConfigError
from zhenwei.evaluation.comparison.entries import Entry
from zhenwei.evaluation.comparison.shared_data import SourceFile, check_fit
from zhenwei.evaluation.tuning.space import Dimension, read_space
from zhenwei.evaluation.tuning.study import (
    Study,
    default_storage,
    finished_trials,
    judged_trials,
    load_optuna,
    open_study,
    study_terms,
    without_password,
)
from zhenwei.evaluation.tuning.trials import TRIALS, Search, work, work_aloud
from zhenwei.hashing import file_sha256
from zhenwei.parallel import run_in_subprocesses
from zhenwei.training.preparation import find_parts

BEST, TABLE = "best.json", "trials.csv"
MOST_FOR_IMPORTANCE = 500  # trials; with more it takes long


@dataclass(frozen=True)
class TrialRecord:
    """What came of a trial.

    Attributes:
        number: From 0.
        state: `complete` or `pruned`.
        score: Of the best epoch, on val; None where it was pruned.
        best_epoch: That epoch; None likewise.
        seconds: How long it took.
        values: The settings that were searched.
    """

    number: int
    state: str
    score: float | None
    best_epoch: int | None
    seconds: float | None
    values: dict[str, Any]


@dataclass(frozen=True)
class Tuning:
    """What came of a search.

    Attributes:
        metric: What was searched for, on val.
        trials: All that came to an end, the best first, then those that were pruned.
        importance: How much of the scores' variance each setting explains (fANOVA); empty where too little is known.
        best: The file of the best settings, ready for `zhenwei train`.
        best_run: The best trial's run folder; None where another machine has it.
    """

    metric: str
    trials: tuple[TrialRecord, ...]
    importance: dict[str, float]
    best: str
    best_run: str | None

    def to_dict(self) -> dict[str, Any]:
        """Return everything, ready for JSON."""
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
    """Search for better settings of a detector, judged on val alone.

    Args:
        source: The settings file that is searched from.
        trials: Finished trials that the study shall have; those of earlier searches and other machines count.
        out: Folder for `best.json`, `trials.csv` and the best trial's run.
        space: JSON file of what is searched; None: the detector's default space.
        overrides: `section.key=value` texts, applied to the settings.
        metric: What is searched for: the best epoch's score on val.
        storage: URL of a database that several machines share; None: SQLite in `out`.
        study: Name of the study in it; None: the detector's.
        timeout: Minutes after which no further trial is begun.
        jobs: Processes that work on the study.
        seed: Of the search; with one process, a search repeats exactly.
        keep: Keep every trial's run folder.

    Raises:
        CheckpointError: If the database cannot be used, or holds another search under this name.
        ConfigError: If settings or space are wrong, or Optuna is not installed.
        DataError: If the articles cannot be used.
    """
    config = Config.load(source, overrides)
    if metric not in get_args(Monitor):
        raise ConfigError(f"--metric: found '{metric}'; {did_you_mean(metric, get_args(Monitor))}")
    for name, value in (("--trials", trials), ("--jobs", jobs)):
        if value < 1:
            raise ConfigError(f"{name}: found {value}; expected 1 or more")
    dimensions = read_space(space, config)
    load_optuna()
    found = find_parts(config)
    files = {part: SourceFile(found[part], file_sha256(found[part])) for part in ("train", "val")}  # test is not read
    check_fit([Entry(config.model.title, str(source), config)], files)
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise CheckpointError(f"{folder}: is a file; expected a folder") from None
    _check_same_study(folder, study or config.model.title)
    terms = study_terms(config, dimensions, metric, {part: file.sha256 for part, file in files.items()})
    search = Search(
        config, tuple(dimensions), metric, storage or default_storage(folder), study or config.model.title, terms,
        folder, files["train"].path.resolve(), files["val"].path.resolve(), trials,
        None if timeout is None else time.time() + 60 * timeout, seed, keep,
    )  # fmt: skip
    opened = open_study(search.url, search.study, terms, seed, metric)
    if jobs == 1:
        work(search)
    else:
        _work_side_by_side(search, jobs)
    return _write(opened, config, search)


def _work_side_by_side(search: Search, jobs: int) -> None:
    aloud = logging.getLogger("zhenwei").isEnabledFor(logging.INFO)
    seeds = {f"worker {number}": search.seed + 104729 * number for number in range(1, jobs + 1)}
    tasks = {name: replace(search, seed=seed) for name, seed in seeds.items()}
    with closing(run_in_subprocesses(work_aloud if aloud else work, tasks, jobs)) as workers:
        for _ in workers:
            pass


def _write(study: Study, config: Config, search: Search) -> Tuning:
    """Write what was found.

    Raises:
        CheckpointError: If no trial came to its end.
    """
    judged = judged_trials(study)
    pruned = [trial for trial in finished_trials(study) if trial.state.name == "PRUNED"]
    if not judged:
        raise CheckpointError(
            f"{without_password(search.url)}: no trial of '{search.study}' came to its end ({len(pruned)} pruned); "
            "try more --trials"
        )
    records = tuple(
        TrialRecord(
            trial.number, trial.state.name.lower(), trial.value if trial.state.name == "COMPLETE" else None,
            trial.user_attrs.get("best_epoch"), trial.duration.total_seconds() if trial.duration else None,
            _values(trial.params, search.dimensions),
        )
        for trial in [*judged, *pruned]
    )  # fmt: skip
    best, folder = search.folder / BEST, search.folder / TRIALS / str(judged[0].number)
    write_json(best_settings(config, records[0].values, search.metric, search.folder).to_dict(), best)
    _write_table(records, [dimension.name for dimension in search.dimensions], search.folder / TABLE)
    run = str(folder) if folder.is_dir() else None
    return Tuning(search.metric, records, _importance(study, len(judged)), str(best), run)


def best_settings(config: Config, values: dict[str, Any], metric: str, folder: Path) -> Config:
    """Return the settings that were searched from, with the best values in them."""
    fixed = {"training.monitor": metric, "output.dir": str(folder / "best")}
    return Config.load(config, [f"{name}={json.dumps(value)}" for name, value in (values | fixed).items()])


def _values(params: dict[str, Any], dimensions: Iterable[Dimension]) -> dict[str, Any]:
    chosen = {dimension.name for dimension in dimensions if dimension.choices}
    return {name: json.loads(value) if name in chosen else value for name, value in params.items()}


def _write_table(records: Iterable[TrialRecord], names: list[str], path: Path) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["number", "state", "score", "best_epoch", "seconds", *names])
    for each in records:
        values = [each.values.get(name) for name in names]
        writer.writerow([each.number, each.state, each.score, each.best_epoch, each.seconds, *values])
    write_atomic(text.getvalue(), path)


def _importance(study: Study, judged: int) -> dict[str, float]:
    """Return how much each setting matters, where enough is known to say."""
    if not 4 <= judged <= MOST_FOR_IMPORTANCE:
        return {}
    try:
        found = load_optuna().importance.get_param_importances(
            study, evaluator=load_optuna().importance.FanovaImportanceEvaluator(seed=0)
        )
    except (RuntimeError, ValueError):  # all scores are equal, or a setting has had one value alone
        return {}
    return {name: round(float(value), 4) for name, value in found.items()}


def _check_same_study(folder: Path, study: str) -> None:
    """Refuse a folder in which the trials of another study are kept, and say from now on whose it is."""
    mark = folder / "study.json"
    try:
        before = json.loads(mark.read_text(encoding="utf-8"))["study"]
    except FileNotFoundError:
        if (folder / "trials").exists():
            raise CheckpointError(
                f"{folder}: has a folder 'trials' that is not of a search; choose another --out"
            ) from None
        write_json({"study": study}, mark)
        return
    except (OSError, ValueError, KeyError, TypeError):
        raise CheckpointError(f"{mark}: damaged; choose another --out") from None
    if before != study:
        raise CheckpointError(f"{folder}: holds the search '{before}', found '{study}'; choose another --out")
