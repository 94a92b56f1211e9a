"""The threshold that serves a goal best."""

import numpy as np
from numpy.typing import NDArray

from zhenwei.config import ThresholdGoal
from zhenwei.errors import DataError

Floats = NDArray[np.float64]

CANDIDATES = 1000
ROUNDS = 200  # resamples over which the curve of scores is averaged
_LARGEST = 20_000_000  # weights of all rounds together; more articles get fewer rounds, and need fewer
_SLACK = 1e-12  # a precision of exactly what is asked for is enough, whatever the last bit says


def choose_threshold(labels: NDArray[np.int64], probabilities: Floats, goal: ThresholdGoal, weights: Floats) -> float:
    """Return the threshold that serves a goal best.

    A macro-F1 or a cost is averaged over resamples of the articles before the best is taken: the highest point of a
    single ragged curve is mostly chance. Precision and recall are those of the articles themselves.

    Args:
        labels: [N] of 0 (real) or 1 (fake), both there.
        probabilities: [N] of fake.
        goal: What the threshold is for.
        weights: [N] how much each article counts.

    Raises:
        DataError: If no threshold reaches the goal.
    """
    order = np.argsort(probabilities, kind="stable")
    labels, values, weights = labels[order], probabilities[order], weights[order]
    cuts = _cuts(values)  # from this place on, articles are called fake
    thresholds = _between(values, cuts)
    if goal.kind in ("macro_f1", "cost"):
        resampled = weights * _draws(len(labels))  # [R, N]
        found, missed, alarms, passed = _counts(labels, resampled, cuts)  # each [R, C]
        if goal.kind == "cost":
            merit = -(goal.value * missed + alarms)
        else:
            fake, real = (2 * right / (2 * right + missed + alarms + 1e-12) for right in (found, passed))
            merit = (fake + real) / 2
        return float(thresholds[int(np.argmax(merit.mean(axis=0)))])
    found, missed, alarms, _ = (counts[0] for counts in _counts(labels, weights[None], cuts))
    recall = found / (found + missed)
    precision = found / np.maximum(found + alarms, _SLACK)
    held, sought = (precision, recall) if goal.kind == "precision" else (recall, precision)
    good = held >= goal.value - _SLACK
    if not good.any():
        raise DataError(
            f"no threshold reaches a {goal.kind} of {goal.value:g} on fakes: the highest is {held.max():.3f}; "
            "ask for less"
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


def _draws(n: int) -> Floats:
    """Return how often each article is drawn in each of some resamples [R, N]; the same at every call."""
    rounds = max(10, min(ROUNDS, _LARGEST // n))
    return np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=rounds).astype(np.float64)


def _counts(labels: NDArray[np.int64], weights: Floats, cuts: NDArray[np.int64]) -> tuple[Floats, ...]:
    """Return fakes found, fakes missed, false alarms and real ones passed at each cut, each [R, C]."""
    sides = []
    for target in (1, 0):
        sums = np.cumsum(np.where(labels == target, weights, 0.0), axis=1)  # [R, N]
        before = np.where(cuts > 0, sums[:, np.maximum(cuts - 1, 0)], 0.0)
        sides.append((sums[:, -1:] - before, before))
    (found, missed), (alarms, passed) = sides
    return found, missed, alarms, passed
