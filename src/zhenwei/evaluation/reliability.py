"""How well probabilities and verdicts agree with the truth: bins of like probability, and the confusion of classes."""

import numpy as np
from numpy.typing import NDArray

from zhenwei.bundle.metrics import CALIBRATION_BINS, CLASSES, expected_calibration_error
from zhenwei.evaluation.records import Interval, ReliabilityBin

Z = 1.959963984540054  # 97.5% quantile of the normal distribution
_ROUNDS = 1000
_CELLS = 10_000_000  # rounds times articles; of very many articles the ECE hardly varies


def reliability_bins(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], bins: int = CALIBRATION_BINS
) -> tuple[ReliabilityBin, ...]:
    """Sort articles into bins of equal width by their probability of fake; bins without articles are left out.

    Args:
        labels: [N] of 0 (real) or 1 (fake).
        probabilities: [N] of fake.
        bins: How many.
    """
    places = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    found = []
    for place in np.unique(places):
        inside = places == place
        n, fakes = int(inside.sum()), int(labels[inside].sum())
        mean = float(probabilities[inside].mean())
        found.append(
            ReliabilityBin(
                float(place / bins), float((place + 1) / bins), n, mean, fakes / n, wilson_interval(fakes, n)
            )
        )
    return tuple(found)


def wilson_interval(count: int, n: int) -> Interval:
    """Return the 95% interval of a share (Wilson, Journal of the American Statistical Association 1927).

    Args:
        count: How many have what is counted.
        n: Of how many; above 0.
    """
    share = count / n
    centre = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    reach = Z / (1 + Z**2 / n) * float(np.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2)))
    low = 0.0 if count == 0 else centre - reach  # exactly, whatever rounding says
    return low, 1.0 if count == n else centre + reach


def ece_by_chance(
    probabilities: NDArray[np.float64], groups: NDArray[np.int64] | None = None, seed: int = 0
) -> Interval:
    """Return the range in which the ECE of 95% of test sets is if these probabilities are exactly right.

    Even then no finite set has an ECE of 0 (Bröcker & Smith, Weather and Forecasting 2007: consistency resampling).

    Args:
        probabilities: [N] of fake.
        groups: [N] number of each article's group of near-duplicates, which are taken to be true or fake together.
        seed: Of the labels that are drawn.
    """
    generator = np.random.default_rng(seed)
    members = np.arange(len(probabilities)) if groups is None else np.unique(groups, return_inverse=True)[1]
    count = int(members.max(initial=0)) + 1
    rounds = int(np.clip(_CELLS // len(probabilities), 100, _ROUNDS))
    found = [
        expected_calibration_error((generator.random(count)[members] < probabilities).astype(np.int64), probabilities)
        for _ in range(rounds)
    ]
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def confusion(labels: NDArray[np.int64], verdicts: NDArray[np.int64]) -> dict[str, dict[str, int]]:
    """Count articles by truth, then by verdict: `["real"]["fake"]` are false alarms, `["fake"]["real"]` missed fakes.

    Args:
        labels: [N] of 0 (real) or 1 (fake).
        verdicts: [N] of the same.
    """
    return {
        truth: {called: int(((labels == row) & (verdicts == column)).sum()) for column, called in enumerate(CLASSES)}
        for row, truth in enumerate(CLASSES)
    }
