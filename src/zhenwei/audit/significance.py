"""Statistical significance: p-values, their correction, and a lower confidence bound of macro-F1."""

from typing import cast

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_DRAWS = 2000


def fisher_p_value(fakes: int, articles: int, other_fakes: int, other_articles: int) -> float:
    """Return the two-sided p-value of Fisher's exact test that two groups have the same share of fakes."""
    from scipy.stats import fisher_exact  # noqa: PLC0415  # half a second to import

    table = [[fakes, articles - fakes], [other_fakes, other_articles - other_fakes]]
    return float(fisher_exact(table).pvalue)


def normal_p_values(z: Floats) -> Floats:
    """Return the two-sided p-values of standard normal scores."""
    from scipy.special import ndtr  # noqa: PLC0415  # half a second to import

    return cast(Floats, 2 * ndtr(-np.abs(z)))


def holm(p: Floats) -> Floats:
    """Return p-values corrected for the family-wise error rate (Holm, 1979).

    Args:
        p: [N] p-values.

    Returns:
        [N] corrected p-values, in the same order.
    """
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected


def macro_f1(fake_as_fake: Floats, fake_as_real: Floats, real_as_fake: Floats, real_as_real: Floats) -> Floats:
    """Return the macro-F1 of confusion matrices; the four arrays have one shape.

    Args:
        fake_as_fake: Number of fakes that are predicted fake.
        fake_as_real: Number of fakes that are predicted real.
        real_as_fake: Number of real articles that are predicted fake.
        real_as_real: Number of real articles that are predicted real.
    """
    errors = fake_as_real + real_as_fake
    f1_fake = 2 * fake_as_fake / np.maximum(2 * fake_as_fake + errors, 1e-12)
    f1_real = 2 * real_as_real / np.maximum(2 * real_as_real + errors, 1e-12)
    return (f1_fake + f1_real) / 2


def macro_f1_lower_bound(confusion: tuple[int, int, int, int], n_comparisons: int, alpha: float) -> float:
    """Return the lower end of a one-sided confidence interval of a macro-F1.

    The counts are a draw of a multinomial whose probabilities have a Dirichlet posterior (Jeffreys' prior). The bound
    is the quantile of the beta distribution with the mean and the variance of the scores: the quantile of the draws
    themselves would need millions of them.

    Args:
        confusion: The four counts of `macro_f1`.
        n_comparisons: Number of features among which this one was chosen by its score on these articles.
        alpha: Probability that the true score is lower, over all comparisons.
    """
    from scipy.special import betaincinv  # noqa: PLC0415  # half a second to import

    draws = np.random.default_rng(0).dirichlet(np.array(confusion) + 0.5, _DRAWS)
    scores = macro_f1(*draws.T)
    mean = float(scores.mean())
    concentration = mean * (1 - mean) / float(scores.var()) - 1
    return float(betaincinv(mean * concentration, (1 - mean) * concentration, alpha / max(n_comparisons, 1)))
