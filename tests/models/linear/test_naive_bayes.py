"""How much n-grams count in a linear model, and strengths chosen on articles held back."""

import logging

import numpy as np
import pytest
from scipy.sparse import csr_array

from zhenwei.models.linear.naive_bayes import Strengths, choose_strengths, ngram_weights, weighed

#                        n-gram 0: in fakes; 1: in both; 2: in one real article; 3: in none
FREQUENCIES = csr_array(np.array([[1.0, 2.0, 0.0, 0.0], [2.0, 1.0, 0.0, 0.0], [0.0, 1.0, 3.0, 0.0]]))
LABELS = np.array([1, 1, 0])


class TestWeights:
    def test_without_naive_bayes_they_are_the_idf(self) -> None:
        expected = np.log(4 / (1 + np.array([2, 3, 1, 0]))) + 1
        np.testing.assert_allclose(ngram_weights(FREQUENCIES, LABELS, 0.0, min_df=0), expected)

    def test_what_tells_the_labels_apart_counts_more(self) -> None:
        fake, real = np.array([2.1, 2.1, 0.1, 0.1]), np.array([0.1, 1.1, 1.1, 0.1])
        ratios = np.log(fake / fake.sum() * real.sum() / real)
        expected = (np.log(4 / (1 + np.array([2, 3, 1, 0]))) + 1) * (1 + 0.5 * np.abs(ratios))
        found = ngram_weights(FREQUENCIES, LABELS, 0.5, min_df=0)
        np.testing.assert_allclose(found, expected)
        assert found[0] > found[1]

    def test_rare_n_grams_do_not_count(self) -> None:
        assert (ngram_weights(FREQUENCIES, LABELS, 0.5, min_df=2) > 0).tolist() == [True, True, False, False]

    def test_rows_have_norm_1_and_what_does_not_count_has_no_part_in_it(self) -> None:
        rows = weighed(FREQUENCIES, np.array([1.0, 1.0, 0.0, 1.0])).toarray()
        np.testing.assert_allclose(rows, [[1 / 5**0.5, 2 / 5**0.5, 0, 0], [2 / 5**0.5, 1 / 5**0.5, 0, 0], [0, 1, 0, 0]])


class TestChoice:
    """A fold in which a rare n-gram tells all, and the frequent ones mislead a model that counts them alike."""

    @pytest.fixture
    def posts(self) -> tuple[csr_array, np.ndarray]:
        chance = np.random.default_rng(0)
        labels = np.arange(400) % 2
        telling = (chance.random((400, 5)) < 0.3) & (labels[:, None] == 1)
        noise = chance.random((400, 300)) < 0.2
        return csr_array(np.concatenate([telling, noise], axis=1).astype(float)), labels

    FOLDS = ((np.arange(200), np.arange(200, 300)), (np.arange(300), np.arange(300, 400)))

    def test_the_best_on_what_is_held_back_is_taken_and_told(
        self, posts: tuple[csr_array, np.ndarray], caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.INFO, logger="zhenwei"):
            found = choose_strengths(*posts, self.FOLDS, (0.0, 1.0), (1e-4, 10.0), 2, 0)
        assert found is not None
        assert found.naive_bayes == 1.0
        assert "best of 4 pairs on articles held back (AUC 0.9" in caplog.text

    def test_of_equals_the_first_is_taken(self, posts: tuple[csr_array, np.ndarray]) -> None:
        assert choose_strengths(*posts, self.FOLDS, (0.5, 0.5), (3.0, 3.0), 2, 0) == Strengths(0.5, 3.0)

    def test_folds_that_judge_one_label_only_are_left_out(self, posts: tuple[csr_array, np.ndarray]) -> None:
        one_label = (np.arange(200), np.arange(200, 400, 2))
        both = choose_strengths(*posts, [one_label, *self.FOLDS], (0.0, 1.0), (1e-4, 10.0), 2, 0)
        assert both == choose_strengths(*posts, self.FOLDS, (0.0, 1.0), (1e-4, 10.0), 2, 0)
        assert choose_strengths(*posts, [one_label], (0.0, 1.0), (1.0,), 2, 0) is None
