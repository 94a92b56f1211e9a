"""Reliability of probabilities and verdicts: calibration bins, ECE by chance, and the confusion matrix."""

import numpy as np
from numpy.typing import NDArray

from zhenwei.bundle.metrics import CALIBRATION_BINS, CLASSES, expected_calibration_error
from zhenwei.evaluation.records import Interval, ReliabilityBin

Z = 1.959963984540054  # 97.5% quantile of the normal distribution
_ROUNDS = 1000
_MAX_CELLS = 10_000_000  # rounds times articles; with many articles the ECE hardly varies, and fewer rounds suffice


def reliability_bins(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], bins: int = CALIBRATION_BINS
) -> tuple[ReliabilityBin, ...]:
    """Group articles into bins of equal width by their probability of fake; empty bins are omitted.

    Args:
        labels: [N], 0 (real) or 1 (fake).
        probabilities: [N] probabilities of fake.
        bins: Number of bins.
    """
    indices = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    filled = []
    for index in np.unique(indices):
        inside = indices == index
        n, fakes = int(inside.sum()), int(labels[inside].sum())
        mean = float(probabilities[inside].mean())
        low, high = float(index / bins), float((index + 1) / bins)
        filled.append(ReliabilityBin(low, high, n, mean, fakes / n, wilson_interval(fakes, n)))
    return tuple(filled)


def wilson_interval(count: int, n: int) -> Interval:
    """Return the 95% interval of a proportion (Wilson, Journal of the American Statistical Association 1927).

    Args:
        count: Number of successes.
        n: Number of trials; above 0.
    """
    share = count / n
    center = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half_width = Z / (1 + Z**2 / n) * float(np.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2)))
    low = 0.0 if count == 0 else center - half_width  # exactly 0, without rounding errors
    return low, 1.0 if count == n else center + half_width


def ece_by_chance(
    probabilities: NDArray[np.float64], groups: NDArray[np.int64] | None = None, seed: int = 0
) -> Interval:
    """Return the 95% range of the ECE of test sets whose probabilities are exactly right.

    Even then no finite test set has an ECE of 0 (Bröcker & Smith, Weather and Forecasting 2007: consistency
    resampling).

    Args:
        probabilities: [N] probabilities of fake.
        groups: [N] index of each article's group of near-duplicates; the articles of a group get the same draw.
        seed: Seed of the simulated labels.
    """
    generator = np.random.default_rng(seed)
    members = np.arange(len(probabilities)) if groups is None else np.unique(groups, return_inverse=True)[1]
    n_groups = int(members.max(initial=0)) + 1
    rounds = int(np.clip(_MAX_CELLS // len(probabilities), 100, _ROUNDS))
    simulated = [
        expected_calibration_error(
            (generator.random(n_groups)[members] < probabilities).astype(np.int64), probabilities
        )
        for _ in range(rounds)
    ]  # fmt: skip
    low, high = np.quantile(simulated, [0.025, 0.975])
    return float(low), float(high)


def confusion(labels: NDArray[np.int64], verdicts: NDArray[np.int64]) -> dict[str, dict[str, int]]:
    """Count articles by label, then by verdict: `["real"]["fake"]` are false alarms, `["fake"]["real"]` missed fakes.

    Args:
        labels: [N], 0 (real) or 1 (fake).
        verdicts: [N], 0 (real) or 1 (fake).
    """
    return {
        label: {verdict: int(((labels == row) & (verdicts == column)).sum()) for column, verdict in enumerate(CLASSES)}
        for row, label in enumerate(CLASSES)
    }
