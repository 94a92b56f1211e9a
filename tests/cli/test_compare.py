"""`zhenwei compare`, used as it is meant to be, and as it is not."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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
    """A copy of the tiny data, for this test alone to spoil."""
    return Path(shutil.copytree(data_folder, tmp_path / "data"))


@pytest.fixture(scope="class")
def finished(
    tmp_path_factory: pytest.TempPathFactory, tiny_settings: Settings, tiny_run: Path
) -> tuple[list[str], dict[str, Any]]:
    """A comparison of a BiGRU over two seeds with a finished run and the baseline: its command, and what came of it."""
    from zhenwei.evaluation.comparison.compare import compare  # noqa: PLC0415  # heavy

    folder = tmp_path_factory.mktemp("comparison")
    path = folder / "small.json"
    path.write_text(json.dumps(tiny_settings(folder / "unused", training={"epochs": 1})))
    sources = [str(path), str(tiny_run)]
    result = compare(sources, folder / "out", seeds="2", jobs=2)
    return ["compare", *sources, "--seeds", "2", "--out", str(folder / "out")], result.to_dict()


@pytest.mark.slow
class TestComparison:
    def test_every_detector_is_judged_on_the_past_and_the_future(self, finished: tuple[Any, dict[str, Any]]) -> None:
        _, result = finished
        names = [detector["name"] for detector in result["detectors"]]
        assert names == ["small", "tiny", "tfidf"]
        assert [part["name"] for part in result["parts"]] == ["val", "test"]
        for detector in result["detectors"]:
            for part in ("val", "test"):
                assert detector["summaries"][part].keys() == {*SCORES}
                assert 0 <= detector["summaries"][part]["macro_f1"]["mean"] <= 1

    def test_the_baseline_is_trained_once_and_what_had_ended_not_at_all(
        self, finished: tuple[Any, dict[str, Any]], tiny_run: Path
    ) -> None:
        small, tiny, tfidf = finished[1]["detectors"]
        assert [run["seed"] for run in small["runs"]] == [2021, 2022]
        assert all(run["seconds"] > 0 and run["peak_memory"] > 2**20 and not run["loaded"] for run in small["runs"])
        assert [(run["folder"], run["seconds"], run["loaded"]) for run in tiny["runs"]] == [(str(tiny_run), None, True)]
        assert len(tfidf["runs"]) == 1

    def test_a_runs_scores_are_those_that_the_run_itself_reports(self, finished: tuple[Any, dict[str, Any]]) -> None:
        for detector in finished[1]["detectors"]:
            for run in detector["runs"]:
                reported = json.loads((Path(run["folder"]) / "results.json").read_text())
                for name in SCORES:
                    assert run["scores"]["test"][name] == pytest.approx(reported[name], abs=1e-6)
                    assert run["scores"]["val"][name] == pytest.approx(reported["val"][name], abs=1e-6)

    def test_the_mean_is_that_of_the_runs_and_a_difference_that_of_the_means(
        self, finished: tuple[Any, dict[str, Any]]
    ) -> None:
        _, result = finished
        mean = {}
        for detector in result["detectors"]:
            scores = [run["scores"]["test"]["auc"] for run in detector["runs"]]
            mean[detector["name"]] = detector["summaries"]["test"]["auc"]["mean"]
            assert mean[detector["name"]] == pytest.approx(sum(scores) / len(scores))
        found = [each for each in result["differences"] if (each["part"], each["metric"]) == ("test", "auc")]
        assert {(each["first"], each["second"]) for each in found} >= {("small", "tfidf"), ("tiny", "tfidf")}
        for each in found:
            assert each["difference"] == pytest.approx(mean[each["first"]] - mean[each["second"]])
            assert each["p"] <= each["p_holm"] <= 1
            assert each["interval"][0] <= each["difference"] <= each["interval"][1]

    def test_it_says_what_makes_it_less_trustworthy(self, finished: tuple[Any, dict[str, Any]]) -> None:
        warnings = finished[1]["warnings"]
        assert any(
            warning.startswith("one run alone of tiny: intervals and p-values know nothing") for warning in warnings
        )
        assert any("articles without near-duplicates are too few" in warning for warning in warnings)
        assert any(warning.startswith("not calibrated: ") for warning in warnings)

    def test_done_again_nothing_is_trained_and_the_tables_are_the_same(
        self, zhenwei: Command, finished: tuple[list[str], dict[str, Any]]
    ) -> None:
        command, result = finished
        out = Path(command[-1])
        trained = {path: path.stat().st_mtime_ns for path in out.glob("runs/*/results.json")}
        outcome = zhenwei(*command, "--json", "-")
        assert outcome.status == 0, outcome.stderr
        assert "4 of 4 runs have ended before" in outcome.stderr
        assert {path: path.stat().st_mtime_ns for path in out.glob("runs/*/results.json")} == trained
        again = json.loads(outcome.stdout)
        assert again["differences"] == json.loads(json.dumps(result["differences"]))
        assert again == json.loads((out / "comparison.json").read_text())
        assert "macro-F1" in outcome.stderr
        with (out / "comparison.csv").open(newline="") as file:
            assert len(list(csv.DictReader(file))) == 3 * 2 * len(SCORES)

    def test_a_table_for_people(self, zhenwei: Command, finished: tuple[list[str], Any]) -> None:
        outcome = zhenwei(*finished[0])
        assert "test macro-F1 against tfidf" in outcome.stdout
        assert "1 (any seed)" in outcome.stdout
        assert "in brackets the 95% interval" in outcome.stdout

    def test_other_settings_are_refused_in_its_folder(self, zhenwei: Command, finished: tuple[list[str], Any]) -> None:
        told = zhenwei(*finished[0], "--set", "training.lr=0.5").error
        assert "this run was started with training.lr = 0.02, found 0.5" in told
        assert "--overwrite" in told


class TestMistakes:
    """All are found before the first training: the folder is not even made."""

    @pytest.fixture(autouse=True)
    def _nothing_is_begun(self, tmp_path: Path) -> Any:
        yield
        assert not (tmp_path / "out").exists()

    @pytest.fixture
    def told(self, zhenwei: Command, tmp_path: Path) -> Callable[..., str]:
        def told(*arguments: object) -> str:
            error = zhenwei("compare", *arguments, "--out", tmp_path / "out").error
            assert isinstance(error, str)
            return error

        return told

    def test_a_number_of_seeds(self, told: Callable[..., str], config: Path) -> None:
        assert "--seeds: found '0'; expected how many seeds" in told(config, "--seeds", 0)
        assert "--jobs: found 0; expected 1 or more" in told(config, "--jobs", 0)

    def test_a_file_that_is_missing_or_a_setting_that_is_wrong(self, told: Callable[..., str], config: Path) -> None:
        assert "none.json: no such file" in told(config, "none.json")
        assert "did you mean 'training.lr'?" in told(config, "--set", "training.lrr=1")

    def test_one_detector_twice(self, told: Callable[..., str], config: Path) -> None:
        assert "are one detector: their settings are the same" in told(config, config)

    def test_other_articles(self, told: Callable[..., str], config: Path, data: Path, tmp_path: Path) -> None:
        rows = json.loads((data / "val.json").read_text(encoding="utf-8"))
        (data / "val.json").write_text(json.dumps(rows[1:]))
        settings = json.loads(config.read_text())
        settings["data"]["root_path"], settings["model"]["hidden_dim"] = str(data), 12
        (tmp_path / "other.json").write_text(json.dumps(settings))
        said = told(config, tmp_path / "other.json")
        assert f"{tmp_path / 'other.json'}: data.val: found {data / 'val.json'}; expected the articles of" in said

    def test_a_run_that_was_trained_with_other_articles(
        self, told: Callable[..., str], config: Path, data: Path, tiny_run: Path
    ) -> None:
        rows = json.loads((data / "train.json").read_text(encoding="utf-8"))
        (data / "train.json").write_text(json.dumps(rows[2:]))
        said = told(config, tiny_run, "--set", f"data.root_path={data}")
        assert f"{tiny_run}: was trained with another train file than {data / 'train.json'}" in said

    def test_entities_that_are_missing(self, told: Callable[..., str], config: Path, data_folder: Path) -> None:
        said = told(f"{config}+endef")
        assert f"{data_folder / 'train.json'}: row 1: no field 'entity_list', which '{config}+endef' needs" in said
        assert "zhenwei data enrich" in said

    def test_a_val_of_one_class(self, told: Callable[..., str], config: Path, data: Path) -> None:
        rows = json.loads((data / "val.json").read_text(encoding="utf-8"))
        (data / "val.json").write_text(json.dumps(rows[1::2]))
        said = told(config, "--set", f"data.root_path={data}")
        assert f"{data / 'val.json'}: all 12 articles are fake; expected both labels" in said

    def test_a_run_that_has_not_ended(self, told: Callable[..., str], own_run: Path) -> None:
        (own_run / "results.json").unlink()
        assert "this run has not ended" in told(own_run)


class TestFolder:
    def test_one_of_something_else(self, zhenwei: Command, config: Path, tmp_path: Path) -> None:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "thesis.tex").write_text("")
        told = zhenwei("compare", config, "--out", tmp_path / "out", "--overwrite").error
        assert "neither empty nor a comparison's" in told


@pytest.mark.slow
class TestChildren:
    def test_a_mistake_that_shows_in_training_alone_comes_out_once_and_names_the_run(
        self, zhenwei: Command, config: Path, tmp_path: Path
    ) -> None:
        told = zhenwei(*("compare", config, "--set", "training.lr=1e30", "--out", tmp_path / "out", "--seeds", 1)).error
        assert "bigru, seed 2021: training stopped after step" in told
        assert "learning rate" in told
