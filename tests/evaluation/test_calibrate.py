"""Recalibration of a trained detector."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock

from zhenwei import Detector, Trainer
from zhenwei.bundle import Bundle, find_bundle, load_bundle
from zhenwei.config import ThresholdObjective
from zhenwei.errors import CheckpointError, ConfigError, DataError
from zhenwei.evaluation import evaluate
from zhenwei.evaluation.calibrate import recalibrate
from zhenwei.news.sources.synthetic import SyntheticDataset, write_synthetic_dataset

pytestmark = pytest.mark.slow  # several trainings


def scores_of(bundle: Bundle, file: Path) -> dict[str, Any]:
    return evaluate(bundle, file, scores_only=True).scores


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic dataset in which only the share of fakes changes: 0.5 in train and val, 0.2 in test."""
    folder = tmp_path_factory.mktemp("data")
    dataset = SyntheticDataset(n_train=400, n_val=200, n_test=300, n_flipped=0, fake_share_future=0.2)
    write_synthetic_dataset(folder, dataset)
    return folder


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "tfidf"
    Trainer(
        {
            "data": {"root_path": str(data)},
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


def test_the_calibration_is_saved_and_used_by_all(run: Path, data: Path) -> None:
    raw = scores_of(load_bundle(run), data / "val.json")
    result = recalibrate(run)
    bundle = load_bundle(run)
    assert bundle.calibration is not None
    assert (result.threshold, result.description) == (bundle.threshold, bundle.calibration.describe())
    scores = scores_of(bundle, data / "val.json")
    assert result.after == scores
    assert result.before == raw
    assert scores["loss"] < raw["loss"]
    prediction = Detector.load(run).predict("听说云溪市的自来水又出事了，赶紧转给家人！")[0]
    logit = np.array([0.0])
    assert prediction.threshold == bundle.threshold
    assert bundle.probabilities(logit) == bundle.calibration.probabilities(logit) != 0.5


@pytest.mark.parametrize(("on", "n"), [("val", 200), ("train", 300), ("train+val", 500)])
def test_on_parts_of_the_training(run: Path, on: Any, n: int) -> None:
    recalibrate(run, on=on)
    calibration = load_bundle(run).calibration
    assert calibration is not None
    assert calibration.n == n


def test_on_a_file(run: Path, data: Path) -> None:
    rows = json.loads((data / "test.json").read_text(encoding="utf-8"))
    file = run / "later.json"
    file.write_text(json.dumps(rows[:299]), encoding="utf-8")
    recalibrate(run, on=file, method="temperature")
    calibration = load_bundle(run).calibration
    assert calibration is not None
    assert (calibration.fitted_on, calibration.method, calibration.n) == ("later.json", "temperature", 299)


@pytest.mark.parametrize("part", ["val", "test"])
def test_a_file_is_recognized_as_a_part_by_its_content(run: Path, data: Path, part: str) -> None:
    file = Path(shutil.copy(data / f"{part}.json", run / "renamed.json"))
    recalibrate(run, on=file)
    calibration = load_bundle(run).calibration
    assert calibration is not None
    assert calibration.fitted_on == part


def test_threshold_objective(run: Path, data: Path) -> None:
    recalibrate(run, objective=ThresholdObjective("recall", 0.97))
    assert scores_of(load_bundle(run), data / "val.json")["recall_fake"] >= 0.97


def test_removal(run: Path, data: Path) -> None:
    raw = scores_of(load_bundle(run), data / "val.json")
    recalibrate(run)
    recalibrate(run, on="none")
    assert scores_of(load_bundle(run), data / "val.json") == raw


class TestChangedShare:
    def test_a_known_share_corrects_the_probabilities(self, run: Path, data: Path) -> None:
        recalibrate(run)
        before = scores_of(load_bundle(run), data / "test.json")
        recalibrate(run, fake_share=0.2)
        after = scores_of(load_bundle(run), data / "test.json")
        assert after["brier"] < before["brier"]
        assert after["auc"] == pytest.approx(before["auc"])

    def test_the_estimated_share_is_close_if_nothing_else_changes(self, run: Path, data: Path, tmp_path: Path) -> None:
        rows = json.loads((data / "test.json").read_text(encoding="utf-8"))
        unlabelled = [{"content": row["content"]} for row in rows]
        (tmp_path / "recent.json").write_text(json.dumps(unlabelled), encoding="utf-8")
        result = recalibrate(run, recent=tmp_path / "recent.json")
        assert result.target_share is not None
        assert 0.1 < result.target_share < 0.35  # of 0.5 where it was calibrated
        assert "estimated from 300 articles of recent.json" in result.description

    @pytest.mark.parametrize("share", [0.0, 1.0, -1.0, float("nan")])
    def test_an_impossible_share_is_refused(self, run: Path, share: float) -> None:
        with pytest.raises(ConfigError, match=r"the share of fakes: found .*; expected above 0 and below 1"):
            recalibrate(run, fake_share=share)

    def test_a_known_and_an_estimated_share_are_refused_together(self, run: Path, data: Path) -> None:
        with pytest.raises(ConfigError, match="contradict each other"):
            recalibrate(run, fake_share=0.3, recent=data / "test.json")


class TestBadInput:
    """Errors do not change the detector."""

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

    def test_an_unreachable_objective(self, run: Path, make_posts: Callable[..., Any], tmp_path: Path) -> None:
        rows = make_posts(200)
        for number, row in enumerate(rows):
            row["label"] = number % 4 < 2  # unrelated to the text
        (tmp_path / "posts.json").write_text(json.dumps(rows), encoding="utf-8")
        with pytest.raises(DataError):
            recalibrate(run, on=tmp_path / "posts.json", objective=ThresholdObjective("precision", 1.0))

    def test_a_bundle_alone_cannot_be_cross_fitted(self, run: Path) -> None:
        with pytest.raises(ConfigError, match="a bundle alone cannot be cross-fitted; pass the run folder"):
            recalibrate(find_bundle(run), on="train")

    def test_the_val_file_is_missing(self, run: Path, data: Path, tmp_path: Path) -> None:
        path = find_bundle(run) / "config.json"
        assert str(data) in path.read_text(encoding="utf-8")
        shutil.move(data / "val.json", tmp_path / "val.json")
        try:
            with pytest.raises(DataError, match="has no val file"):
                recalibrate(run)
        finally:
            shutil.move(tmp_path / "val.json", data / "val.json")


class TestCalibrationArticles:
    def test_the_training_file_is_refused(self, run: Path, data: Path) -> None:
        with pytest.raises(DataError, match=r"train\.json: the detector was trained on these articles"):
            recalibrate(run, on=data / "train.json")

    def test_the_test_file_gives_a_warning(self, run: Path, data: Path, caplog: pytest.LogCaptureFixture) -> None:
        recalibrate(run, on=data / "test.json")
        assert "scores on it are optimistic from now on" in caplog.text

    def test_a_run_that_another_process_writes_is_refused(self, run: Path) -> None:
        with FileLock(run / ".lock"), pytest.raises(CheckpointError, match="another process is writing this run"):
            recalibrate(run)

    def test_other_files_in_the_bundle_are_kept(self, run: Path, tmp_path: Path) -> None:
        shipped = Path(shutil.copytree(find_bundle(run), tmp_path / "shipped"))
        (shipped / "LICENSE").write_text("mine")
        (shipped / ".git").mkdir()
        (shipped / ".git" / "HEAD").write_text("ref")
        (tmp_path / "current").symlink_to(shipped)
        recalibrate(tmp_path / "current")
        assert (tmp_path / "current").is_symlink()
        assert ((shipped / "LICENSE").read_text(), (shipped / ".git" / "HEAD").read_text()) == ("mine", "ref")
        assert load_bundle(shipped).calibration is not None
