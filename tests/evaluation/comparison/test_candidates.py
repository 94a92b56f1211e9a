"""Candidates of a comparison: how sources are loaded, distinguished and named."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zhenwei.config import Config
from zhenwei.errors import CheckpointError, ConfigError
from zhenwei.evaluation.comparison.candidates import keep_names, load_candidates

Settings = Callable[..., dict[str, Any]]
Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path, tiny_settings: Settings) -> Write:
    """A function that writes a settings file, and returns its path."""

    def settings_file(name: str, **sections: dict[str, Any]) -> str:
        path = tmp_path / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(tiny_settings(tmp_path / "run", **sections)))
        return str(path)

    return settings_file


def names(*sources: str, **options: Any) -> list[str]:
    return [candidate.name for candidate in load_candidates(sources, **options)[0]]


class TestBaseline:
    def test_it_is_the_preset(self, write: Write) -> None:
        preset = Config.load("tfidf").to_dict()
        baseline = load_candidates([write("a")])[0][-1].config.to_dict()
        for settings in (preset, baseline):
            del settings["output"]["dir"], settings["data"]["root_path"], settings["training"]["device"]
        assert baseline == preset

    def test_it_comes_last_and_reads_the_articles_of_the_first(self, write: Write, data_folder: Path) -> None:
        candidates, baseline = load_candidates([write("a")])
        assert [candidate.name for candidate in candidates] == ["bigru", "tfidf"]
        assert baseline == "tfidf"
        assert candidates[1].config.data.root_path == str(data_folder)
        assert candidates[1].config.training.device == "cpu"

    def test_a_source_that_equals_it_is_not_repeated(self, write: Write, tmp_path: Path, data_folder: Path) -> None:
        preset = Config.load("tfidf", [f"data.root_path={data_folder}", "training.device=cpu"]).to_dict()
        (tmp_path / "mine.json").write_text(json.dumps(preset))
        assert names(str(tmp_path / "mine.json"), write("a")) == ["bigru", "tfidf"]

    def test_overrides_do_not_change_it(self, write: Write) -> None:
        candidates, _ = load_candidates([write("a")], ["model.emb_dim=8", "training.epochs=1"])
        assert candidates[0].settings()["model"]["emb_dim"] == 8
        assert candidates[0].config.training.epochs == 1
        assert candidates[1].config.model == Config.load("tfidf").model

    def test_another_can_be_named(self, write: Write) -> None:
        candidates, baseline = load_candidates([write("a")], baseline=write("b", model={"dropout": 0.3}))
        assert baseline == candidates[-1].name == "b"

    def test_without_it_two_detectors_are_required(self, write: Write) -> None:
        assert names(write("a"), write("b", model={"dropout": 0.3}), baseline="none") == ["a", "b"]
        with pytest.raises(ConfigError, match="found one detector and no baseline"):
            names(write("a"), baseline="none")


class TestNames:
    def test_a_detector_is_named_by_its_title(self, write: Write) -> None:
        assert names(write("mine"), write("mine") + "+endef") == ["bigru", "bigru-endef", "tfidf"]

    def test_equal_titles_are_replaced_by_file_names(self, write: Write) -> None:
        result = names(write("narrow"), write("wide", model={"hidden_dim": 12}))
        assert result == ["narrow", "wide", "tfidf"]

    def test_equal_file_names_get_their_folder(self, write: Write) -> None:
        result = names(write("x/a"), write("y/a", model={"hidden_dim": 12}))
        assert result == ["x-a", "y-a", "tfidf"]

    def test_endef_stays_in_the_name(self, write: Write) -> None:
        wide = write("wide", model={"hidden_dim": 12})
        result = names(write("narrow") + "+endef", wide + "+endef", wide)
        assert result == ["narrow-endef", "wide-endef", "bigru", "tfidf"]


class TestEndef:
    def test_it_is_the_same_detector_debiased(self, write: Write) -> None:
        (plain, debiased, _), _ = load_candidates([write("a"), write("a") + "+endef"])
        settings = debiased.settings()
        assert settings["model"].pop("debias") == "endef"
        expected = plain.settings()
        del expected["model"]["debias"]
        assert settings == expected

    def test_an_unsupported_detector_is_refused_by_the_setting(self, write: Write, tmp_path: Path) -> None:
        (tmp_path / "tfidf.json").write_text(json.dumps(Config.load("tfidf").to_dict()))
        with pytest.raises(ConfigError, match="debias: found 'endef'"):
            names(str(tmp_path / "tfidf.json") + "+endef")


class TestTrainedRuns:
    def test_a_run_folder(self, tiny_run: Path) -> None:
        (candidate, _), _ = load_candidates([str(tiny_run)])
        (run,) = candidate.trained
        assert (candidate.name, run.seed, run.bundle) == ("bigru", 2021, tiny_run / "checkpoints" / "best")
        assert run.digests.keys() == {"train", "val", "test"}

    def test_a_bundle(self, tiny_run: Path) -> None:
        (candidate, _), _ = load_candidates([str(tiny_run / "checkpoints" / "best")])
        assert candidate.trained[0].bundle == tiny_run / "checkpoints" / "best"

    def test_runs_that_differ_only_in_their_seeds_are_one_detector(self, own_run: Path, tmp_path: Path) -> None:
        other = Path(shutil.copytree(own_run, tmp_path / "other"))
        with pytest.raises(ConfigError, match="are the same detector: their settings are equal; name it once"):
            load_candidates([str(own_run), str(other)])
        settings = other / "checkpoints" / "best" / "config.json"
        settings.write_text(settings.read_text().replace('"seed": 2021', '"seed": 7'))
        _update_digests(settings.parent)
        (candidate, _), _ = load_candidates([str(own_run), str(other)])
        assert [run.seed for run in candidate.trained] == [2021, 7]

    def test_an_unfinished_run_is_refused(self, own_run: Path) -> None:
        (own_run / "results.json").unlink()
        with pytest.raises(CheckpointError, match=r"this run has not finished: it has no results\.json; resume"):
            load_candidates([str(own_run)])

    def test_a_bundle_of_another_version_is_refused(self, own_bundle: Path) -> None:
        description = json.loads((own_bundle / "detector.json").read_text())
        (own_bundle / "detector.json").write_text(json.dumps({**description, "format_version": 99}))
        with pytest.raises(CheckpointError, match="bundle format 99"):
            load_candidates([str(own_bundle)])


class TestSyntheticPresets:
    def test_they_are_four_detectors_on_the_same_articles(self) -> None:
        candidates, _ = load_candidates(["bigru-synthetic", "bigru-synthetic+endef", "textcnn-synthetic"])
        assert [candidate.name for candidate in candidates] == ["bigru", "bigru-endef", "textcnn", "tfidf"]
        assert {candidate.config.data.root_path for candidate in candidates} == {"data/synthetic"}


class TestDuplicates:
    def test_a_detector_named_twice_is_refused(self, write: Write) -> None:
        with pytest.raises(ConfigError, match=r"a\.json' and '.*b\.json' are the same detector"):
            names(write("a"), write("b"))


def _update_digests(bundle: Path) -> None:
    """Update the digests of a changed bundle."""
    from zhenwei.hashing import file_sha256  # noqa: PLC0415

    description = json.loads((bundle / "detector.json").read_text())
    description["sha256"] = {name: file_sha256(bundle / name) for name in description["sha256"]}
    (bundle / "detector.json").write_text(json.dumps(description))


class TestNamesOfAnEarlierPlan:
    def test_a_detector_keeps_its_name_when_a_similar_one_is_added(self, write: Write) -> None:
        first = write("narrow")
        before = {candidate.name: candidate.settings() for candidate in load_candidates([first])[0]}
        candidates, _ = load_candidates([first, write("wide", model={"hidden_dim": 12})])
        assert [candidate.name for candidate in candidates] == ["narrow", "wide", "tfidf"]
        assert [candidate.name for candidate in keep_names(candidates, before)] == ["bigru", "wide", "tfidf"]

    def test_a_new_detector_avoids_a_name_in_use(self, write: Write) -> None:
        candidates, _ = load_candidates([write("b"), write("a", model={"hidden_dim": 12})])
        before = {"a": candidates[0].settings()}
        assert [candidate.name for candidate in keep_names(candidates, before)] == ["a", "a-2", "tfidf"]

    def test_names_that_differ_only_in_special_characters_get_different_folders(self, write: Write) -> None:
        result = names(write("a b"), write("a!b", model={"hidden_dim": 12}))
        assert len({*result}) == 3
