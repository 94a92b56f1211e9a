"""The bootstrap: resamples, and their scores compared with scikit-learn."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss, precision_recall_fscore_support, roc_auc_score

from zhenwei.bundle.metrics import binary_metrics, metrics_from_logits
from zhenwei.bundle.predict_logits import sigmoid
from zhenwei.evaluation.resampling import METRICS, resampled_scores, resampled_weights

Simulated = tuple[NDArray[np.int64], NDArray[np.float64]]


def simulate(n: int, seed: int = 0, decimals: int = 2) -> Simulated:
    """Return labels and correlated log odds; fewer decimals give more ties."""
    generator = np.random.default_rng(seed)
    labels = (generator.random(n) < 0.4).astype(np.int64)
    return labels, np.round(generator.normal(1.5 * labels - 0.75, 1.0), decimals)


class TestWeights:
    def test_each_round_draws_as_many_articles_as_there_are(self) -> None:
        weights = resampled_weights(50, None, 200, seed=1)
        assert weights.shape == (200, 50)
        assert (weights.sum(axis=1) == 50).all()

    def test_weights_are_binomial(self) -> None:
        weights = resampled_weights(200, None, 2000, seed=1).astype(float)
        assert weights.mean(axis=0) == pytest.approx(np.ones(200), abs=0.12)
        assert weights.var() == pytest.approx(1 - 1 / 200, rel=0.02)
        assert (weights == 0).mean() == pytest.approx((1 - 1 / 200) ** 200, rel=0.02)

    def test_articles_of_a_group_are_drawn_together(self) -> None:
        groups = np.array([0, 1, 0, 2, 1, 0, 3])
        weights = resampled_weights(7, groups, 300, seed=2)
        first = weights[:, [0, 1, 3, 6]]
        assert (weights == first[:, groups]).all()
        assert (first.sum(axis=1) == 4).all()

    def test_the_seed_determines_the_resamples(self) -> None:
        one, same, other = (resampled_weights(30, None, 20, seed) for seed in (3, 3, 4))
        assert (one == same).all()
        assert (one != other).any()


class TestScores:
    def test_scores_equal_those_of_scikit_learn_with_weights(self) -> None:
        labels, logits = simulate(60, decimals=1)
        probabilities, verdicts = sigmoid(logits), (sigmoid(logits) >= 0.4).astype(int)
        weights = resampled_weights(60, None, 40, seed=5)
        scores = resampled_scores(labels, probabilities, 0.4, weights, logits=logits)
        assert scores.keys() == {*METRICS}
        for row, weight in enumerate(weights):
            classes = precision_recall_fscore_support(
                labels, verdicts, labels=[0, 1], sample_weight=weight, zero_division=0.0
            )
            expected = {
                "auc": roc_auc_score(labels, probabilities, sample_weight=weight),
                "spauc": roc_auc_score(labels, probabilities, sample_weight=weight, max_fpr=0.1),
                "acc": accuracy_score(labels, verdicts, sample_weight=weight),
                "brier": brier_score_loss(labels, probabilities, sample_weight=weight),
                "loss": log_loss(labels, probabilities, sample_weight=weight),
            }
            for name, values in zip(("precision", "recall", "f1"), classes[:3], strict=True):
                expected |= {f"{name}_real": values[0], f"{name}_fake": values[1]}
                expected["macro_f1" if name == "f1" else name] = values.mean()
            assert {name: scores[name][row] for name in expected} == pytest.approx(expected, abs=1e-12)

    @pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 1.1])
    @pytest.mark.parametrize("decimals", [0, 6])
    def test_equal_weights_give_the_score_of_the_articles(self, threshold: float, decimals: int) -> None:
        labels, logits = simulate(137, seed=7, decimals=decimals)
        scores = resampled_scores(labels, sigmoid(logits), threshold, np.ones((1, 137)), logits=logits)
        expected = metrics_from_logits(labels, logits, threshold)
        assert {name: values[0] for name, values in scores.items()} == pytest.approx(
            {name: expected[name] for name in METRICS}, abs=1e-12
        )

    def test_an_article_drawn_twice_counts_twice(self) -> None:
        labels, logits = simulate(40, seed=8)
        weights = resampled_weights(40, None, 5, seed=9)
        scores = resampled_scores(labels, sigmoid(logits), 0.5, weights)
        for row, weight in enumerate(weights):
            drawn = np.repeat(np.arange(40), weight)
            expected = binary_metrics(labels[drawn], sigmoid(logits[drawn]))
            assert {name: values[row] for name, values in scores.items()} == pytest.approx(
                {name: expected[name] for name in scores}, abs=1e-12
            )

    def test_undefined_scores_are_nan(self) -> None:
        labels, probabilities = np.array([0, 0, 1]), np.array([0.2, 0.6, 0.9])
        scores = resampled_scores(labels, probabilities, 0.5, np.array([[1, 1, 1], [2, 1, 0], [0, 0, 3]]))
        for name in ("auc", "spauc", "metric", "macro_f1", "recall", "precision"):
            assert np.isnan(scores[name]).tolist() == [False, True, True]
        assert np.isnan(scores["f1_fake"]).tolist() == [False, True, False]
        assert np.isnan(scores["recall_real"]).tolist() == [False, False, True]
        assert scores["acc"] == pytest.approx([2 / 3, 2 / 3, 1.0])

    def test_only_requested_metrics_are_computed(self) -> None:
        labels, logits = simulate(20)
        scores = resampled_scores(labels, sigmoid(logits), 0.5, np.ones((1, 20)), metrics=("brier", "auc"))
        assert scores.keys() == {"brier", "auc"}

    def test_unknown_metrics_and_loss_without_logits_are_refused(self) -> None:
        labels, logits = simulate(20)
        with pytest.raises(ValueError, match="found f2; expected any of auc"):
            resampled_scores(labels, sigmoid(logits), 0.5, np.ones((1, 20)), metrics=("f2",))
        with pytest.raises(ValueError, match="loss: expected logits"):
            resampled_scores(labels, sigmoid(logits), 0.5, np.ones((1, 20)), metrics=("loss",))

    def test_chunks_do_not_change_the_scores(self) -> None:
        labels, logits = simulate(3000, decimals=1)
        weights = resampled_weights(3000, None, 400, seed=0)  # more than one chunk
        scores = resampled_scores(labels, sigmoid(logits), 0.5, weights)
        last = resampled_scores(labels, sigmoid(logits), 0.5, weights[-1:])
        assert {name: values[-1] for name, values in scores.items()} == pytest.approx(
            {name: values[0] for name, values in last.items()}, abs=1e-12
        )
