"""Naive Bayes weights of n-grams for logistic regression, and the grid search of its hyperparameters."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from zhenwei.models.linear.contents import Contents

if TYPE_CHECKING:
    from scipy.sparse import csr_array
    from sklearn.linear_model import LogisticRegression

logger = logging.getLogger(__name__)

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
Rows = NDArray[np.int64]

SMOOTHING = 0.1  # added to the number of articles with an n-gram, for each label
NAIVE_BAYES_GRID = (0.0, 0.25, 0.5, 1.0)
C_GRID = (10.0, 30.0, 100.0, 300.0)


@dataclass(frozen=True)
class Hyperparameters:
    """The strength of the Naive Bayes weights, and the inverse of the L2 penalty."""

    naive_bayes: float
    C: float


DEFAULTS = Hyperparameters(0.0, 30.0)
"""Plain TF-IDF with the default penalty of `tfidf`."""


def ngram_weights(frequencies: "csr_array", labels: Labels, naive_bayes: float, min_df: int = 1) -> Floats:
    """Return the idf of each n-gram times its Naive Bayes factor [F]; 0 where fewer than `min_df` articles have it.

    Args:
        frequencies: Frequency of each n-gram in each article, or a function of it that keeps 0 [N, F].
        labels: 0 (real) or 1 (fake) [N].
        naive_bayes: a in 1 + a |r|, where r is the log of the ratio of the n-gram's shares among the n-grams of fake
            and of real articles; 0: idf alone.
        min_df: Minimum number of articles with an n-gram.
    """
    size = frequencies.shape[1]
    by_label = [np.bincount(frequencies[labels == label].indices, minlength=size) for label in (0, 1)]
    document_frequency = by_label[0] + by_label[1]
    # scikit-learn's smoothed idf: as if one more article had every n-gram
    weights: Floats = np.log((1 + len(labels)) / (1 + document_frequency)) + 1
    if naive_bayes:
        real, fake = (counts + SMOOTHING for counts in by_label)
        weights *= 1 + naive_bayes * np.abs(np.log(fake / fake.sum()) - np.log(real / real.sum()))
    weights[document_frequency < min_df] = 0.0
    return weights


def weighted_features(frequencies: "csr_array", weights: Floats) -> "csr_array":
    """Return the frequencies times the weights of their n-grams, with rows normalized to 1 (or 0)."""
    from scipy.sparse import csr_array  # noqa: PLC0415  # a second to import, as the next
    from sklearn.preprocessing import normalize  # noqa: PLC0415

    values = frequencies.data * weights[frequencies.indices]
    rows = csr_array((values, frequencies.indices, frequencies.indptr), shape=frequencies.shape)
    return normalize(rows, copy=False)


def fit_logistic_regression(
    features: "csr_array", labels: Labels, inverse_penalty: float, seed: int, contents: Contents | None = None
) -> "LogisticRegression":
    """Fit a logistic regression with L2 penalty.

    Args:
        features: Features of each article [N, F].
        labels: 0 (real) or 1 (fake) [N].
        inverse_penalty: The inverse of the L2 penalty.
        seed: Random seed.
        contents: The rewrites among the articles, which share the weight of their original; see `Contents.average`.
    """
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415  # a second to import

    weights = None
    if contents is not None:
        features, labels, weights = contents.average(features, labels)
    return LogisticRegression(C=inverse_penalty, solver="liblinear", random_state=seed, max_iter=1000).fit(
        features, labels, sample_weight=weights
    )


def grid_search(
    frequencies: "csr_array",
    labels: Labels,
    folds: Iterable[tuple[Rows, Rows]],
    naive_bayes: Sequence[float],
    inverse_penalties: Sequence[float],
    min_df: int,
    seed: int,
    contents: Contents | None = None,
) -> Hyperparameters | None:
    """Return the hyperparameters with the highest AUC on held-out articles, averaged over the folds.

    Args:
        frequencies: Frequency of each n-gram in each article, or a function of it [N, F].
        labels: 0 (real) or 1 (fake) [N].
        folds: Rows to fit on and held-out rows of each fold; a fold whose held-out rows have one label is skipped.
        naive_bayes: Values to try.
        inverse_penalties: Values to try. The first of equally good values wins, in both lists.
        min_df: Minimum number of fitted articles with an n-gram.
        seed: Seed of the regression.
        contents: The rewrites among the articles.

    Returns:
        None if all folds are skipped.
    """
    from sklearn.metrics import roc_auc_score  # noqa: PLC0415  # a second to import

    candidates = [Hyperparameters(*values) for values in product(naive_bayes, inverse_penalties)]
    scores: list[list[float]] = []
    for train, held in folds:
        if len(np.unique(labels[held])) < 2:
            continue
        scores.append([])
        for strength in naive_bayes:
            weights = ngram_weights(frequencies[train], labels[train], strength, min_df)
            features, held_out = (weighted_features(frequencies[rows], weights) for rows in (train, held))
            for value in inverse_penalties:
                shared = None if contents is None else contents.select(train)
                regression = fit_logistic_regression(features, labels[train], value, seed, shared)
                logits = regression.decision_function(held_out)
                scores[-1].append(float(roc_auc_score(labels[held], logits)))
    if not scores:
        return None
    means = np.mean(scores, axis=0)
    best = candidates[int(means.argmax())]
    logger.info(
        "n-grams: Naive Bayes %g and C %g, the best of %d pairs on held-out articles (AUC %.3f; the worst %.3f)",
        best.naive_bayes, best.C, len(candidates), means.max(), means.min(),
    )  # fmt: skip
    return best
