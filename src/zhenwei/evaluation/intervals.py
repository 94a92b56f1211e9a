"""95% intervals of the field's metrics, by a bootstrap over articles or over groups of near-duplicates.

An interval is symmetric on the scale of log odds (of the logarithm, for the loss), so that it stays within 0 and 1 and
is skewed as scores near these limits are: the log odds of the score, plus and minus the standard deviation of the
bootstrap times a quantile of Student's t. The degrees of freedom follow from how unevenly the groups contribute to the
score (Satterthwaite, Biometrics Bulletin 1946): a few large groups, or a few mistakes, carry less information than many
small ones. Over 1,000 simulated test sets of 200 to 500 articles the intervals cover the true score in about 95% of the
test sets; the coverage of the percentile bootstrap falls to 85% for scores near 1 and for clustered articles.
`benchmarks/intervals.py` prints both.
"""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from zhenwei.bundle.calibration import log_odds
from zhenwei.bundle.predict_logits import sigmoid
from zhenwei.evaluation.records import Interval
from zhenwei.evaluation.resampling import Floats, Integers, resampled_scores, resampled_weights

ROUNDS = 1000
MIN_GROUPS = 10  # fewer articles, or groups of them, give no interval
LEVEL = 0.95

_MAX_JACKKNIFE_GROUPS = 500  # more leave-one-out scores do not change the degrees of freedom
_PERFECT = 1e-7  # scores this close to 0 or 1 are perfect except for rounding
_MAX_UNDEFINED = 0.1  # share of undefined resamples that leaves no interval; with three fakes, 5% have none


def bootstrap_intervals(
    labels: Integers,
    probabilities: Floats,
    threshold: float,
    *,
    groups: Integers | None = None,
    logits: Floats | None = None,
    metrics: Collection[str] | None = None,
    rounds: int = ROUNDS,
    seed: int = 0,
) -> dict[str, Interval | None]:
    """Return a 95% interval of each metric.

    Args:
        labels: [N], 0 (real) or 1 (fake).
        probabilities: [N] probabilities of fake, within [0, 1].
        threshold: Articles with at least this probability count as fake.
        groups: [N] index of each article's group of near-duplicates; groups are resampled as units. None: articles
            are resampled individually.
        logits: [N] log odds of the probabilities; required for `loss`.
        metrics: A subset of `resampling.METRICS`; all by default.
        rounds: Number of bootstrap resamples; 0 returns no intervals.
        seed: Equal seeds give equal intervals.

    Returns:
        The interval of each metric. None if the score is undefined, for the articles or for a tenth of the resamples,
        or if there are fewer than ten groups. The interval of `ece` is that of the ECE of test sets of this size, which
        exceeds the ECE of infinitely many articles: no finite test set has an ECE of 0.
    """
    if rounds == 0:
        return {}
    members = np.unique(groups, return_inverse=True)[1] if groups is not None else np.arange(len(labels))

    def score(weights: NDArray[np.uint8]) -> dict[str, Floats]:
        return resampled_scores(labels, probabilities, threshold, weights, metrics, logits)

    point = score(np.ones((1, len(labels)), np.uint8))
    sizes = np.bincount(members)
    if len(sizes) < MIN_GROUPS:
        return dict.fromkeys(point)
    resampled = score(resampled_weights(len(labels), None if groups is None else members, rounds, seed))
    jackknife = score(_leave_one_out(members, seed))
    rarer = min(len(np.unique(members[labels == label])) for label in np.unique(labels))
    effective_groups = float(sizes.sum() ** 2 / (sizes.astype(np.float64) ** 2).sum())  # if all had the same size
    intervals: dict[str, Interval | None] = {}
    for name, scores in point.items():
        if np.isnan(scores[0]) or np.isnan(resampled[name]).mean() >= _MAX_UNDEFINED:
            intervals[name] = None
        else:
            half_width = _quantile(jackknife[name], effective_groups) * float(np.nanstd(resampled[name], ddof=1))
            intervals[name] = _interval(float(scores[0]), half_width, rarer, bounded=name != "loss")
    return intervals


def _leave_one_out(members: Integers, seed: int) -> NDArray[np.uint8]:
    """Return [G, N] weights that leave out one group each; with very many groups, several groups each."""
    n_groups = int(members.max()) + 1
    n_left_out = min(n_groups, _MAX_JACKKNIFE_GROUPS)
    left_out = np.random.default_rng(seed).permutation(n_groups) % n_left_out
    weights: NDArray[np.bool_] = left_out[members] != np.arange(n_left_out)[:, None]
    return weights.astype(np.uint8)


def _quantile(jackknife: Floats, effective_groups: float) -> float:
    """Return the half-width of an interval, in standard deviations of the bootstrap.

    Args:
        jackknife: [G] score without each group; nan if undefined.
        effective_groups: Number of groups of equal size with the same information.
    """
    from scipy.special import stdtrit  # noqa: PLC0415  # half a second to import

    defined = jackknife[~np.isnan(jackknife)]
    squares = (defined - defined.mean()) ** 2
    max_freedom = max(effective_groups - 1, 2.0)
    if squares.sum() == 0:
        freedom = max_freedom
    else:
        # The relative variance of the squares: 2 / G if the deviations are normal.
        uneven = float((squares**2).sum() / squares.sum() ** 2 - 1 / len(squares))
        freedom = float(np.clip(2 / max(uneven, 1e-9), 2.0, max_freedom))
    return float(stdtrit(freedom, 0.5 + LEVEL / 2)) * float(np.sqrt((max_freedom + 1) / max_freedom))


def _interval(score: float, half_width: float, rarer: int, *, bounded: bool) -> Interval:
    """Return the interval of one metric.

    Args:
        score: The score of the articles.
        half_width: Half-width on the linear scale of the score.
        rarer: Number of groups with an article of the rarer class.
        bounded: Whether the score is within [0, 1].
    """
    if bounded and min(score, 1 - score) < _PERFECT:
        # All resamples agree: bound the error rate that would still be unseen in this many groups.
        unseen = 1 - (0.5 - LEVEL / 2) ** (1 / rarer)
        return (0.0, unseen) if score < _PERFECT else (1 - unseen, 1.0)
    if half_width == 0:
        return score, score
    if not bounded:
        factor = float(np.exp(half_width / score))
        return score / factor, score * factor
    ends = log_odds(score) + np.array([-1.0, 1.0]) * half_width / (score * (1 - score))
    low, high = sigmoid(ends)
    return float(low), float(high)
