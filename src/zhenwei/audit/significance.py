"""Whether a figure is more than chance: p-values, their correction, and a cautious macro-F1."""

from typing import cast

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_DRAWS = 2000


def difference_p(fakes: int, articles: int, other_fakes: int, other_articles: int) -> float:
    """Return the two-sided p-value of Fisher's exact test that two groups have one share of fakes."""
    from scipy.stats import fisher_exact  # noqa: PLC0415  # half a second to import

    table = [[fakes, articles - fakes], [other_fakes, other_articles - other_fakes]]
    return float(fisher_exact(table).pvalue)


def normal_p(z: Floats) -> Floats:
    """Return the two-sided p-values of standard normal scores."""
    from scipy.special import ndtr  # noqa: PLC0415  # half a second to import

    return cast(Floats, 2 * ndtr(-np.abs(z)))


def holm(p: Floats) -> Floats:
    """Return p-values corrected for their number: a bound on the chance of a single false alarm (Holm, 1979).

    Args:
        p: [N] p-values.

    Returns:
        [N] corrected ones, in the same order.
    """
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected


def macro_f1(fake_right: Floats, fake_wrong: Floats, real_wrong: Floats, real_right: Floats) -> Floats:
    """Return the macro-F1 of verdicts, from how many there are of each kind; arrays of any one shape.

    Args:
        fake_right: Fakes that are called fake.
        fake_wrong: Fakes that are called real.
        real_wrong: Real ones that are called fake.
        real_right: Real ones that are called real.
    """
    wrong = fake_wrong + real_wrong
    of_fake = 2 * fake_right / np.maximum(2 * fake_right + wrong, 1e-12)
    of_real = 2 * real_right / np.maximum(2 * real_right + wrong, 1e-12)
    return (of_fake + of_real) / 2


def macro_f1_low(cells: tuple[int, int, int, int], looks: int, alpha: float) -> float:
    """Return the lower end of a one-sided interval of a macro-F1.

    The counts are a draw of a multinomial whose probabilities have a Dirichlet posterior (Jeffreys' prior). The end
    is that of the beta distribution of the score's mean and variance: the draws' own quantile would need millions.

    Args:
        cells: Verdicts, as `macro_f1` takes them.
        looks: Among how many features this one was chosen by its score on these very articles.
        alpha: The chance with which the true score is lower, over all looks.
    """
    from scipy.special import betaincinv  # noqa: PLC0415  # half a second to import

    draws = np.random.default_rng(0).dirichlet(np.array(cells) + 0.5, _DRAWS)
    scores = macro_f1(*draws.T)
    mean = float(scores.mean())
    weight = mean * (1 - mean) / float(scores.var()) - 1
    return float(betaincinv(mean * weight, (1 - mean) * weight, alpha / max(looks, 1)))
