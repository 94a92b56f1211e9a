"""The Optuna study of a search, in SQLite or another database."""

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

Study: TypeAlias = Any  # of optuna, which is optional
FrozenTrial: TypeAlias = Any
HEARTBEAT = 60  # seconds; a trial without one for twice as long counts as failed
STARTUP_TRIALS = 5  # that finish before the first one is pruned


def load_optuna() -> Any:
    """Import optuna, with errors only in its log.

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
    """Return the URL of the SQLite database in the search's folder."""
    return f"sqlite:///{(out / 'study.db').resolve()}"


def redact_password(url: str) -> str:
    """Return a database URL without its password."""
    return re.sub(r"(//[^/@:]*):[^@]*@", r"\1:***@", url)


def open_study(url: str, name: str, definition: dict[str, Any], seed: int, metric: str) -> Study:
    """Open a study, or create it.

    Args:
        url: SQLAlchemy URL of the database.
        name: Name of the study in the database.
        definition: See `study_definition`; it must be equal to that of an existing study.
        seed: Seed of the search.
        metric: The metric to optimize.

    Raises:
        CheckpointError: If the database cannot be used, or the study has another definition.
    """
    optuna = load_optuna()
    direction = "minimize" if metric in LOWER_IS_BETTER else "maximize"
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            storage = optuna.storages.RDBStorage(url, heartbeat_interval=HEARTBEAT)
        study = optuna.create_study(study_name=name, storage=storage, direction=direction, load_if_exists=True)
        stored = study.user_attrs.get("definition")
        if stored is None:
            study.set_user_attr("definition", json.dumps(definition, sort_keys=True))
    except Exception as error:  # SQLAlchemy and the drivers raise many types
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"--storage: '{redact_password(url)}' cannot be used: {reason}") from None
    if stored is not None:
        _check_definition(json.loads(stored), json.loads(json.dumps(definition)), name, url)
    # The seed changes whenever the study resumes, so that the first trials are not repeated.
    study.sampler = optuna.samplers.TPESampler(seed=(seed + 7919 * len(study.trials)) % 2**32, constant_liar=True)
    study.pruner = optuna.pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS, n_warmup_steps=1)
    return study


def _check_definition(stored: dict[str, Any], expected: dict[str, Any], name: str, url: str) -> None:
    for key in sorted(stored.keys() | expected.keys()):
        if stored.get(key) != expected.get(key):
            raise CheckpointError(
                f"the study '{name}' in {redact_password(url)} was created with another {key}; resume it with the "
                "same, or choose another --study or --out"
            )


def study_definition(
    config: Config, dimensions: list[Dimension], metric: str, digests: dict[str, str]
) -> dict[str, Any]:
    """Return what must stay the same when a study resumes: metric, search space, settings and articles."""
    settings = config.to_dict()
    for name in ("root_path", "train", "val", "test"):
        del settings["data"][name]
    del settings["output"], settings["training"]["device"]
    space = {dimension.name: dimension.to_dict() for dimension in dimensions}
    return {"metric": metric, "space": space, "settings": settings, "data": digests}


def finished_trials(study: Study) -> list[FrozenTrial]:
    """Return the completed and the pruned trials, without those whose process was killed."""
    states = load_optuna().trial.TrialState
    trials: list[FrozenTrial] = study.get_trials(deepcopy=False, states=(states.COMPLETE, states.PRUNED))
    return trials


def completed_trials(study: Study) -> list[FrozenTrial]:
    """Return the trials that were not pruned, the best first."""
    completed = [trial for trial in finished_trials(study) if trial.state.name == "COMPLETE"]
    return sorted(completed, key=lambda trial: trial.value or 0.0, reverse=study.direction.name == "MAXIMIZE")
