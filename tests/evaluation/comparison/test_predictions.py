"""Saved predictions of a run."""

from pathlib import Path

import numpy as np
import pytest

from zhenwei.bundle import load_bundle
from zhenwei.bundle.metrics import metrics_from_logits
from zhenwei.evaluation import evaluate
from zhenwei.evaluation.comparison.predictions import RunPredictions, bundle_digest, predict_files


@pytest.fixture(scope="module")
def predictions(tiny_run: Path, data_folder: Path) -> RunPredictions:
    files = {part: (data_folder / f"{part}.json", part) for part in ("val", "test")}
    return predict_files(tiny_run / "checkpoints" / "best", files, "cpu")


def test_scores_equal_those_of_evaluate(predictions: RunPredictions, tiny_run: Path, data_folder: Path) -> None:
    expected = evaluate(load_bundle(tiny_run), data_folder / "test.json", device="cpu", scores_only=True).scores
    labels = np.array([number % 2 for number in range(24)])
    assert metrics_from_logits(labels, predictions.logits["test"], predictions.threshold) == expected
    assert predictions.bundle == bundle_digest(tiny_run / "checkpoints" / "best")
    assert predictions.files == {"val": "val", "test": "test"}


def test_they_are_saved_without_pickle(predictions: RunPredictions, tmp_path: Path) -> None:
    predictions.save(tmp_path / "run.npz")
    with np.load(tmp_path / "run.npz", allow_pickle=False) as stored:
        assert {*stored.files} == {"facts", "logits.val", "logits.test"}
    loaded = RunPredictions.load(tmp_path / "run.npz")
    assert loaded is not None
    assert (loaded.logits["val"] == predictions.logits["val"]).all()
    assert (loaded.threshold, loaded.calibration, loaded.files) == (
        predictions.threshold,
        predictions.calibration,
        predictions.files,
    )


@pytest.mark.parametrize("size", [0, 100, -1])
def test_damaged_files_count_as_missing(predictions: RunPredictions, tmp_path: Path, size: int) -> None:
    path = tmp_path / "run.npz"
    predictions.save(path)
    path.write_bytes(path.read_bytes()[:size])
    assert RunPredictions.load(path) is None
    assert RunPredictions.load(tmp_path / "none.npz") is None
