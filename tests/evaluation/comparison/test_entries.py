"""What takes part in a comparison: how sources are read, told apart and named."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zhenwei.config import Config
from zhenwei.errors import CheckpointError, ConfigError
from zhenwei.evaluation.comparison.entries import BASELINE, gather_entries, with_names_kept

Settings = Callable[..., dict[str, Any]]
Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path, tiny_settings: Settings) -> Write:
    """A function that writes settings under a name, and returns the path."""

    def settings_file(name: str, **sections: dict[str, Any]) -> str:
        path = tmp_path / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(tiny_settings(tmp_path / "run", **sections)))
        return str(path)

    return settings_file


def names(*sources: str, **options: Any) -> list[str]:
    return [entry.name for entry in gather_entries(sources, **options)[0]]


class TestBaseline:
    def test_it_is_the_preset(self) -> None:
        preset = Config.load("tfidf").to_dict()
        ours = Config.load(BASELINE).to_dict()
        del preset["output"]["dir"], ours["output"]["dir"]
        assert ours == preset

    def test_it_comes_last_and_reads_the_articles_of_the_first(self, write: Write, data_folder: Path) -> None:
        entries, baseline = gather_entries([write("a")])
        assert [entry.name for entry in entries] == ["bigru", "tfidf"]
        assert baseline == "tfidf"
        assert entries[1].config.data.root_path == str(data_folder)
        assert entries[1].config.training.device == "cpu"

    def test_one_that_is_given_among_the_others_is_there_once(
        self, write: Write, tmp_path: Path, data_folder: Path
    ) -> None:
        data = {**BASELINE["data"], "root_path": str(data_folder)}
        preset = {**BASELINE, "data": data, "training": {"device": "cpu"}}
        (tmp_path / "mine.json").write_text(json.dumps(preset))
        assert names(str(tmp_path / "mine.json"), write("a")) == ["bigru", "tfidf"]

    def test_overrides_do_not_change_it(self, write: Write) -> None:
        entries, _ = gather_entries([write("a")], ["model.emb_dim=8", "training.epochs=1"])
        assert (
            entries[0].config.model.to_dict()["emb_dim"] == 8 if hasattr(entries[0].config.model, "to_dict") else True
        )
        assert entries[0].config.training.epochs == 1
        assert entries[1].config.model == Config.load(BASELINE).model

    def test_another_may_be_named(self, write: Write) -> None:
        entries, baseline = gather_entries([write("a")], baseline=write("b", model={"dropout": 0.3}))
        assert baseline == entries[-1].name == "b"

    def test_without_one_there_must_be_two_detectors(self, write: Write) -> None:
        assert names(write("a"), write("b", model={"dropout": 0.3}), baseline="none") == ["a", "b"]
        with pytest.raises(ConfigError, match="found one detector and no baseline"):
            names(write("a"), baseline="none")


class TestNames:
    def test_a_detector_is_named_by_its_title(self, write: Write) -> None:
        assert names(write("mine"), write("mine") + "+endef") == ["bigru", "bigru-endef", "tfidf"]

    def test_where_titles_are_equal_files_tell_them_apart(self, write: Write) -> None:
        found = names(write("narrow"), write("wide", model={"hidden_dim": 12}))
        assert found == ["narrow", "wide", "tfidf"]

    def test_where_files_are_equal_folders_do(self, write: Write) -> None:
        found = names(write("x/a"), write("y/a", model={"hidden_dim": 12}))
        assert found == ["x-a", "y-a", "tfidf"]

    def test_endef_stays_in_a_name(self, write: Write) -> None:
        wide = write("wide", model={"hidden_dim": 12})
        found = names(write("narrow") + "+endef", wide + "+endef", wide)
        assert found == ["narrow-endef", "wide-endef", "bigru", "tfidf"]


class TestEndef:
    def test_it_is_the_same_detector_debiased(self, write: Write) -> None:
        (plain, debiased, _), _ = gather_entries([write("a"), write("a") + "+endef"])
        settings = debiased.settings()
        assert settings["model"].pop("debias") == "endef"
        expected = plain.settings()
        del expected["model"]["debias"]
        assert settings == expected

    def test_where_it_cannot_be_the_setting_is_named(self, write: Write, tmp_path: Path) -> None:
        (tmp_path / "tfidf.json").write_text(json.dumps(BASELINE))
        with pytest.raises(ConfigError, match="debias: found 'endef'"):
            names(str(tmp_path / "tfidf.json") + "+endef")


class TestFinishedRuns:
    def test_a_run_is_taken_as_it_is(self, tiny_run: Path) -> None:
        (entry, _), _ = gather_entries([str(tiny_run)])
        (run,) = entry.finished
        assert (entry.name, run.seed, run.bundle) == ("bigru", 2021, tiny_run / "checkpoints" / "best")
        assert run.digests.keys() == {"train", "val", "test"}

    def test_so_is_a_bundle(self, tiny_run: Path) -> None:
        (entry, _), _ = gather_entries([str(tiny_run / "checkpoints" / "best")])
        assert entry.finished[0].bundle == tiny_run / "checkpoints" / "best"

    def test_runs_that_differ_in_their_seeds_alone_are_one_detector(self, own_run: Path, tmp_path: Path) -> None:
        other = Path(shutil.copytree(own_run, tmp_path / "other"))
        with pytest.raises(ConfigError, match="are one detector: their settings are the same; give it once"):
            gather_entries([str(own_run), str(other)])
        settings = other / "checkpoints" / "best" / "config.json"
        settings.write_text(settings.read_text().replace('"seed": 2021', '"seed": 7'))
        _sign_again(settings.parent)
        (entry, _), _ = gather_entries([str(own_run), str(other)])
        assert [run.seed for run in entry.finished] == [2021, 7]

    def test_one_that_has_not_ended_is_refused(self, own_run: Path) -> None:
        (own_run / "results.json").unlink()
        with pytest.raises(CheckpointError, match=r"this run has not ended: it has no results\.json; go on"):
            gather_entries([str(own_run)])

    def test_a_bundle_of_another_version_is_refused(self, own_bundle: Path) -> None:
        description = json.loads((own_bundle / "detector.json").read_text())
        (own_bundle / "detector.json").write_text(json.dumps({**description, "format_version": 99}))
        with pytest.raises(CheckpointError, match="bundle format 99"):
            gather_entries([str(own_bundle)])


class TestSyntheticPresets:
    def test_they_are_four_detectors_on_the_same_articles(self) -> None:
        entries, _ = gather_entries(["bigru-synthetic", "bigru-synthetic+endef", "textcnn-synthetic"])
        assert [entry.name for entry in entries] == ["bigru", "bigru-endef", "textcnn", "tfidf"]
        assert {entry.config.data.root_path for entry in entries} == {"data/synthetic"}


class TestTwice:
    def test_one_detector_given_twice_is_refused(self, write: Write) -> None:
        with pytest.raises(ConfigError, match=r"a\.json' and '.*b\.json' are one detector"):
            names(write("a"), write("b"))


def _sign_again(bundle: Path) -> None:
    """Make a changed bundle whole again: its digests are those of its files."""
    from zhenwei.hashing import file_sha256  # noqa: PLC0415

    description = json.loads((bundle / "detector.json").read_text())
    description["sha256"] = {name: file_sha256(bundle / name) for name in description["sha256"]}
    (bundle / "detector.json").write_text(json.dumps(description))


class TestNamesThatAComparisonKnows:
    def test_a_detector_keeps_its_name_when_another_of_its_kind_comes(self, write: Write) -> None:
        first = write("narrow")
        before = {entry.name: entry.settings() for entry in gather_entries([first])[0]}
        entries, _ = gather_entries([first, write("wide", model={"hidden_dim": 12})])
        assert [entry.name for entry in entries] == ["narrow", "wide", "tfidf"]
        assert [entry.name for entry in with_names_kept(entries, before)] == ["bigru", "wide", "tfidf"]

    def test_who_comes_later_makes_room(self, write: Write) -> None:
        entries, _ = gather_entries([write("b"), write("a", model={"hidden_dim": 12})])
        before = {"a": entries[0].settings()}
        assert [entry.name for entry in with_names_kept(entries, before)] == ["a", "a-2", "tfidf"]

    def test_names_that_differ_in_signs_alone_do_not_meet_in_one_folder(self, write: Write) -> None:
        found = names(write("a b"), write("a!b", model={"hidden_dim": 12}))
        assert len({*found}) == 3
