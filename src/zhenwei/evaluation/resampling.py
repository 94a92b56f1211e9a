"""The bootstrap: resamples of articles, or of groups of them, and the field's metrics of every resample.

A resample is represented by weights: how often each article is drawn. The articles are sorted by probability once, and
a thousand resamples are scored by a few matrix products and cumulative sums.
"""

from collections.abc import Collection, Iterator

import numpy as np
from numpy.typing import NDArray

from zhenwei.bundle.metrics import CALIBRATION_BINS, SPAUC_MAX_FPR

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Weights = NDArray[np.uint8]

METRICS = (
    *("auc", "spauc", "metric", "macro_f1", "f1_real", "f1_fake", "recall", "recall_real", "recall_fake"),
    *("precision", "precision_real", "precision_fake", "acc", "ece", "brier", "loss"),
)
RANK_METRICS = frozenset({"auc", "spauc"})

_CHUNK_CELLS = 1_000_000  # resamples times articles in one chunk: some 50 MB


def resampled_weights(n: int, groups: Integers | None, rounds: int, seed: int) -> Weights:
    """Draw articles with replacement; with groups, draw whole groups (cluster bootstrap).

    Args:
        n: N, the number of articles.
        groups: [N] index of each article's group, from 0, without gaps; None: articles are drawn individually.
        rounds: R, the number of resamples.
        seed: Equal seeds give equal resamples.

    Returns:
        [R, N] how often each article is drawn. A resample has as many groups as the original, so that its number of
        articles varies.
    """
    generator = np.random.default_rng(seed)
    size = n if groups is None else int(groups.max(initial=-1)) + 1
    weights = np.empty((rounds, n), np.uint8)  # drawing one group more than 255 times has no practical probability
    for chunk in _chunks(rounds, size):
        count = chunk.stop - chunk.start
        drawn = generator.integers(0, size, (count, size)) + size * np.arange(count)[:, None]
        times = np.bincount(drawn.ravel(), minlength=count * size).reshape(count, size).astype(np.uint8)
        weights[chunk] = times if groups is None else times[:, groups]
    return weights


def resampled_scores(
    labels: Integers,
    probabilities: Floats,
    threshold: float,
    weights: NDArray[np.generic],
    metrics: Collection[str] | None = None,
    logits: Floats | None = None,
) -> dict[str, Floats]:
    """Score every resample as `bundle.metrics.binary_metrics` scores the articles themselves.

    Args:
        labels: [N], 0 (real) or 1 (fake).
        probabilities: [N] probabilities of fake, within [0, 1].
        threshold: Articles with at least this probability count as fake.
        weights: [R, N] weight of each article in each resample; at least 0.
        metrics: A subset of `METRICS`; all by default, `loss` only with logits.
        logits: [N] log odds of the probabilities; required for `loss`.

    Returns:
        [R] values of each metric; nan where a resample leaves it undefined, for example with a single class.

    Raises:
        ValueError: If a metric is unknown, or `loss` is requested without logits.
    """
    if metrics is None:
        metrics = [name for name in METRICS if name != "loss" or logits is not None]
    if unknown := {*metrics} - {*METRICS}:
        raise ValueError(f"metrics: found {', '.join(sorted(unknown))}; expected any of {', '.join(METRICS)}")
    if logits is None and "loss" in metrics:
        raise ValueError("loss: expected logits, too")
    order = np.argsort(-probabilities, kind="stable")
    labels, probabilities = labels[order], probabilities[order]
    starts = np.flatnonzero(np.diff(probabilities, prepend=np.inf))  # of each run of equal probabilities
    terms = _terms(labels, probabilities, threshold, None if logits is None else logits[order])
    scores = {name: np.empty(len(weights)) for name in METRICS if name in metrics}
    for chunk in _chunks(len(weights), len(labels)):
        drawn = weights[chunk].astype(np.float64)[:, order]  # [r, N]
        values = _sum_metrics(drawn @ terms)
        if RANK_METRICS & scores.keys():
            values |= _rank_metrics(drawn, labels, starts)
        for name, column in scores.items():
            column[chunk] = values[name]
    return scores


