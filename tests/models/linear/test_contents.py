"""Originals and rewrites in a linear model: one weight, and the mean of the rewrites."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from zhenwei.models.linear.contents import Contents
from zhenwei.models.linear.naive_bayes import fit_logistic_regression
from zhenwei.news.rewrites import content_weights

FEATURES = csr_array(np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [0.0, 2.0], [3.0, 0.0]]))
LABELS = np.array([1, 1, 1, 0, 1])
CONTENTS = Contents(np.array([0, 0, 0, 1, 2]), np.array([False, True, True, False, True]))


def test_the_rewrites_of_a_content_become_their_mean() -> None:
    samples, labels, weights = CONTENTS.average(FEATURES, LABELS)
    np.testing.assert_allclose(samples.toarray(), [[1, 0], [0, 2], [0.25, 0.75], [3, 0]])
    assert labels.tolist() == [1, 0, 1, 1]
    shares = content_weights(CONTENTS.groups, CONTENTS.is_rewrite)
    np.testing.assert_allclose(weights, [shares[0], 1, 1 - shares[0], 1], rtol=1e-6)


def test_articles_of_different_labels_are_not_averaged() -> None:
    samples, labels, weights = CONTENTS.average(FEATURES, np.array([1, 0, 1, 0, 1]))
    assert samples.shape == (5, 2)
    assert sorted(labels.tolist()) == [0, 0, 1, 1, 1]
    assert weights.sum() == pytest.approx(4)


def test_a_content_counts_as_much_as_a_single_article() -> None:
    """Copies of an original as its rewrites change nothing."""
    features, labels = csr_array(np.array([[1.0, 0.2], [0.3, 1.0], [0.8, 0.9]])), np.array([1, 0, 1])
    plain = fit_logistic_regression(features, labels, 10.0, seed=1)
    rows = np.array([0, 1, 2, 0, 0, 2])
    contents = Contents(rows.astype(np.int64), np.array([False] * 3 + [True] * 3))
    shared = fit_logistic_regression(csr_array(features[rows]), labels[rows], 10.0, 1, contents)
    np.testing.assert_allclose(plain.coef_, shared.coef_, rtol=0.02)
