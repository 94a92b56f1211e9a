"""Significance of differences between detectors, over articles and seeds.

The score of a detector, averaged over its runs, varies for two reasons:

- Articles: another sample of articles gives another score. Its variance is that of the bootstrap (over groups of
  near-duplicates) of the score, or of the difference of two detectors' scores on the same resamples, so that articles
  that are easy or hard for both detectors cancel out.
- Seeds: another seed gives another score. Its variance is that between the runs, divided by the number of runs. This
  includes the effect of the articles on each single run, which the bootstrap estimates, too; it is subtracted once.

The two variances are added. The distribution is Student's t with the degrees of freedom of Welch and Satterthwaite
(Biometrics Bulletin 1946). With one run, or a deterministic detector, only the articles contribute.
`benchmarks/significance.py` measures false alarms, coverage and power.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zhenwei.evaluation.comparison.records import Interval, Summary
from zhenwei.evaluation.intervals import MIN_GROUPS
from zhenwei.evaluation.resampling import Floats

LEVEL = 0.95


@dataclass(frozen=True)
class ScoreSamples:
    """A metric of a detector, as measured and on resamples of the articles.

    Attributes:
        values: [S] of its runs.
        resampled: [S, R] of the same runs on R resamples, which all detectors share; nan if undefined.
        deterministic: Whether the seed has no effect.
    """

    values: Floats
    resampled: Floats
    deterministic: bool = False


@dataclass(frozen=True)
class Estimate:
    """A mean, or a difference of means, with its uncertainty.

    Attributes:
        value: The measured value.
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

        half_width = float(t.ppf((1 + LEVEL) / 2, self.freedom)) * self.error
        return self.value - half_width, self.value + half_width

    @property
    def p(self) -> float:
        """Two-sided p-value of the hypothesis that the value is 0."""
        from scipy.stats import t  # noqa: PLC0415

        if self.error == 0:
            return 1.0 if self.value == 0 else 0.0
        return float(2 * t.sf(abs(self.value) / self.error, self.freedom))


def estimate_mean(samples: ScoreSamples, n_groups: int) -> Estimate:
    """Estimate the mean score of a detector over its runs; see `_estimate`."""
    return _estimate([(samples, 1)], n_groups)


def estimate_difference(first: ScoreSamples, second: ScoreSamples, n_groups: int) -> Estimate:
    """Estimate the difference of two detectors' mean scores, first minus second; see `_estimate`."""
    return _estimate([(first, 1), (second, -1)], n_groups)


def _estimate(terms: Sequence[tuple[ScoreSamples, int]], n_groups: int) -> Estimate:
    """Estimate a signed sum of means.

    Args:
        terms: Scores on the same resamples of the same articles, each with its sign.
        n_groups: Number of groups of articles that are resampled as units.
    """
    value = float(sum(sign * samples.values.mean() for samples, sign in terms))
    correction = n_groups / max(n_groups - 1, 1)  # the variance of the bootstrap is too small by this factor
    resampled = sum(sign * samples.resampled.mean(axis=0) for samples, sign in terms)
    article_variance = correction * float(np.nanvar(resampled, ddof=1))
    # The denominator of the Welch-Satterthwaite equation: squared variances over their degrees of freedom.
    seed_variance, denominator = 0.0, article_variance**2 / max(n_groups - 1, 1)
    for samples, _ in terms:
        runs = len(samples.values)
        if runs < 2 or samples.deterministic:
            continue
        between = float(samples.values.var(ddof=1)) / runs
        spread = (samples.resampled - samples.values[:, None]).var(axis=0, ddof=1)
        of_articles = correction * float(np.nanmean(spread)) / runs
        seed_variance += max(between - of_articles, 0.0)
        denominator += between**2 / (runs - 1) if between > of_articles else 0.0
    variance = article_variance + seed_variance
    freedom = variance**2 / denominator if denominator > 0 else float(max(n_groups - 1, 1))
    return Estimate(value, float(np.sqrt(variance)), max(freedom, 1.0))


def summarize(samples: ScoreSamples, n_groups: int) -> Summary:
    """Summarize a metric of a detector over its runs; the interval is clipped to [0, 1], the range of all metrics."""
    if not np.isfinite(samples.values).all():
        return Summary(None, None, None)
    deviation = float(samples.values.std(ddof=1)) if len(samples.values) > 1 else None
    if n_groups < MIN_GROUPS:
        return Summary(float(samples.values.mean()), deviation, None)
    estimate = estimate_mean(samples, n_groups)
    low, high = estimate.interval
    return Summary(estimate.value, deviation, (max(low, 0.0), min(high, 1.0)))
