"""Predictions kept beside a run."""

from pathlib import Path

import numpy as np
import pytest

from zhenwei.bundle import load_bundle
from zhenwei.bundle.metrics import metrics_from_logits
from zhenwei.evaluation import evaluate_file
from zhenwei.evaluation.comparison.predictions import Predictions, bundle_digest, predict_files


@pytest.fixture(scope="module")
def predictions(tiny_run: Path, data_folder: Path) -> Predictions:
    files = {part: (data_folder / f"{part}.json", part) for part in ("val", "test")}
    return predict_files(tiny_run / "checkpoints" / "best", files, "cpu")


def test_they_are_what_the_detector_says(predictions: Predictions, tiny_run: Path, data_folder: Path) -> None:
    expected = evaluate_file(load_bundle(tiny_run), data_folder / "test.json", "cpu")
    labels = np.array([number % 2 for number in range(24)])
    scores = metrics_from_logits(labels, predictions.calibrated["test"], predictions.threshold)
    assert scores == {name: expected[name] for name in scores}
    assert predictions.bundle == bundle_digest(tiny_run / "checkpoints" / "best")
    assert predictions.files == {"val": "val", "test": "test"}


def test_they_are_kept_without_pickle(predictions: Predictions, tmp_path: Path) -> None:
    predictions.save(tmp_path / "run.npz")
    with np.load(tmp_path / "run.npz", allow_pickle=False) as stored:
        assert {*stored.files} == {"facts", "logits.val", "logits.test", "calibrated.val", "calibrated.test"}
    again = Predictions.load(tmp_path / "run.npz")
    assert again is not None
    assert (again.calibrated["val"] == predictions.calibrated["val"]).all()
    assert (again.threshold, again.calibration, again.files) == (
        predictions.threshold,
        predictions.calibration,
        predictions.files,
    )


@pytest.mark.parametrize("size", [0, 100, -1])
def test_damaged_ones_are_none(predictions: Predictions, tmp_path: Path, size: int) -> None:
    path = tmp_path / "run.npz"
    predictions.save(path)
    path.write_bytes(path.read_bytes()[:size])
    assert Predictions.load(path) is None
    assert Predictions.load(tmp_path / "none.npz") is None
