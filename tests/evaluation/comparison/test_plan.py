"""The plan of a comparison: seeds, runs, and its folder."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zhenwei.config import Config
from zhenwei.errors import CheckpointError, ConfigError
from zhenwei.evaluation.comparison.candidates import Candidate
from zhenwei.evaluation.comparison.plan import lock_comparison, parse_seeds, plan_runs
from zhenwei.evaluation.comparison.shared_data import SourceFile

Settings = Callable[..., dict[str, Any]]


@pytest.fixture
def candidates(tiny_settings: Settings, tmp_path: Path) -> list[Candidate]:
    return [
        Candidate("bigru", "a.json", Config.load(tiny_settings(tmp_path / "run"))),
        Candidate("tfidf", "the baseline", Config.load("tfidf")),
    ]


class TestSeeds:
    @pytest.mark.parametrize(
        ("text", "seeds"), [("1", (7,)), ("3", (7, 8, 9)), ("1,5,3", (1, 5, 3)), ("4,", (4,)), (" 2 ", (7, 8))]
    )
    def test_a_number_or_a_list(self, text: str, seeds: tuple[int, ...]) -> None:
        assert parse_seeds(text, first=7) == seeds

    @pytest.mark.parametrize("text", ["0", "-1", "five", "", ",", "1,1", "1,-2", "1.5", "1001", "1,4294967296"])
    def test_anything_else_is_refused(self, text: str) -> None:
        with pytest.raises(ConfigError, match=f"--seeds: found '{text}'; expected the number of seeds"):
            parse_seeds(text, first=7)


class TestRuns:
    def test_all_detectors_train_one_seed_before_the_next_and_the_baseline_only_one(
        self, candidates: list[Candidate]
    ) -> None:
        runs = plan_runs(candidates, (1, 2), Path("out"))
        assert [run.name for run in runs] == ["tfidf, seed 1", "bigru, seed 1", "bigru, seed 2"]

    def test_a_run_has_its_own_seed_and_folder(self, candidates: list[Candidate]) -> None:
        run = plan_runs(candidates, (1, 2), Path("out"))[2]
        assert run.config is not None
        assert (run.config.seed, run.config.run_dir) == (2, Path("out/runs/bigru-seed-2"))
        assert run.predictions == Path("out/runs/bigru-seed-2.npz")
        assert run.config.output.progress is False


class TestFolder:
    @pytest.fixture
    def open_plan(self, candidates: list[Candidate], tmp_path: Path) -> Callable[..., None]:
        """Lock the folder of a comparison, and unlock it."""

        def open_plan(*, selected: list[Candidate] = candidates, digest: str = "1", overwrite: bool = False) -> None:
            files = {"train": SourceFile(Path("train.json"), digest)}
            with lock_comparison(
                tmp_path / "out", selected, files, plan_runs(selected, (1,), tmp_path / "out"), overwrite
            ):
                pass

        return open_plan

    def test_the_same_comparison_resumes_also_with_more_detectors(
        self, open_plan: Callable[..., None], candidates: list[Candidate], tmp_path: Path
    ) -> None:
        open_plan(selected=candidates[:1])
        open_plan()
        plan = json.loads((tmp_path / "out" / "plan.json").read_text())
        assert plan["detectors"].keys() == {"bigru", "tfidf"}

    def test_another_comparison_is_refused_and_replaced_with_overwrite(
        self, open_plan: Callable[..., None], candidates: list[Candidate], tmp_path: Path
    ) -> None:
        open_plan()
        (tmp_path / "out" / "notes.txt").write_text("mine")
        with pytest.raises(CheckpointError, match="contains another comparison, which includes 'bigru'"):
            open_plan(selected=candidates[1:])
        open_plan(selected=candidates[1:], overwrite=True)
        assert (tmp_path / "out" / "notes.txt").exists()

    def test_other_articles_are_refused(self, open_plan: Callable[..., None]) -> None:
        open_plan()
        with pytest.raises(CheckpointError, match="on other articles: train differs"):
            open_plan(digest="2")

    def test_a_run_of_other_settings_is_refused(
        self, open_plan: Callable[..., None], candidates: list[Candidate], tmp_path: Path
    ) -> None:
        open_plan()
        run = plan_runs(candidates, (1,), tmp_path / "out")[1]
        run.folder.mkdir()
        assert run.config is not None
        Config.load(run.config, ["training.lr=0.5"]).save(run.folder / "config.json")
        with pytest.raises(CheckpointError, match=r"started with training.lr = 0.5, found 0.02; .* --overwrite"):
            open_plan()

    def test_an_unrelated_folder_does_not_change(self, open_plan: Callable[..., None], tmp_path: Path) -> None:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "thesis.tex").write_text("")
        with pytest.raises(CheckpointError, match="neither empty nor a comparison"):
            open_plan(overwrite=True)
        assert (tmp_path / "out" / "thesis.tex").exists()

    def test_a_file_instead_of_a_folder_is_refused(self, open_plan: Callable[..., None], tmp_path: Path) -> None:
        (tmp_path / "out").write_text("")
        with pytest.raises(CheckpointError, match="is a file; expected a folder"):
            open_plan()

    def test_a_second_process_is_refused(
        self, open_plan: Callable[..., None], candidates: list[Candidate], tmp_path: Path
    ) -> None:
        files = {"train": SourceFile(Path("train.json"), "1")}
        with (
            lock_comparison(tmp_path / "out", candidates, files, [], False),
            pytest.raises(CheckpointError, match="another process is running this comparison"),
        ):
            open_plan()
