"""The threshold that serves a objective best."""

import numpy as np
from numpy.typing import NDArray

from zhenwei.config import ThresholdObjective
from zhenwei.errors import DataError

Floats = NDArray[np.float64]

CANDIDATES = 1000
WINDOW = 0.05  # share of the candidates on either side over which a curve of scores is averaged
_SLACK = 1e-12  # a precision of exactly what is asked for is enough, whatever the last bit says


def choose_threshold(
    labels: NDArray[np.int64], probabilities: Floats, objective: ThresholdObjective, weights: Floats
) -> float:
    """Return the threshold that serves a objective best.

    The curve of macro-F1 or cost over the thresholds is averaged over neighbours before its best point is taken: the
    highest tooth of a ragged curve is mostly chance. Precision and recall are those of the articles themselves.

    Args:
        labels: [N] of 0 (real) or 1 (fake), both there.
        probabilities: [N] of fake.
        objective: What the threshold is for.
        weights: [N] how much each article counts.

    Raises:
        DataError: If no threshold reaches the objective.
    """
    order = np.argsort(probabilities, kind="stable")
    labels, values, weights = labels[order], probabilities[order], weights[order]
    cuts = _cuts(values)  # from this place on, articles are called fake
    thresholds = _between(values, cuts)
    found, missed, alarms, passed = _counts(labels, weights, cuts)  # each [C]
    if objective.kind == "cost":
        merit = -(objective.value * missed + alarms)
        if merit.max() < -objective.value * (found[0] + missed[0]):  # it costs least to call nothing fake
            return float((values[-1] + 1) / 2)
        return float(thresholds[int(np.argmax(_smooth(merit)))])
    if objective.kind == "macro_f1":
        wrong = missed + alarms
        fake, real = (2 * right / np.maximum(2 * right + wrong, _SLACK) for right in (found, passed))
        return float(thresholds[int(np.argmax(_smooth((fake + real) / 2)))])
    recall = found / (found + missed)
    precision = found / np.maximum(found + alarms, _SLACK)
    held, sought = (precision, recall) if objective.kind == "precision" else (recall, precision)
    good = held >= objective.value - _SLACK
    if not good.any():
        raise DataError(
            f"no threshold reaches a {objective.kind} of {objective.value:g} on fakes: the highest is "
            f"{held.max():.3f}; ask for less"
        )
    return float(thresholds[int(np.argmax(np.where(good, sought, -1.0)))])


def _cuts(values: Floats) -> NDArray[np.int64]:
    """Return the places at which the sorted probabilities can be parted, at most about a thousand of them."""
    places = np.concatenate([[0], np.flatnonzero(np.diff(values) > 0) + 1])
    if len(places) > CANDIDATES:
        places = places[np.unique(np.linspace(0, len(places) - 1, CANDIDATES).round().astype(np.int64))]
    return places.astype(np.int64)


def _between(values: Floats, cuts: NDArray[np.int64]) -> Floats:
    """Return thresholds halfway between the probabilities that each cut parts; the first cut calls all fake."""
    below = np.where(cuts > 0, values[np.maximum(cuts - 1, 0)], 0.0)
    middle = (below + values[cuts]) / 2
    return np.where(middle > below, middle, values[cuts])  # so near each other that there is nothing between


def _counts(labels: NDArray[np.int64], weights: Floats, cuts: NDArray[np.int64]) -> tuple[Floats, ...]:
    """Return fakes found, fakes missed, false alarms and real ones passed at each cut, each [C]."""
    sides = []
    for target in (1, 0):
        sums = np.concatenate([[0.0], np.cumsum(np.where(labels == target, weights, 0.0))])  # [N + 1]
        sides.append((sums[-1] - sums[cuts], sums[cuts]))
    (found, missed), (alarms, passed) = sides
    return found, missed, alarms, passed


def _smooth(curve: Floats) -> Floats:
    """Average each point of a curve [C] with its neighbours, as many on either side."""
    places = np.arange(len(curve))
    reach = np.minimum(int(WINDOW * len(curve)), np.minimum(places, places[::-1]))
    sums = np.concatenate([[0.0], np.cumsum(curve)])
    means: Floats = (sums[places + reach + 1] - sums[places - reach]) / (2 * reach + 1)
    return means
