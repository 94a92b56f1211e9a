"""The plan of a comparison: seeds, runs, and whose folder it is."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zhenwei.config import Config
from zhenwei.errors import CheckpointError, ConfigError
from zhenwei.evaluation.comparison.entries import BASELINE, Entry
from zhenwei.evaluation.comparison.plan import lock_comparison, parse_seeds, plan_runs
from zhenwei.evaluation.comparison.shared_data import SourceFile

Settings = Callable[..., dict[str, Any]]


@pytest.fixture
def entries(tiny_settings: Settings, tmp_path: Path) -> list[Entry]:
    return [
        Entry("bigru", "a.json", Config.load(tiny_settings(tmp_path / "run"))),
        Entry("tfidf", "the baseline", Config.load(BASELINE)),
    ]


class TestSeeds:
    @pytest.mark.parametrize(
        ("text", "seeds"), [("1", (7,)), ("3", (7, 8, 9)), ("1,5,3", (1, 5, 3)), ("4,", (4,)), (" 2 ", (7, 8))]
    )
    def test_how_many_or_which(self, text: str, seeds: tuple[int, ...]) -> None:
        assert parse_seeds(text, first=7) == seeds

    @pytest.mark.parametrize("text", ["0", "-1", "five", "", ",", "1,1", "1,-2", "1.5", "1001", "1,4294967296"])
    def test_neither(self, text: str) -> None:
        with pytest.raises(ConfigError, match=f"--seeds: found '{text}'; expected how many seeds"):
            parse_seeds(text, first=7)


class TestRuns:
    def test_each_seed_of_all_comes_before_the_next_and_one_run_of_the_baseline_serves_all(
        self, entries: list[Entry]
    ) -> None:
        runs = plan_runs(entries, (1, 2), Path("out"))
        assert [run.name for run in runs] == ["tfidf, seed 1", "bigru, seed 1", "bigru, seed 2"]

    def test_a_run_has_its_own_seed_and_folder(self, entries: list[Entry]) -> None:
        run = plan_runs(entries, (1, 2), Path("out"))[2]
        assert run.config is not None
        assert (run.config.seed, run.config.run_dir) == (2, Path("out/runs/bigru-seed-2"))
        assert run.predictions == Path("out/runs/bigru-seed-2.npz")
        assert run.config.output.progress is False


class TestFolder:
    @pytest.fixture
    def hold(self, entries: list[Entry], tmp_path: Path) -> Callable[..., None]:
        """Begin a comparison in a folder, and end it."""

        def hold(*, chosen: list[Entry] = entries, digest: str = "1", overwrite: bool = False) -> None:
            files = {"train": SourceFile(Path("train.json"), digest)}
            with lock_comparison(tmp_path / "out", chosen, files, plan_runs(chosen, (1,), tmp_path / "out"), overwrite):
                pass

        return hold

    def test_the_same_comparison_goes_on_and_one_with_more_detectors_does(
        self, hold: Callable[..., None], entries: list[Entry], tmp_path: Path
    ) -> None:
        hold(chosen=entries[:1])
        hold()
        plan = json.loads((tmp_path / "out" / "plan.json").read_text())
        assert plan["detectors"].keys() == {"bigru", "tfidf"}

    def test_another_comparison_is_refused_and_replaced_when_told_to(
        self, hold: Callable[..., None], entries: list[Entry], tmp_path: Path
    ) -> None:
        hold()
        (tmp_path / "out" / "notes.txt").write_text("mine")
        with pytest.raises(CheckpointError, match="holds another comparison, with 'bigru' in it"):
            hold(chosen=entries[1:])
        hold(chosen=entries[1:], overwrite=True)
        assert (tmp_path / "out" / "notes.txt").exists()

    def test_other_articles_are_refused(self, hold: Callable[..., None]) -> None:
        hold()
        with pytest.raises(CheckpointError, match="on other articles: those of train are not the same"):
            hold(digest="2")

    def test_a_run_of_other_settings_is_refused(
        self, hold: Callable[..., None], entries: list[Entry], tmp_path: Path
    ) -> None:
        hold()
        run = plan_runs(entries, (1,), tmp_path / "out")[1]
        run.folder.mkdir()
        assert run.config is not None
        Config.load(run.config, ["training.lr=0.5"]).save(run.folder / "config.json")
        with pytest.raises(CheckpointError, match=r"started with training.lr = 0.5, found 0.02; .* --overwrite"):
            hold()

    def test_a_folder_of_something_else_is_left_alone(self, hold: Callable[..., None], tmp_path: Path) -> None:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "thesis.tex").write_text("")
        with pytest.raises(CheckpointError, match="neither empty nor a comparison's"):
            hold(overwrite=True)
        assert (tmp_path / "out" / "thesis.tex").exists()

    def test_a_file_is_no_folder(self, hold: Callable[..., None], tmp_path: Path) -> None:
        (tmp_path / "out").write_text("")
        with pytest.raises(CheckpointError, match="is a file; expected a folder"):
            hold()

    def test_two_processes_do_not_work_on_one(
        self, hold: Callable[..., None], entries: list[Entry], tmp_path: Path
    ) -> None:
        files = {"train": SourceFile(Path("train.json"), "1")}
        with (
            lock_comparison(tmp_path / "out", entries, files, [], False),
            pytest.raises(CheckpointError, match="another process is at work on this comparison"),
        ):
            hold()
