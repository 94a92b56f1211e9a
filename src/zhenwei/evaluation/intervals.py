"""95% intervals of the field's metrics, by a bootstrap of articles or of whole groups of near-duplicates.

An interval is a normal one on the scale of log odds (of the logarithm, for a loss), which leaves none beyond 0 or 1
and has the skewness of scores near them: the score's log odds, plus and minus the bootstrap's standard deviation times
a quantile of Student's t. Its degrees of freedom follow from how unevenly the groups bear on the score (Satterthwaite,
Biometrics Bulletin 1946): a few large groups, or a few mistakes, say less than many small ones. Over 1,000 simulated
test sets of 200 to 500 articles it covers the truth about 95 times of 100, where the percentile bootstrap falls to 85
for scores near 1 and for clustered articles; `benchmarks/intervals.py` prints both.
"""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from zhenwei.bundle.calibration import log_odds
from zhenwei.bundle.predict_logits import sigmoid
from zhenwei.evaluation.records import Interval
from zhenwei.evaluation.resampling import Floats, Integers, resampled_scores, resampled_weights

ROUNDS = 1000
FEWEST_GROUPS = 10  # fewer articles, or groups of them, say nothing of others
LEVEL = 0.95

_MOST_BUNCHES = 500  # that are left out in turn; beyond them degrees of freedom make no difference
_PERFECT = 1e-7  # a score that is as near to 0 or 1 is one but for rounding
_UNDEFINED = 0.1  # share of resamples from which on an interval is none: of three fakes, 5% of resamples have none


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
        labels: [N] of 0 (real) or 1 (fake).
        probabilities: [N] of fake, within [0, 1].
        threshold: An article counts as fake from this probability on.
        groups: [N] number of each article's group of near-duplicates; groups are drawn whole. None: no article is
            like another.
        logits: [N] log odds of the probabilities, of which `loss` is made; without them there is no `loss`.
        metrics: Which of `resampling.METRICS`; all, unless given.
        rounds: Resamples.
        seed: Equal seeds give equal intervals.

    Returns:
        Low and high of each metric; None where the score is undefined, in a tenth of the resamples too, or where there
        are fewer than ten groups. The interval of `ece` is one of the ECE that test sets of this size have, which is
        above that of endless ones: no finite set has an ECE of 0.
    """
    members = np.unique(groups, return_inverse=True)[1] if groups is not None else np.arange(len(labels))

    def scored(weights: NDArray[np.uint8]) -> dict[str, Floats]:
        return resampled_scores(labels, probabilities, threshold, weights, metrics, logits)

    point = scored(np.ones((1, len(labels)), np.uint8))
    sizes = np.bincount(members)
    if len(sizes) < FEWEST_GROUPS:
        return dict.fromkeys(point)
    drawn = scored(resampled_weights(len(labels), None if groups is None else members, rounds, seed))
    without = scored(_left_out(members, seed))
    scarcer = min(len(np.unique(members[labels == label])) for label in np.unique(labels))
    effective = float(sizes.sum() ** 2 / (sizes.astype(np.float64) ** 2).sum())  # as many groups of equal size
    intervals: dict[str, Interval | None] = {}
    for name, scores in point.items():
        if np.isnan(scores[0]) or np.isnan(drawn[name]).mean() >= _UNDEFINED:
            intervals[name] = None
        else:
            reach = _quantile(without[name], effective) * float(np.nanstd(drawn[name], ddof=1))
            intervals[name] = _interval(float(scores[0]), reach, scarcer, bounded=name != "loss")
    return intervals


def _left_out(members: Integers, seed: int) -> NDArray[np.uint8]:
    """Return [G, N] weights that leave out each group in turn; where there are very many, a bunch of groups."""
    count = int(members.max()) + 1
    bunches = np.random.default_rng(seed).permutation(count) % min(count, _MOST_BUNCHES)
    weights: NDArray[np.bool_] = bunches[members] != np.arange(min(count, _MOST_BUNCHES))[:, None]
    return weights.astype(np.uint8)


def _quantile(without: Floats, effective: float) -> float:
    """Return how many standard deviations of the bootstrap an interval reaches to each side.

    Args:
        without: [G] the score without each group; nan where that is undefined.
        effective: Groups of equal size that would say as much.
    """
    from scipy.special import stdtrit  # noqa: PLC0415  # half a second to import

    defined = without[~np.isnan(without)]
    shares = (defined - defined.mean()) ** 2
    most = max(effective - 1, 2.0)
    if shares.sum() == 0:
        freedom = most
    else:
        uneven = float((shares**2).sum() / shares.sum() ** 2 - 1 / len(shares))  # 2 / G where deviations are normal
        freedom = float(np.clip(2 / max(uneven, 1e-9), 2.0, most))
    return float(stdtrit(freedom, 0.5 + LEVEL / 2)) * float(np.sqrt((most + 1) / most))


def _interval(score: float, reach: float, scarcer: int, *, bounded: bool) -> Interval:
    """Return the interval of one metric.

    Args:
        score: Of the articles themselves.
        reach: How far the interval would reach to each side on the score's own scale.
        scarcer: Groups that have an article of the scarcer class.
        bounded: Whether the score is within [0, 1].
    """
    if bounded and min(score, 1 - score) < _PERFECT:
        # All resamples agree; what is rarer than this would hardly have shown in so many groups.
        hidden = 1 - (0.5 - LEVEL / 2) ** (1 / scarcer)
        return (0.0, hidden) if score < _PERFECT else (1 - hidden, 1.0)
    if reach == 0:
        return score, score
    if not bounded:
        factor = float(np.exp(reach / score))
        return score / factor, score * factor
    ends = log_odds(score) + np.array([-1.0, 1.0]) * reach / (score * (1 - score))
    low, high = sigmoid(ends)
    return float(low), float(high)
