"""A trained detector calibrated anew."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock

from zhenwei import Detector, Trainer
from zhenwei.bundle import find_bundle, load_bundle
from zhenwei.config import ThresholdObjective
from zhenwei.errors import CheckpointError, ConfigError, DataError
from zhenwei.evaluation import evaluate_file
from zhenwei.evaluation.calibrate import recalibrate
from zhenwei.news.sources.synthetic import SyntheticDataset, write_synthetic_dataset


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world in which nothing changes but the share of fakes: 0.5 in train and val, 0.2 in test."""
    folder = tmp_path_factory.mktemp("world")
    made_up = SyntheticDataset(n_train=400, n_val=200, n_test=300, n_flipped=0, fake_share_future=0.2)
    write_synthetic_dataset(folder, made_up)
    return folder


@pytest.fixture(scope="module")
def trained(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "tfidf"
    Trainer(
        {
            "data": {"root_path": str(world)},
            "model": {"name": "tfidf"},
            "training": {"calibrate_on": "none", "calibration_folds": 3},
            "output": {"dir": str(run), "trackers": []},
        }
    ).train()
    return run


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained, tmp_path / "run")
    return tmp_path / "run"


def test_it_is_stored_and_used_by_all(run: Path, world: Path) -> None:
    raw = evaluate_file(load_bundle(run), world / "val.json")
    done = recalibrate(run)
    bundle = load_bundle(run)
    assert bundle.calibration is not None
    assert (done.threshold, done.described) == (bundle.threshold, bundle.calibration.describe())
    scores = evaluate_file(bundle, world / "val.json")
    assert {**done.after, "threshold": done.threshold} == scores
    assert {**done.before, "threshold": 0.5} == raw
    assert scores["ece"] < raw["ece"]
    prediction = Detector.load(run).predict("听说云溪市的自来水又出事了，赶紧转给家人！")[0]
    logit = np.array([0.0])
    assert prediction.threshold == bundle.threshold
    assert bundle.probabilities(logit) == bundle.calibration.probabilities(logit) != 0.5


@pytest.mark.parametrize(("on", "n"), [("val", 200), ("train", 300), ("train+val", 500)])
def test_on_what(run: Path, on: Any, n: int) -> None:
    recalibrate(run, on=on)
    calibration = load_bundle(run).calibration
    assert calibration is not None
    assert calibration.n == n


def test_on_a_file(run: Path, world: Path) -> None:
    rows = json.loads((world / "test.json").read_text(encoding="utf-8"))
    file = run / "later.json"
    file.write_text(json.dumps(rows[:299]), encoding="utf-8")
    recalibrate(run, on=file, method="temperature")
    calibration = load_bundle(run).calibration
    assert calibration is not None
    assert (calibration.fitted_on, calibration.method, calibration.n) == ("later.json", "temperature", 299)


@pytest.mark.parametrize("part", ["val", "test"])
def test_a_file_that_is_a_part_is_called_so_whatever_its_name(run: Path, world: Path, part: str) -> None:
    file = Path(shutil.copy(world / f"{part}.json", run / "renamed.json"))
    recalibrate(run, on=file)
    calibration = load_bundle(run).calibration
    assert calibration is not None
    assert calibration.fitted_on == part


def test_for_a_goal(run: Path, world: Path) -> None:
    recalibrate(run, objective=ThresholdObjective("recall", 0.97))
    assert evaluate_file(load_bundle(run), world / "val.json")["recall_fake"] >= 0.97


def test_taken_away_again(run: Path, world: Path) -> None:
    raw = evaluate_file(load_bundle(run), world / "val.json")
    recalibrate(run)
    recalibrate(run, on="none")
    assert evaluate_file(load_bundle(run), world / "val.json") == raw


