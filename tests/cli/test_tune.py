"""`zhenwei tune`."""

import csv
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zhenwei import Config

pytestmark = pytest.mark.slow  # whole trainings

pytest.importorskip("optuna")

Command = Callable[..., Any]
Settings = Callable[..., dict[str, Any]]
SPACE = {"training.lr": {"low": 1e-4, "high": 0.1, "log": True}, "model.hidden_dim": {"choices": [4, 8]}}


@pytest.fixture
def data(data_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(data_folder, tmp_path / "data"))


@pytest.fixture
def tune(zhenwei: Command, tiny_settings: Settings, data: Path, tmp_path: Path) -> Callable[..., Any]:
    """Run `zhenwei tune` on tiny settings and a tiny space, with further arguments."""
    config, space = tmp_path / "tiny.json", tmp_path / "space.json"
    settings = tiny_settings(tmp_path / "run", data={"root_path": str(data)}, training={"epochs": 2})
    config.write_text(json.dumps(settings))
    space.write_text(json.dumps(SPACE))
    return lambda *arguments: zhenwei("tune", config, "--space", space, "--out", tmp_path / "out", *arguments)


def figures(path: Path) -> list[dict[str, Any]]:
    trials: list[dict[str, Any]] = json.loads(path.read_text())["trials"]
    return [{key: value for key, value in trial.items() if key != "seconds"} for trial in trials]


class TestSearch:
    def test_best_settings_train_and_no_trial_reads_the_test_file(
        self, tune: Callable[..., Any], zhenwei: Command, data: Path, tmp_path: Path
    ) -> None:
        good = (data / "test.json").read_text(encoding="utf-8")
        (data / "test.json").write_text("[{")  # whoever reads it fails
        outcome = tune("--trials", 3, "--json", tmp_path / "out.json")
        assert outcome.status == 0, outcome.stderr
        result = json.loads((tmp_path / "out.json").read_text())
        best = Config.load(result["best"])
        values = result["trials"][0]["values"]
        assert (best.training.lr, best.model.model_dump()["hidden_dim"]) == (
            values["training.lr"],
            values["model.hidden_dim"],
        )
        assert result["trials"][0]["score"] == max(trial["score"] for trial in result["trials"])
        assert "epoch" in outcome.stdout
        assert "get the score on test with: zhenwei train" in outcome.stdout
        (data / "test.json").write_text(good, encoding="utf-8")
        assert zhenwei("train", result["best"]).status == 0

    @pytest.mark.nightly
    def test_the_best_trials_score_is_its_best_epochs_on_val(self, tune: Callable[..., Any], tmp_path: Path) -> None:
        tune("--trials", 2, "--metric", "auc", "--keep", "--json", tmp_path / "out.json")
        for trial in figures(tmp_path / "out.json"):
            lines = (tmp_path / "out" / "trials" / str(trial["number"]) / "metrics.jsonl").read_text().splitlines()
            epochs = [record for record in map(json.loads, lines) if record["event"] == "epoch"]
            scores = {record["epoch"]: record["val"]["auc"] for record in epochs}
            assert trial["score"] == max(scores.values()) == scores[trial["best_epoch"]]

    @pytest.mark.nightly
    def test_only_the_best_trials_run_is_kept(self, tune: Callable[..., Any], tmp_path: Path) -> None:
        assert tune("--trials", 3, "--json", tmp_path / "out.json").status == 0
        best = json.loads((tmp_path / "out.json").read_text())
        assert [path.name for path in (tmp_path / "out" / "trials").iterdir()] == [str(best["trials"][0]["number"])]
        assert best["best_run"] == str(tmp_path / "out" / "trials" / str(best["trials"][0]["number"]))
        with (tmp_path / "out" / "trials.csv").open(newline="") as file:
            assert [row["number"] for row in csv.DictReader(file)] == [str(each["number"]) for each in best["trials"]]

    def test_trials_of_earlier_searches_count(self, tune: Callable[..., Any], tmp_path: Path) -> None:
        tune("--trials", 2, "--json", tmp_path / "first.json")
        outcome = tune("--trials", 3, "--json", tmp_path / "out.json")
        assert "3 of 3" in outcome.stderr
        assert "1 of 3" not in outcome.stderr
        result = {trial["number"]: trial for trial in figures(tmp_path / "out.json")}
        assert result.keys() == {0, 1, 2}
        assert all(result[trial["number"]] == trial for trial in figures(tmp_path / "first.json"))
        again = tune("--trials", 3)
        assert again.status == 0
        assert "trial " not in again.stderr

    @pytest.mark.nightly
    def test_a_search_is_reproducible(self, tune: Callable[..., Any], tmp_path: Path) -> None:
        for name in ("one", "other"):
            url = f"sqlite:///{tmp_path / name}.db"
            tune("--trials", 3, "--seed", 5, "--storage", url, "--json", tmp_path / f"{name}.json")
        assert figures(tmp_path / "one.json") == figures(tmp_path / "other.json")

    def test_diverging_trials_are_pruned(self, tune: Callable[..., Any], tmp_path: Path) -> None:
        space = {"training.lr": {"choices": [0.02, 1e30]}}
        (tmp_path / "wild.json").write_text(json.dumps(space))
        outcome = tune("--trials", 4, "--space", tmp_path / "wild.json", "--json", tmp_path / "out.json", "--seed", 1)
        assert outcome.status == 0, outcome.stderr
        assert "diverged" in outcome.stderr
        states = {trial["values"]["training.lr"]: trial["state"] for trial in figures(tmp_path / "out.json")}
        assert states == {0.02: "complete", 1e30: "pruned"}


