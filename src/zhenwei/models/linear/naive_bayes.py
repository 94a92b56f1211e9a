"""How much an n-gram counts in a linear model, and the model's own strengths, chosen on articles held back."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array
    from sklearn.linear_model import LogisticRegression

logger = logging.getLogger(__name__)

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
Rows = NDArray[np.int64]

SMOOTHING = 0.1  # articles that every n-gram is taken to be in besides, of each label
NAIVE_BAYES = (0.0, 0.25, 0.5, 1.0)
C = (10.0, 30.0, 100.0, 300.0)


@dataclass(frozen=True)
class Strengths:
    """What is not fitted, but set or chosen: how much Naive Bayes weighs, and the inverse of the L2 penalty."""

    naive_bayes: float
    C: float


PLAIN = Strengths(0.0, 30.0)
"""Plain TF-IDF, penalised as `tfidf` is unless it is told otherwise."""


def ngram_weights(frequencies: "csr_array", labels: Labels, naive_bayes: float, min_df: int = 1) -> Floats:
    """Return each n-gram's idf, times what Naive Bayes makes of it [F]; 0 where fewer than `min_df` articles have it.

    Args:
        frequencies: How often each article has each n-gram, or a function of it, 0 where it does not [N, F].
        labels: 0 (real) or 1 (fake) [N].
        naive_bayes: a, in 1 + a |r|, where r is the logarithm of the ratio of the n-gram's shares among the n-grams of
            the fake and of the real articles; 0: idf alone.
        min_df: Articles that must have an n-gram.
    """
    size = frequencies.shape[1]
    by_label = [np.bincount(frequencies[labels == label].indices, minlength=size) for label in (0, 1)]
    having = by_label[0] + by_label[1]
    # scikit-learn's smoothed idf: as if one more article had every n-gram
    weights: Floats = np.log((1 + len(labels)) / (1 + having)) + 1
    if naive_bayes:
        real, fake = (counts + SMOOTHING for counts in by_label)
        weights *= 1 + naive_bayes * np.abs(np.log(fake / fake.sum()) - np.log(real / real.sum()))
    weights[having < min_df] = 0.0
    return weights


def weighed(frequencies: "csr_array", weights: Floats) -> "csr_array":
    """Return the frequencies, each times its n-gram's weight, each row with norm 1 (or 0)."""
    from scipy.sparse import csr_array  # noqa: PLC0415  # a second to import, as the next
    from sklearn.preprocessing import normalize  # noqa: PLC0415

    values = frequencies.data * weights[frequencies.indices]
    rows = csr_array((values, frequencies.indices, frequencies.indptr), shape=frequencies.shape)
    return normalize(rows, copy=False)


def regression_of(features: "csr_array", labels: Labels, inverse_penalty: float, seed: int) -> "LogisticRegression":
    """Fit a logistic regression."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415  # a second to import

    return LogisticRegression(C=inverse_penalty, solver="liblinear", random_state=seed, max_iter=1000).fit(
        features, labels
    )


def choose_strengths(
    frequencies: "csr_array",
    labels: Labels,
    folds: Iterable[tuple[Rows, Rows]],
    naive_bayes: Sequence[float],
    inverse_penalties: Sequence[float],
    min_df: int,
    seed: int,
) -> Strengths | None:
    """Return the strengths with which articles held back are ranked best: the mean over the folds of the AUC.

    Args:
        frequencies: How often each article has each n-gram, or a function of it [N, F].
        labels: 0 (real) or 1 (fake) [N].
        folds: Of each, the rows to fit on and the rows to judge; one whose held rows have one label only is left out.
        naive_bayes: Values to try.
        inverse_penalties: Values to try; of equals, the first (and the first of `naive_bayes`) is taken.
        min_df: Articles to fit on that must have an n-gram.
        seed: Of the regression.
    """
    from sklearn.metrics import roc_auc_score  # noqa: PLC0415  # a second to import

    tried = [Strengths(*values) for values in product(naive_bayes, inverse_penalties)]
    scores: list[list[float]] = []
    for train, held in folds:
        if len(np.unique(labels[held])) < 2:
            continue
        scores.append([])
        for strength in naive_bayes:
            weights = ngram_weights(frequencies[train], labels[train], strength, min_df)
            features, judged = (weighed(frequencies[rows], weights) for rows in (train, held))
            for value in inverse_penalties:
                logits = regression_of(features, labels[train], value, seed).decision_function(judged)
                scores[-1].append(float(roc_auc_score(labels[held], logits)))
    if not scores:
        return None
    means = np.mean(scores, axis=0)
    best = tried[int(means.argmax())]
    logger.info(
        "n-grams: Naive Bayes %g and C %g, the best of %d pairs on articles held back (AUC %.3f; of the worst %.3f)",
        best.naive_bayes, best.C, len(tried), means.max(), means.min(),
    )  # fmt: skip
    return best
