"""Choosing the threshold that optimizes an objective."""

import numpy as np
from numpy.typing import NDArray

from zhenwei.config import ThresholdObjective
from zhenwei.errors import DataError

Floats = NDArray[np.float64]

CANDIDATES = 1000
WINDOW = 0.05  # share of the candidates on either side over which a curve of scores is averaged
_TOLERANCE = 1e-12  # for rounding errors: a precision equal to the target is high enough


def choose_threshold(
    labels: NDArray[np.int64], probabilities: Floats, objective: ThresholdObjective, weights: Floats
) -> float:
    """Return the best threshold for an objective.

    The curve of macro-F1 or cost over the thresholds is smoothed before its best point is taken: the maximum of a noisy
    curve is mostly chance. Precision and recall are not smoothed.

    Args:
        labels: [N] of 0 (real) or 1 (fake), with both present.
        probabilities: [N] of fake.
        objective: What the threshold optimizes.
        weights: [N] weight of each article.

    Raises:
        DataError: If no threshold reaches the objective.
    """
    order = np.argsort(probabilities, kind="stable")
    labels, values, weights = labels[order], probabilities[order], weights[order]
    cuts = _cuts(values)  # from this index on, articles are classified as fake
    thresholds = _thresholds(values, cuts)
    true_fakes, missed_fakes, false_alarms, true_reals = _counts(labels, weights, cuts)  # each [C]
    if objective.kind == "cost":
        score = -(objective.value * missed_fakes + false_alarms)
        if score.max() < -objective.value * (true_fakes[0] + missed_fakes[0]):  # cheapest: classify nothing as fake
            return float((values[-1] + 1) / 2)
        return float(thresholds[int(np.argmax(_smooth(score)))])
    if objective.kind == "macro_f1":
        errors = missed_fakes + false_alarms
        f1 = [2 * right / np.maximum(2 * right + errors, _TOLERANCE) for right in (true_fakes, true_reals)]
        return float(thresholds[int(np.argmax(_smooth((f1[0] + f1[1]) / 2)))])
    recall = true_fakes / (true_fakes + missed_fakes)
    precision = true_fakes / np.maximum(true_fakes + false_alarms, _TOLERANCE)
    constrained, maximized = (precision, recall) if objective.kind == "precision" else (recall, precision)
    allowed = constrained >= objective.value - _TOLERANCE
    if not allowed.any():
        raise DataError(
            f"no threshold reaches a {objective.kind} of {objective.value:g} on fakes: the highest is "
            f"{constrained.max():.3f}; ask for less"
        )
    return float(thresholds[int(np.argmax(np.where(allowed, maximized, -1.0)))])


def _cuts(values: Floats) -> NDArray[np.int64]:
    """Return the indices at which the sorted probabilities can be cut, at most about a thousand of them."""
    cuts = np.concatenate([[0], np.flatnonzero(np.diff(values) > 0) + 1])
    if len(cuts) > CANDIDATES:
        cuts = cuts[np.unique(np.linspace(0, len(cuts) - 1, CANDIDATES).round().astype(np.int64))]
    return cuts.astype(np.int64)


def _thresholds(values: Floats, cuts: NDArray[np.int64]) -> Floats:
    """Return thresholds halfway between the probabilities around each cut; the first classifies all as fake."""
    below = np.where(cuts > 0, values[np.maximum(cuts - 1, 0)], 0.0)
    middle = (below + values[cuts]) / 2
    return np.where(middle > below, middle, values[cuts])  # no number lies between them


def _counts(labels: NDArray[np.int64], weights: Floats, cuts: NDArray[np.int64]) -> tuple[Floats, ...]:
    """Return true fakes, missed fakes, false alarms and true reals at each cut, each [C]."""
    counts = []
    for target in (1, 0):
        sums = np.concatenate([[0.0], np.cumsum(np.where(labels == target, weights, 0.0))])  # [N + 1]
        counts.append((sums[-1] - sums[cuts], sums[cuts]))
    (true_fakes, missed_fakes), (false_alarms, true_reals) = counts
    return true_fakes, missed_fakes, false_alarms, true_reals


def _smooth(curve: Floats) -> Floats:
    """Average each point of a curve [C] over a window, centered on it."""
    index = np.arange(len(curve))
    reach = np.minimum(int(WINDOW * len(curve)), np.minimum(index, index[::-1]))
    sums = np.concatenate([[0.0], np.cumsum(curve)])
    means: Floats = (sums[index + reach + 1] - sums[index - reach]) / (2 * reach + 1)
    return means