@pytest.mark.nightly
def test_several_processes_share_a_study(tune: Callable[..., Any], tmp_path: Path) -> None:
    outcome = tune("--trials", 4, "--jobs", 2, "--json", tmp_path / "out.json")
    assert outcome.status == 0, outcome.stderr
    result = figures(tmp_path / "out.json")
    assert 4 <= len(result) <= 5  # the other process finishes its trial
    assert os.listdir(tmp_path / "out" / "trials") == [str(result[0]["number"])]


class TestErrors:
    def test_a_space(self, tune: Callable[..., Any], tmp_path: Path) -> None:
        (tmp_path / "bad.json").write_text(json.dumps({"training.lrr": {"low": 0, "high": 1}}))
        error = tune("--trials", 1, "--space", tmp_path / "bad.json").error
        assert "bad.json: unknown setting 'training.lrr'; did you mean 'training.lr'?" in error
        assert not (tmp_path / "out").exists()

    def test_a_metric(self, tune: Callable[..., Any]) -> None:
        assert "--metric: found 'f1_makro'; did you mean" in tune("--trials", 1, "--metric", "f1_makro").error

    def test_another_definition_of_the_study(self, tune: Callable[..., Any]) -> None:
        assert tune("--trials", 1).status == 0
        assert "was created with another metric" in tune("--trials", 2, "--metric", "auc").error
        assert "was created with another settings" in tune("--trials", 2, "--set", "training.epochs=1").error

    def test_articles_that_changed(self, tune: Callable[..., Any], data: Path) -> None:
        assert tune("--trials", 1).status == 0
        rows = json.loads((data / "val.json").read_text(encoding="utf-8"))
        (data / "val.json").write_text(json.dumps(rows[2:]))
        assert "was created with another data" in tune("--trials", 2).error

    def test_a_val_of_one_class(self, tune: Callable[..., Any], data: Path) -> None:
        rows = json.loads((data / "val.json").read_text(encoding="utf-8"))
        (data / "val.json").write_text(json.dumps(rows[::2]))
        assert "val.json: all 12 articles are real; expected both labels" in tune("--trials", 1).error
