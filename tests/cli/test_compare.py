"""`zhenwei compare`."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zhenwei.news.edits import EDITS

Command = Callable[..., Any]
Settings = Callable[..., dict[str, Any]]
SCORES = ("macro_f1", "auc", "spauc", "acc", "f1_fake", "ece", "brier")


@pytest.fixture
def config(tiny_settings: Settings, tmp_path: Path) -> Path:
    """Settings of a training of one epoch."""
    path = tmp_path / "tiny.json"
    path.write_text(json.dumps(tiny_settings(tmp_path / "unused", training={"epochs": 1})))
    return path


@pytest.fixture
def data(data_folder: Path, tmp_path: Path) -> Path:
    """A copy of the tiny data that this test may change."""
    return Path(shutil.copytree(data_folder, tmp_path / "data"))


@pytest.fixture(scope="class")
def finished(
    tmp_path_factory: pytest.TempPathFactory, tiny_settings: Settings, tiny_run: Path
) -> tuple[list[str], dict[str, Any]]:
    """A BiGRU over two seeds, a finished run and the baseline: the command, and its result."""
    from zhenwei.evaluation.compare import compare  # noqa: PLC0415  # heavy

    folder = tmp_path_factory.mktemp("comparison")
    path = folder / "small.json"
    path.write_text(json.dumps(tiny_settings(folder / "unused", training={"epochs": 1})))
    sources = [str(path), str(tiny_run)]
    result = compare(sources, folder / "out", seeds="2", jobs=2)
    return ["compare", *sources, "--seeds", "2", "--out", str(folder / "out")], result.to_dict()


@pytest.mark.slow
class TestComparison:
    def test_every_detector_is_evaluated_on_val_and_test(self, finished: tuple[Any, dict[str, Any]]) -> None:
        _, result = finished
        names = [detector["name"] for detector in result["detectors"]]
        assert names == ["small", "tiny", "tfidf"]
        assert [part["name"] for part in result["parts"]] == ["val", "test"]
        for detector in result["detectors"]:
            for part in ("val", "test"):
                assert detector["summaries"][part].keys() == {*SCORES}
                assert 0 <= detector["summaries"][part]["macro_f1"]["mean"] <= 1

    def test_the_baseline_is_trained_once_and_a_finished_run_not_at_all(
        self, finished: tuple[Any, dict[str, Any]], tiny_run: Path
    ) -> None:
        small, tiny, tfidf = finished[1]["detectors"]
        assert [run["seed"] for run in small["runs"]] == [2021, 2022]
        assert all(run["seconds"] > 0 and run["peak_memory"] > 2**20 and not run["loaded"] for run in small["runs"])
        assert [(run["folder"], run["seconds"], run["loaded"]) for run in tiny["runs"]] == [(str(tiny_run), None, True)]
        assert len(tfidf["runs"]) == 1

    def test_scores_equal_those_that_the_run_reports(self, finished: tuple[Any, dict[str, Any]]) -> None:
        for detector in finished[1]["detectors"]:
            for run in detector["runs"]:
                reported = json.loads((Path(run["folder"]) / "results.json").read_text())
                for name in SCORES:
                    assert run["scores"]["test"][name] == pytest.approx(reported[name], abs=1e-6)
                    assert run["scores"]["val"][name] == pytest.approx(reported["val"][name], abs=1e-6)

    def test_means_are_over_runs_and_differences_are_of_means(self, finished: tuple[Any, dict[str, Any]]) -> None:
        _, result = finished
        mean = {}
        for detector in result["detectors"]:
            scores = [run["scores"]["test"]["auc"] for run in detector["runs"]]
            mean[detector["name"]] = detector["summaries"]["test"]["auc"]["mean"]
            assert mean[detector["name"]] == pytest.approx(sum(scores) / len(scores))
        differences = [each for each in result["differences"] if (each["part"], each["metric"]) == ("test", "auc")]
        assert {(each["first"], each["second"]) for each in differences} >= {("small", "tfidf"), ("tiny", "tfidf")}
        for each in differences:
            assert each["difference"] == pytest.approx(mean[each["first"]] - mean[each["second"]])
            assert each["p"] <= each["p_holm"] <= 1
            assert each["interval"][0] <= each["difference"] <= each["interval"][1]

    def test_warnings(self, finished: tuple[Any, dict[str, Any]]) -> None:
        warnings = finished[1]["warnings"]
        assert any(
            warning.startswith("a single run of tiny: its intervals and p-values do not include")
            for warning in warnings
        )
        assert any("groups of near-duplicates are too few" in warning for warning in warnings)
        assert any(warning.startswith("not calibrated: ") for warning in warnings)

    def test_a_repeated_comparison_trains_nothing_and_gives_the_same_results(
        self, zhenwei: Command, finished: tuple[list[str], dict[str, Any]]
    ) -> None:
        command, result = finished
        out = Path(command[-1])
        trained = {path: path.stat().st_mtime_ns for path in out.glob("runs/*/results.json")}
        outcome = zhenwei(*command, "--json", "-")
        assert outcome.status == 0, outcome.stderr
        assert "4 of 4 runs have finished before" in outcome.stderr
        assert {path: path.stat().st_mtime_ns for path in out.glob("runs/*/results.json")} == trained
        again = json.loads(outcome.stdout)
        assert again["differences"] == json.loads(json.dumps(result["differences"]))
        assert again == json.loads((out / "comparison.json").read_text())
        names = {"comparison.json", "comparison.csv", "comparison.md", "comparison.html"}
        assert {path.name for path in out.glob("comparison.*")} == names
        assert "macro-F1" in outcome.stderr
        with (out / "comparison.csv").open(newline="") as file:
            assert len(list(csv.DictReader(file))) == 3 * 2 * len(SCORES)

    def test_the_terminal_shows_a_table(self, zhenwei: Command, finished: tuple[list[str], Any]) -> None:
        outcome = zhenwei(*finished[0])
        assert "test macro-F1 against tfidf" in outcome.stdout
        assert "1 (any seed)" in outcome.stdout
        assert "in brackets the 95% interval" in outcome.stdout

    def test_stress_adds_the_edits_of_every_detector(self, zhenwei: Command, finished: tuple[list[str], Any]) -> None:
        out = Path(finished[0][-1])
        outcome = zhenwei(*finished[0], "--stress", "--json", "-")
        assert outcome.status == 0, outcome.stderr
        result = json.loads(outcome.stdout)
        small, _, tfidf = result["detectors"]
        assert [edit["family"] for edit in tfidf["edits"]] == list(EDITS)
        (saved,) = (json.loads(path.read_text())["results"] for path in out.glob("runs/tfidf*.stress.json"))
        shares = [(family["missed"]["share"], family["false_alarms"]["share"]) for family in saved]
        assert [(edit["missed"], edit["false_alarms"]) for edit in tfidf["edits"]] == shares
        assert len(small["edits"]) == len(EDITS)
        assert result["command"].endswith("--stress")
        assert "missed after edits" in outcome.stderr
        written = {path: path.stat().st_mtime_ns for path in out.glob("runs/*.stress.json")}
        assert len(written) == 4
        assert json.loads(zhenwei(*finished[0], "--stress", "--json", "-").stdout) == result
        assert {path: path.stat().st_mtime_ns for path in out.glob("runs/*.stress.json")} == written

    def test_other_settings_are_refused_in_the_same_folder(
        self, zhenwei: Command, finished: tuple[list[str], Any]
    ) -> None:
        error_of = zhenwei(*finished[0], "--set", "training.lr=0.5").error
        assert "this run was started with training.lr = 0.02, found 0.5" in error_of
        assert "--overwrite" in error_of


class TestErrors:
    """All errors are found before the first training; the folder does not exist yet."""

    @pytest.fixture(autouse=True)
    def _no_folder(self, tmp_path: Path) -> Any:
        yield
        assert not (tmp_path / "out").exists()

    @pytest.fixture
    def error_of(self, zhenwei: Command, tmp_path: Path) -> Callable[..., str]:
        def error_of(*arguments: object) -> str:
            error = zhenwei("compare", *arguments, "--out", tmp_path / "out").error
            assert isinstance(error, str)
            return error

        return error_of

    def test_the_number_of_seeds(self, error_of: Callable[..., str], config: Path) -> None:
        assert "--seeds: found '0'; expected the number of seeds" in error_of(config, "--seeds", 0)
        assert "--jobs: found 0; expected 1 or more" in error_of(config, "--jobs", 0)

    def test_a_missing_file_and_an_unknown_setting(self, error_of: Callable[..., str], config: Path) -> None:
        assert "none.json: no such file" in error_of(config, "none.json")
        assert "did you mean 'training.lr'?" in error_of(config, "--set", "training.lrr=1")

    def test_a_detector_named_twice(self, error_of: Callable[..., str], config: Path) -> None:
        assert "are the same detector: their settings are equal" in error_of(config, config)

    def test_other_articles(self, error_of: Callable[..., str], config: Path, data: Path, tmp_path: Path) -> None:
        rows = json.loads((data / "val.json").read_text(encoding="utf-8"))
        (data / "val.json").write_text(json.dumps(rows[1:]))
        settings = json.loads(config.read_text())
        settings["data"]["root_path"], settings["model"]["hidden_dim"] = str(data), 12
        (tmp_path / "other.json").write_text(json.dumps(settings))
        error = error_of(config, tmp_path / "other.json")
        assert f"{tmp_path / 'other.json'}: data.val: found {data / 'val.json'}; expected the articles of" in error

    def test_a_run_trained_on_other_articles(
        self, error_of: Callable[..., str], config: Path, data: Path, tiny_run: Path
    ) -> None:
        rows = json.loads((data / "train.json").read_text(encoding="utf-8"))
        (data / "train.json").write_text(json.dumps(rows[2:]))
        error = error_of(config, tiny_run, "--set", f"data.root_path={data}")
        assert f"{tiny_run}: was trained with another train file than {data / 'train.json'}" in error

    def test_missing_entities(self, error_of: Callable[..., str], config: Path, data_folder: Path) -> None:
        error = error_of(f"{config}+endef")
        assert f"{data_folder / 'train.json'}: row 1: no field 'entity_list', which '{config}+endef' needs" in error
        assert "zhenwei data enrich" in error

    def test_a_val_of_one_class(self, error_of: Callable[..., str], config: Path, data: Path) -> None:
        rows = json.loads((data / "val.json").read_text(encoding="utf-8"))
        (data / "val.json").write_text(json.dumps(rows[1::2]))
        error = error_of(config, "--set", f"data.root_path={data}")
        assert f"{data / 'val.json'}: all 12 articles are fake; expected both labels" in error

    def test_an_unfinished_run(self, error_of: Callable[..., str], own_run: Path) -> None:
        (own_run / "results.json").unlink()
        assert "this run has not finished" in error_of(own_run)


class TestFolder:
    def test_an_unrelated_folder(self, zhenwei: Command, config: Path, tmp_path: Path) -> None:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "thesis.tex").write_text("")
        error_of = zhenwei("compare", config, "--out", tmp_path / "out", "--overwrite").error
        assert "neither empty nor a comparison" in error_of


@pytest.mark.slow
class TestProcesses:
    @pytest.mark.nightly
    def test_an_error_in_training_is_printed_once_and_names_the_run(
        self, zhenwei: Command, config: Path, tmp_path: Path
    ) -> None:
        error_of = zhenwei(
            *("compare", config, "--set", "training.lr=1e30", "--out", tmp_path / "out", "--seeds", 1)
        ).error
        assert "bigru, seed 2021: training stopped after step" in error_of
        assert "learning rate" in error_of