def _chunks(rounds: int, size: int) -> Iterator[slice]:
    """Split the resamples into chunks that fit into memory."""
    step = max(1, _CHUNK_CELLS // max(size, 1))
    yield from (slice(start, min(start + step, rounds)) for start in range(0, rounds, step))


def _terms(labels: Integers, probabilities: Floats, threshold: float, logits: Floats | None) -> Floats:
    """Return [N, 6 + bins]: what each article adds to the sums of `_sum_metrics`."""
    fake, predicted_fake = labels == 1, probabilities >= threshold
    bins = np.minimum((probabilities * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    gaps = np.zeros((len(labels), CALIBRATION_BINS))
    gaps[np.arange(len(labels)), bins] = probabilities - labels
    losses = np.zeros(len(labels)) if logits is None else np.logaddexp(0.0, logits) - labels * logits
    counts = [fake & predicted_fake, ~fake & predicted_fake, fake & ~predicted_fake, ~fake & ~predicted_fake]
    return np.column_stack([*counts, (probabilities - labels) ** 2, losses, gaps]).astype(np.float64)


def _sum_metrics(sums: Floats) -> dict[str, Floats]:
    """Return the metrics that follow from sums over articles: [r, 6 + bins], the sums of `_terms`."""
    tp, fp, fn, tn, squares, losses = sums[:, :6].T
    total = tp + fp + fn + tn
    scores: dict[str, Floats] = {}
    for label, hits, false_hits, missed in (("real", tn, fn, fp), ("fake", tp, fp, fn)):
        absent = hits + missed == 0
        parts = {"precision": (hits, false_hits), "recall": (hits, missed), "f1": (2 * hits, false_hits + missed)}
        for name, (part, rest) in parts.items():
            scores[f"{name}_{label}"] = np.where(absent, np.nan, _divide(part, part + rest, empty=0.0))
    for name in ("precision", "recall", "f1"):
        mean = (scores[f"{name}_real"] + scores[f"{name}_fake"]) / 2
        scores["macro_f1" if name == "f1" else name] = mean
    scores["metric"] = scores["macro_f1"]
    scores["acc"] = _divide(tp + tn, total)
    scores["ece"] = _divide(np.abs(sums[:, 6:]).sum(axis=1), total)
    scores["brier"], scores["loss"] = _divide(squares, total), _divide(losses, total)
    return scores


def _divide(part: Floats, whole: Floats, empty: float = np.nan) -> Floats:
    """Return part / whole, and `empty` where the whole is 0."""
    return np.divide(part, whole, out=np.full_like(part, empty), where=whole > 0)


def _rank_metrics(drawn: Floats, labels: Integers, starts: Integers) -> dict[str, Floats]:
    """Return `auc` and `spauc`: areas under the ROC curve, with one segment per run of equal probabilities.

    Args:
        drawn: [r, N] weights, by descending probability.
        labels: [N].
        starts: [K] index of the first article of each run of equal probabilities.
    """
    fakes, everything = drawn * labels, drawn
    if len(starts) < len(labels):
        fakes, everything = (np.add.reduceat(values, starts, axis=1) for values in (fakes, everything))  # [r, K]
    reals = everything - fakes
    true_positives, false_positives = np.cumsum(fakes, axis=1), np.cumsum(reals, axis=1)
    n_fake, n_real = true_positives[:, -1:], false_positives[:, -1:]
    both = (n_fake > 0) & (n_real > 0)
    total = np.where(both, n_fake * n_real, np.nan)[:, 0]
    area = np.einsum("rk,rk->r", reals, true_positives - fakes / 2) / total
    # The area up to the maximum false-positive rate: the segment that crosses it counts up to there.
    width = np.clip(SPAUC_MAX_FPR * n_real - (false_positives - reals), 0, reals)
    rise = np.divide(fakes * width, reals, out=np.zeros_like(fakes), where=reals > 0)
    part = np.einsum("rk,rk->r", width, true_positives - fakes + rise / 2) / total
    least, most = SPAUC_MAX_FPR**2 / 2, SPAUC_MAX_FPR  # McClish, Medical Decision Making 1989
    return {"auc": area, "spauc": 0.5 * (1 + (part - least) / (most - least))}
