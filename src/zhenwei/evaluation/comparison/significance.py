"""Is one detector better than another? Differences over articles and seeds, with their intervals and p-values.

A score of a detector, averaged over its runs, varies for two reasons: other articles of the same kind, and other seeds.

- Articles: the bootstrap (over whole groups of near-duplicates) of the score, or of the difference of two detectors'
  scores on the same resamples, so that articles that are easy or hard for both cancel out.
- Seeds: the variance between the runs' scores, divided by the number of runs. It has in it what the articles do to each
  run by itself; the bootstrap knows that part, and it is counted once.

The variances of both are added, and Student's t is used with as many degrees of freedom as Welch and Satterthwaite
give them (Biometrics Bulletin 1946). With one run, or a detector that every seed makes alike, only the articles count.
`benchmarks/significance.py` measures false alarms, coverage and power.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zhenwei.evaluation.comparison.records import Interval, Summary
from zhenwei.evaluation.intervals import FEWEST_GROUPS

Floats = NDArray[np.float64]
LEVEL = 0.95


@dataclass(frozen=True)
class Sampled:
    """One score of a detector, as measured and in resamples of the articles.

    Attributes:
        values: [S] of its runs.
        draws: [S, R] of the same runs on R resamples, which are the same for all detectors; nan where undefined.
        deterministic: Whether another seed would give the same run.
    """

    values: Floats
    draws: Floats
    deterministic: bool = False


@dataclass(frozen=True)
class Estimate:
    """A mean or a difference of means, and how far it may be from the truth.

    Attributes:
        value: As measured.
        error: Standard error.
        freedom: Degrees of freedom of the standard error.
    """

    value: float
    error: float
    freedom: float

    @property
    def interval(self) -> Interval:
        """The 95% interval."""
        from scipy.stats import t  # noqa: PLC0415  # a second to import

        half = float(t.ppf((1 + LEVEL) / 2, self.freedom)) * self.error
        return self.value - half, self.value + half

    @property
    def p(self) -> float:
        """Two-sided p-value of no difference."""
        from scipy.stats import t  # noqa: PLC0415

        if self.error == 0:
            return 1.0 if self.value == 0 else 0.0
        return float(2 * t.sf(abs(self.value) / self.error, self.freedom))


def estimate_mean(sampled: Sampled, n_groups: int) -> Estimate:
    """Return the mean score of a detector over its runs; see `_estimate`."""
    return _estimate([(sampled, 1)], n_groups)


def estimate_difference(first: Sampled, second: Sampled, n_groups: int) -> Estimate:
    """Return the difference of two detectors' mean scores, first minus second; see `_estimate`."""
    return _estimate([(first, 1), (second, -1)], n_groups)


def _estimate(parts: Sequence[tuple[Sampled, int]], n_groups: int) -> Estimate:
    """Estimate a sum of means, each with its sign.

    Args:
        parts: Scores on the same resamples of the same articles.
        n_groups: Groups of articles that were resampled whole.
    """
    value = float(sum(sign * sampled.values.mean() for sampled, sign in parts))
    few = n_groups / max(n_groups - 1, 1)  # the bootstrap's variance is too small by this
    drawn = sum(sign * sampled.draws.mean(axis=0) for sampled, sign in parts)
    articles = few * float(np.nanvar(drawn, ddof=1))
    seeds, uncertain = 0.0, articles**2 / max(n_groups - 1, 1)
    for sampled, _ in parts:
        runs = len(sampled.values)
        if runs < 2 or sampled.deterministic:
            continue
        between = float(sampled.values.var(ddof=1)) / runs
        alone = few * float(np.nanmean((sampled.draws - sampled.values[:, None]).var(axis=0, ddof=1))) / runs
        seeds += max(between - alone, 0.0)
        uncertain += between**2 / (runs - 1) if between > alone else 0.0
    variance = articles + seeds
    freedom = variance**2 / uncertain if uncertain > 0 else float(max(n_groups - 1, 1))
    return Estimate(value, float(np.sqrt(variance)), max(freedom, 1.0))


def summarise(sampled: Sampled, n_groups: int) -> Summary:
    """Summarise a score of a detector over its runs; the interval stays within 0 and 1, as all scores do."""
    if not np.isfinite(sampled.values).all():
        return Summary(None, None, None)
    deviation = float(sampled.values.std(ddof=1)) if len(sampled.values) > 1 else None
    if n_groups < FEWEST_GROUPS:
        return Summary(float(sampled.values.mean()), deviation, None)
    estimate = estimate_mean(sampled, n_groups)
    low, high = estimate.interval
    return Summary(estimate.value, deviation, (max(low, 0.0), min(high, 1.0)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for their number (Holm, Scandinavian Journal of Statistics 1979)."""
    corrected, least = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(np.argsort(p_values, kind="stable")):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = least
    return corrected
