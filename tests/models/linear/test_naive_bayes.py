"""Naive Bayes weights of n-grams, and the grid search of hyperparameters."""

import logging

import numpy as np
import pytest
from scipy.sparse import csr_array

from zhenwei.models.linear.naive_bayes import Hyperparameters, grid_search, ngram_weights, weighted_features

#                        n-gram 0: in fakes; 1: in both; 2: in one real article; 3: in none
FREQUENCIES = csr_array(np.array([[1.0, 2.0, 0.0, 0.0], [2.0, 1.0, 0.0, 0.0], [0.0, 1.0, 3.0, 0.0]]))
LABELS = np.array([1, 1, 0])


class TestWeights:
    def test_weights_without_naive_bayes_are_the_idf(self) -> None:
        expected = np.log(4 / (1 + np.array([2, 3, 1, 0]))) + 1
        np.testing.assert_allclose(ngram_weights(FREQUENCIES, LABELS, 0.0, min_df=0), expected)

    def test_n_grams_that_separate_the_labels_have_larger_weights(self) -> None:
        fake, real = np.array([2.1, 2.1, 0.1, 0.1]), np.array([0.1, 1.1, 1.1, 0.1])
        ratios = np.log(fake / fake.sum() * real.sum() / real)
        expected = (np.log(4 / (1 + np.array([2, 3, 1, 0]))) + 1) * (1 + 0.5 * np.abs(ratios))
        result = ngram_weights(FREQUENCIES, LABELS, 0.5, min_df=0)
        np.testing.assert_allclose(result, expected)
        assert result[0] > result[1]

    def test_rare_n_grams_have_weight_0(self) -> None:
        assert (ngram_weights(FREQUENCIES, LABELS, 0.5, min_df=2) > 0).tolist() == [True, True, False, False]

    def test_rows_are_normalized_without_n_grams_of_weight_0(self) -> None:
        rows = weighted_features(FREQUENCIES, np.array([1.0, 1.0, 0.0, 1.0])).toarray()
        np.testing.assert_allclose(rows, [[1 / 5**0.5, 2 / 5**0.5, 0, 0], [2 / 5**0.5, 1 / 5**0.5, 0, 0], [0, 1, 0, 0]])


class TestGridSearch:
    """Folds in which rare n-grams separate the labels, and frequent ones are noise."""

    @pytest.fixture
    def posts(self) -> tuple[csr_array, np.ndarray]:
        chance = np.random.default_rng(0)
        labels = np.arange(400) % 2
        informative = (chance.random((400, 5)) < 0.3) & (labels[:, None] == 1)
        noise = chance.random((400, 300)) < 0.2
        return csr_array(np.concatenate([informative, noise], axis=1).astype(float)), labels

    FOLDS = ((np.arange(200), np.arange(200, 300)), (np.arange(300), np.arange(300, 400)))

    def test_the_best_pair_is_chosen_and_logged(
        self, posts: tuple[csr_array, np.ndarray], caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.INFO, logger="zhenwei"):
            result = grid_search(*posts, self.FOLDS, (0.0, 1.0), (1e-4, 10.0), 2, 0)
        assert result is not None
        assert result.naive_bayes == 1.0
        assert "best of 4 pairs on held-out articles (AUC 0.9" in caplog.text

    def test_the_first_of_equal_values_wins(self, posts: tuple[csr_array, np.ndarray]) -> None:
        assert grid_search(*posts, self.FOLDS, (0.5, 0.5), (3.0, 3.0), 2, 0) == Hyperparameters(0.5, 3.0)

    def test_folds_with_one_held_out_label_are_skipped(self, posts: tuple[csr_array, np.ndarray]) -> None:
        one_label = (np.arange(200), np.arange(200, 400, 2))
        both = grid_search(*posts, [one_label, *self.FOLDS], (0.0, 1.0), (1e-4, 10.0), 2, 0)
        assert both == grid_search(*posts, self.FOLDS, (0.0, 1.0), (1e-4, 10.0), 2, 0)
        assert grid_search(*posts, [one_label], (0.0, 1.0), (1.0,), 2, 0) is None
