"""The metrics: as scikit-learn computes them, by hand, and with one class."""

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from zhenwei.bundle.metrics import binary_metrics, expected_calibration_error

UNDEFINED_WITH_ONE_CLASS = {"auc", "spauc", "metric", "macro_f1", "recall", "precision"}


def test_every_metric_is_that_of_scikit_learn() -> None:
    chance = np.random.default_rng(0)
    labels = chance.integers(0, 2, 300)
    probabilities = np.clip(0.3 * labels + chance.uniform(0, 0.7, 300), 0, 1)
    verdicts = probabilities >= 0.4
    f1, recall, precision = (
        sklearn_metrics.f1_score(labels, verdicts, average=None),
        sklearn_metrics.recall_score(labels, verdicts, average=None),
        sklearn_metrics.precision_score(labels, verdicts, average=None),
    )
    assert binary_metrics(labels, probabilities, threshold=0.4) == pytest.approx(
        {
            "n": 300,
            "n_fake": labels.sum(),
            "auc": sklearn_metrics.roc_auc_score(labels, probabilities),
            "spauc": sklearn_metrics.roc_auc_score(labels, probabilities, max_fpr=0.1),
            "metric": f1.mean(),
            "macro_f1": f1.mean(),
            "f1_real": f1[0],
            "f1_fake": f1[1],
            "recall": recall.mean(),
            "recall_real": recall[0],
            "recall_fake": recall[1],
            "precision": precision.mean(),
            "precision_real": precision[0],
            "precision_fake": precision[1],
            "acc": sklearn_metrics.accuracy_score(labels, verdicts),
            "ece": expected_calibration_error(labels, probabilities),
            "brier": sklearn_metrics.brier_score_loss(labels, probabilities),
        }
    )


def test_four_articles_by_hand() -> None:
    scores = binary_metrics(np.array([0, 0, 1, 1]), np.array([0.1, 0.6, 0.5, 0.9]))
    assert scores["acc"] == 3 / 4
    assert (scores["recall_real"], scores["precision_real"]) == (1 / 2, 1)
    assert (scores["recall_fake"], scores["precision_fake"]) == (1, pytest.approx(2 / 3))
    assert scores["auc"] == 3 / 4  # of 4 pairs, one is the wrong way round
    assert scores["brier"] == pytest.approx((0.01 + 0.36 + 0.25 + 0.01) / 4)


def test_from_the_threshold_on_an_article_is_fake() -> None:
    assert binary_metrics(np.array([0, 1]), np.array([0.2, 0.7]), threshold=0.7)["acc"] == 1.0


@pytest.mark.parametrize("label", [0, 1])
def test_metrics_that_need_both_classes_are_none(label: int) -> None:
    scores = binary_metrics(np.full(3, label), np.array([0.2, 0.4, 0.9]))
    other = ("f1_fake", "recall_fake", "precision_fake") if label == 0 else ("f1_real", "recall_real", "precision_real")
    assert {name for name, value in scores.items() if value is None} == UNDEFINED_WITH_ONE_CLASS | set(other)
    assert scores["acc"] == pytest.approx(2 / 3 if label == 0 else 1 / 3)


def test_a_class_that_is_never_predicted_has_precision_zero() -> None:
    scores = binary_metrics(np.array([0, 1]), np.array([0.1, 0.2]))
    assert (scores["precision_fake"], scores["f1_fake"]) == (0.0, 0.0)


@pytest.mark.parametrize(("labels", "probabilities"), [([], []), ([0, 1], [0.5])])
def test_no_articles_or_arrays_of_different_lengths_are_refused(labels: list[int], probabilities: list[float]) -> None:
    with pytest.raises(ValueError, match="expected equal, not empty"):
        binary_metrics(np.array(labels, np.int64), np.array(probabilities))


def test_the_calibration_error_by_hand() -> None:
    # Bins of a tenth: {0.12, 0.18} with one fake of two, {0.95} with a fake, {1.0} joins it with a real one.
    labels, probabilities = np.array([0, 1, 1, 0]), np.array([0.12, 0.18, 0.95, 1.0])
    expected = (2 * abs(0.15 - 0.5) + 2 * abs(0.975 - 0.5)) / 4
    assert expected_calibration_error(labels, probabilities) == pytest.approx(expected)


def test_a_calibrated_detector_has_no_calibration_error() -> None:
    labels = np.array([0] * 3 + [1])
    assert expected_calibration_error(labels, np.full(4, 0.25)) == pytest.approx(0.0)