class TestChangedShare:
    def test_a_known_share_makes_the_probabilities_right_again(self, run: Path, world: Path) -> None:
        recalibrate(run)
        before = evaluate_file(load_bundle(run), world / "test.json")
        recalibrate(run, fake_share=0.2)
        after = evaluate_file(load_bundle(run), world / "test.json")
        assert after["brier"] < before["brier"]
        assert after["auc"] == pytest.approx(before["auc"])

    def test_an_estimated_one_is_near_where_nothing_else_has_changed(
        self, run: Path, world: Path, tmp_path: Path
    ) -> None:
        rows = json.loads((world / "test.json").read_text(encoding="utf-8"))
        unlabelled = [{"content": row["content"]} for row in rows]
        (tmp_path / "recent.json").write_text(json.dumps(unlabelled), encoding="utf-8")
        done = recalibrate(run, recent=tmp_path / "recent.json")
        assert done.target_share is not None
        assert 0.1 < done.target_share < 0.35  # of 0.5 where it was calibrated
        assert "estimated from 300 articles of recent.json" in done.described

    @pytest.mark.parametrize("share", [0.0, 1.0, -1.0, float("nan")])
    def test_a_share_of_none_or_all_is_refused(self, run: Path, share: float) -> None:
        with pytest.raises(ConfigError, match=r"the share of fakes: found .*; expected above 0 and below 1"):
            recalibrate(run, fake_share=share)

    def test_known_and_estimated_contradict_each_other(self, run: Path, world: Path) -> None:
        with pytest.raises(ConfigError, match="contradict each other"):
            recalibrate(run, fake_share=0.3, recent=world / "test.json")


class TestBadInput:
    """Whatever is refused leaves the detector as it was."""

    @pytest.fixture(autouse=True)
    def unchanged(self, run: Path) -> Any:
        before = (find_bundle(run) / "detector.json").read_bytes()
        yield
        assert (find_bundle(run) / "detector.json").read_bytes() == before

    def test_too_few_articles(self, run: Path, data_folder: Path) -> None:
        with pytest.raises(DataError, match="too few to calibrate on"):
            recalibrate(run, on=data_folder / "val.json")

    def test_no_labels(self, run: Path, tmp_path: Path) -> None:
        (tmp_path / "posts.json").write_text('[{"content": "一"}]', encoding="utf-8")
        with pytest.raises(DataError, match=r"posts\.json.*label"):
            recalibrate(run, on=tmp_path / "posts.json")

    def test_a_goal_that_cannot_be_reached(self, run: Path, make_posts: Callable[..., Any], tmp_path: Path) -> None:
        rows = make_posts(200)
        for number, row in enumerate(rows):
            row["label"] = number % 4 < 2  # what the detector finds out is of no use
        (tmp_path / "posts.json").write_text(json.dumps(rows), encoding="utf-8")
        with pytest.raises(DataError):
            recalibrate(run, on=tmp_path / "posts.json", objective=ThresholdObjective("precision", 1.0))

    def test_a_bundle_alone_cannot_be_cross_fitted(self, run: Path) -> None:
        with pytest.raises(ConfigError, match="a bundle alone cannot be cross-fitted; give the run's folder"):
            recalibrate(find_bundle(run), on="train")

    def test_the_articles_of_val_are_gone(self, run: Path, world: Path, tmp_path: Path) -> None:
        path = find_bundle(run) / "config.json"
        assert str(world) in path.read_text(encoding="utf-8")
        shutil.move(world / "val.json", tmp_path / "val.json")
        try:
            with pytest.raises(DataError, match="has no val file"):
                recalibrate(run)
        finally:
            shutil.move(tmp_path / "val.json", world / "val.json")


class TestWhatItMayBeCalibratedOn:
    def test_not_on_what_it_was_trained_on(self, run: Path, world: Path) -> None:
        with pytest.raises(DataError, match=r"train\.json: these are the articles that the detector was trained on"):
            recalibrate(run, on=world / "train.json")

    def test_on_test_only_with_a_word(self, run: Path, world: Path, caplog: pytest.LogCaptureFixture) -> None:
        recalibrate(run, on=world / "test.json")
        assert "scores on it will flatter from now on" in caplog.text

    def test_not_while_another_process_writes_the_run(self, run: Path) -> None:
        with FileLock(run / ".lock"), pytest.raises(CheckpointError, match="another process is writing this run"):
            recalibrate(run)

    def test_what_else_lies_in_a_bundle_stays(self, run: Path, tmp_path: Path) -> None:
        shipped = Path(shutil.copytree(find_bundle(run), tmp_path / "shipped"))
        (shipped / "LICENSE").write_text("mine")
        (shipped / ".git").mkdir()
        (shipped / ".git" / "HEAD").write_text("ref")
        (tmp_path / "current").symlink_to(shipped)
        recalibrate(tmp_path / "current")
        assert (tmp_path / "current").is_symlink()
        assert ((shipped / "LICENSE").read_text(), (shipped / ".git" / "HEAD").read_text()) == ("mine", "ref")
        assert load_bundle(shipped).calibration is not None
