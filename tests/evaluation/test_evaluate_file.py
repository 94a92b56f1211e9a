"""Scores of a trained detector on a labelled file."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    f1_score,
    log_loss,
    precision_score,
    recall_score,
    roc_auc_score,
)

from zhenwei import Detector
from zhenwei.bundle import Bundle, load_bundle
from zhenwei.errors import ConfigError, DataError
from zhenwei.evaluation import evaluate_file

Rows = list[dict[str, Any]]

KEYS = {
    *("auc", "spauc", "metric", "macro_f1", "f1_real", "f1_fake", "acc", "ece", "brier", "loss", "threshold"),
    *("recall", "recall_real", "recall_fake", "precision", "precision_real", "precision_fake", "n", "n_fake"),
}


@pytest.fixture
def bundle(tiny_run: Path) -> Bundle:
    return load_bundle(tiny_run)


def written(folder: Path, rows: Rows) -> Path:
    path = folder / "articles.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def test_keys_are_those_of_the_field(bundle: Bundle, data_folder: Path) -> None:
    scores = evaluate_file(bundle, data_folder / "test.json")
    assert scores.keys() == KEYS
    assert scores["metric"] == scores["macro_f1"]
    assert (scores["n"], scores["n_fake"], scores["threshold"]) == (24, 12, 0.5)
    assert all(isinstance(value, int | float) for value in scores.values())


@pytest.mark.parametrize("threshold", [0.5, 0.6])
def test_scores_are_those_of_scikit_learn(
    bundle: Bundle, tiny_run: Path, hard_rows: Rows, tmp_path: Path, threshold: float
) -> None:
    bundle.threshold = threshold
    scores = evaluate_file(bundle, str(written(tmp_path, hard_rows)))
    labels = np.array([row["label"] == "fake" for row in hard_rows], int)
    predictions = Detector.load(tiny_run).predict(row["content"] for row in hard_rows)
    chances = np.array([prediction.probability for prediction in predictions])
    verdicts = (chances >= threshold).astype(int)
    expected = {
        "auc": roc_auc_score(labels, chances),
        "spauc": roc_auc_score(labels, chances, max_fpr=0.1),
        "macro_f1": f1_score(labels, verdicts, average="macro"),
        "f1_real": f1_score(labels, verdicts, pos_label=0),
        "f1_fake": f1_score(labels, verdicts),
        "recall": recall_score(labels, verdicts, average="macro"),
        "recall_real": recall_score(labels, verdicts, pos_label=0),
        "recall_fake": recall_score(labels, verdicts),
        "precision": precision_score(labels, verdicts, average="macro"),
        "precision_real": precision_score(labels, verdicts, pos_label=0),
        "precision_fake": precision_score(labels, verdicts),
        "acc": accuracy_score(labels, verdicts),
        "brier": brier_score_loss(labels, chances),
        "loss": log_loss(labels, chances),
        "n": 40,
        "n_fake": int(labels.sum()),
    }
    assert {name: scores[name] for name in expected} == pytest.approx(expected, abs=1e-6)


def test_what_one_class_leaves_undefined_is_none(
    bundle: Bundle, make_posts: Callable[..., Rows], tmp_path: Path
) -> None:
    scores = evaluate_file(bundle, written(tmp_path, make_posts(20)[1::2]))
    assert (scores["n"], scores["n_fake"]) == (10, 10)
    undefined = {name for name, value in scores.items() if value is None}
    assert undefined >= {"auc", "spauc", "metric", "macro_f1", "f1_real", "recall_real", "precision_real"}
    assert scores["acc"] == scores["recall_fake"] == 1.0
    assert json.loads(json.dumps(scores, allow_nan=False)) == scores


def test_a_file_without_labels_is_refused(bundle: Bundle, make_posts: Callable[..., Rows], tmp_path: Path) -> None:
    rows = [{"content": row["content"]} for row in make_posts(3)]
    with pytest.raises(DataError, match=r"3 of 3 rows cannot be used:\n.*row 1: no field 'label'"):
        evaluate_file(bundle, written(tmp_path, rows))


def test_a_missing_file_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        evaluate_file(bundle, tmp_path / "none.json")


def test_a_device_that_is_none_is_refused(bundle: Bundle, data_folder: Path) -> None:
    with pytest.raises(ConfigError, match="device: found 'tpu'"):
        evaluate_file(bundle, data_folder / "test.json", device="tpu")
