"""The study that a search is kept in: opened or gone on with, in SQLite or any other database."""

import importlib
import json
import logging
import re
import warnings
from pathlib import Path
from typing import Any, TypeAlias

from zhenwei.config import Config
from zhenwei.config.training import LOWER_IS_BETTER
from zhenwei.errors import CheckpointError, ConfigError
from zhenwei.evaluation.tuning.space import Dimension

Study: TypeAlias = Any  # optuna's, which is optional
FrozenTrial: TypeAlias = Any
HEARTBEAT = 60  # seconds; a trial whose process has been silent for twice as long is given up
STARTUP_TRIALS = 5  # none is pruned before so many have ended


def load_optuna() -> Any:
    """Return the package, silent but for errors.

    Raises:
        ConfigError: If it is not installed.
    """
    try:
        optuna = importlib.import_module("optuna")
    except ImportError:
        raise ConfigError("zhenwei tune needs Optuna; install it: pip install 'zhenwei[tune]'") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def default_storage(out: Path) -> str:
    """Return the URL of the database in a search's own folder."""
    return f"sqlite:///{(out / 'study.db').resolve()}"


def without_password(url: str) -> str:
    """Return a database's URL as it may be shown."""
    return re.sub(r"(//[^/@:]*):[^@]*@", r"\1:***@", url)


def open_study(url: str, name: str, terms: dict[str, Any], seed: int, metric: str) -> Study:
    """Open a study, or begin it.

    Args:
        url: SQLAlchemy's, of the database.
        name: The study's, in that database.
        terms: What is searched and how it is judged; a study is gone on with by equal terms alone.
        seed: Of the search.
        metric: What is searched for.

    Raises:
        CheckpointError: If the database cannot be used, or the study has other terms.
    """
    optuna = load_optuna()
    direction = "minimize" if metric in LOWER_IS_BETTER else "maximize"
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            storage = optuna.storages.RDBStorage(url, heartbeat_interval=HEARTBEAT)
        study = optuna.create_study(study_name=name, storage=storage, direction=direction, load_if_exists=True)
        stored = study.user_attrs.get("terms")
        if stored is None:
            study.set_user_attr("terms", json.dumps(terms, sort_keys=True))
    except Exception as error:  # SQLAlchemy's and the drivers' own, by the dozen
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"--storage: '{without_password(url)}' cannot be used: {reason}") from None
    if stored is not None:
        _check_terms(json.loads(stored), json.loads(json.dumps(terms)), name, url)
    # Another seed for each time that it goes on, lest the first trials be tried again.
    study.sampler = optuna.samplers.TPESampler(seed=(seed + 7919 * len(study.trials)) % 2**32, constant_liar=True)
    study.pruner = optuna.pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS, n_warmup_steps=1)
    return study


def _check_terms(stored: dict[str, Any], wanted: dict[str, Any], name: str, url: str) -> None:
    for what in sorted(stored.keys() | wanted.keys()):
        if stored.get(what) != wanted.get(what):
            raise CheckpointError(
                f"the study '{name}' in {without_password(url)} was not begun with the {what} of this search; go on "
                "with the same, or choose another --study or --out"
            )


def study_terms(config: Config, dimensions: list[Dimension], metric: str, digests: dict[str, str]) -> dict[str, Any]:
    """Return what must not change while a study goes on."""
    settings = config.to_dict()
    for name in ("root_path", "train", "val", "test"):
        del settings["data"][name]
    del settings["output"], settings["training"]["device"]
    space = {dimension.name: dimension.to_dict() for dimension in dimensions}
    return {"metric": metric, "space": space, "settings": settings, "data": digests}


def finished_trials(study: Study) -> list[FrozenTrial]:
    """Return the trials that came to an end: judged, or pruned. One whose process was killed is not among them."""
    states = load_optuna().trial.TrialState
    trials: list[FrozenTrial] = study.get_trials(deepcopy=False, states=(states.COMPLETE, states.PRUNED))
    return trials


def judged_trials(study: Study) -> list[FrozenTrial]:
    """Return the trials that were trained to their end, the best first."""
    states = load_optuna().trial.TrialState
    trials = study.get_trials(deepcopy=False, states=(states.COMPLETE,))
    sign = -1.0 if study.direction.name == "MAXIMIZE" else 1.0
    return sorted(trials, key=lambda trial: (sign * (trial.value or 0.0), trial.number))
