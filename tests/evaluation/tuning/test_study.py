"""A study in its database: when it resumes, and which trials count."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zhenwei.config import Config
from zhenwei.errors import CheckpointError, ConfigError
from zhenwei.evaluation.tuning.space import Dimension
from zhenwei.evaluation.tuning.study import (
    completed_trials,
    default_storage,
    finished_trials,
    load_optuna,
    open_study,
    redact_password,
    study_definition,
)
from zhenwei.evaluation.tuning.trials import Search, trial_settings
from zhenwei.training.preparation import find_parts

pytestmark = pytest.mark.slow  # whole trainings

optuna = pytest.importorskip("optuna")


@pytest.fixture
def reopen(tmp_path: Path) -> Callable[..., Any]:
    """Open the study, again if it exists."""
    return lambda metric="macro_f1", **definition: open_study(default_storage(tmp_path), "s", definition, 1, metric)


def test_killed_trials_do_not_count(reopen: Callable[..., Any]) -> None:
    study = reopen()
    study.add_trial(optuna.trial.create_trial(value=0.5))
    study.add_trial(optuna.trial.create_trial(state=optuna.trial.TrialState.PRUNED))
    study.add_trial(optuna.trial.create_trial(state=optuna.trial.TrialState.FAIL))
    study.add_trial(optuna.trial.create_trial(state=optuna.trial.TrialState.RUNNING))  # its process is gone
    study = reopen()
    assert [trial.number for trial in finished_trials(study)] == [0, 1]
    assert [trial.number for trial in completed_trials(study)] == [0]


@pytest.mark.parametrize(("metric", "best"), [("macro_f1", 1), ("loss", 0)])
def test_the_best_comes_first(reopen: Callable[..., Any], metric: str, best: int) -> None:
    study = reopen(metric)
    for value in (0.2, 0.9, 0.5):
        study.add_trial(optuna.trial.create_trial(value=value))
    assert completed_trials(study)[0].number == best


def test_a_study_resumes_only_with_the_same_definition(reopen: Callable[..., Any]) -> None:
    reopen(space={"training.lr": {"low": 0.1, "high": 1.0}})
    reopen(space={"training.lr": {"high": 1.0, "low": 0.1}})
    with pytest.raises(CheckpointError, match="was created with another space; resume it with the same, or"):
        reopen(space={"training.lr": {"low": 0.1, "high": 2.0}})


def test_an_unusable_database_is_named_without_its_password() -> None:
    with pytest.raises(CheckpointError, match=r"'nosql://me:\*\*\*@host/db' cannot be used"):
        open_study("nosql://me:secret@host/db", "s", {}, 1, "auc")
    assert redact_password("sqlite:////tmp/a.db") == "sqlite:////tmp/a.db"


def test_without_optuna_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(ConfigError, match=r"install it: pip install 'zhenwei\[tune\]'"):
        load_optuna()


def test_the_definition_has_articles_and_space_but_no_paths(tmp_path: Path) -> None:
    one = Config.load({"data": {"root_path": "a"}, "output": {"dir": "x"}})
    other = Config.load({"data": {"root_path": "b"}, "output": {"dir": "y"}})
    dimensions = [Dimension("training.lr", 0.1, 1.0)]
    assert study_definition(one, dimensions, "auc", {"val": "1"}) == study_definition(
        other, dimensions, "auc", {"val": "1"}
    )
    assert study_definition(one, dimensions, "auc", {"val": "1"}) != study_definition(
        one, dimensions, "auc", {"val": "2"}
    )


def test_a_trial_has_no_access_to_the_test_file(
    tmp_path: Path, data_folder: Path, tiny_settings: Callable[..., dict[str, Any]]
) -> None:
    config = Config.load(tiny_settings(tmp_path / "run", data={"test": str(data_folder / "test.json")}))
    search = Search(
        config, (), "auc", "", "s", {}, tmp_path, data_folder / "train.json", data_folder / "val.json", 1, None, 1,
        False,
    )  # fmt: skip
    settings = trial_settings(search, {"training.lr": 0.5}, tmp_path / "trials" / "0")
    assert find_parts(settings) == {"train": data_folder / "train.json", "val": data_folder / "val.json"}
    assert (settings.training.monitor, settings.training.lr, settings.data.test) == ("auc", 0.5, None)
