"""The bootstrap: articles, or whole groups of them, drawn again and again, and the field's metrics of every draw.

A resample is kept as weights, how often each article was drawn, so that the articles are sorted by probability once
and a thousand resamples are scored by a few products and cumulative sums of matrices.
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
RANKED = frozenset({"auc", "spauc"})

_CELLS_AT_ONCE = 1_000_000  # rounds times articles: some 50 MB


def resampled_weights(n: int, groups: Integers | None, rounds: int, seed: int) -> Weights:
    """Draw articles with replacement, as many as there are; with groups, whole groups (the cluster bootstrap).

    Args:
        n: N, how many articles there are.
        groups: [N] number of each article's group, from 0, without gaps; None: each article is drawn by itself.
        rounds: R, how many times.
        seed: Equal seeds draw alike.

    Returns:
        [R, N] how often each article was drawn. A cluster bootstrap draws as many groups as there are, so that the
        number of articles varies.
    """
    generator = np.random.default_rng(seed)
    size = n if groups is None else int(groups.max(initial=-1)) + 1
    weights = np.empty((rounds, n), np.uint8)  # 255 draws of one group are as good as impossible
    for part in _chunks(rounds, size):
        count = part.stop - part.start
        drawn = generator.integers(0, size, (count, size)) + size * np.arange(count)[:, None]
        times = np.bincount(drawn.ravel(), minlength=count * size).reshape(count, size).astype(np.uint8)
        weights[part] = times if groups is None else times[:, groups]
    return weights


def resampled_scores(
    labels: Integers,
    probabilities: Floats,
    threshold: float,
    weights: NDArray[np.generic],
    metrics: Collection[str] | None = None,
    logits: Floats | None = None,
) -> dict[str, Floats]:
    """Score every resample as `training.metrics.binary_metrics` scores the articles themselves.

    Args:
        labels: [N] of 0 (real) or 1 (fake).
        probabilities: [N] of fake, within [0, 1].
        threshold: An article counts as fake from this probability on.
        weights: [R, N] how often each article counts in each resample; any numbers from 0 on.
        metrics: Which of `METRICS`; all, unless given.
        logits: [N] log odds of the probabilities, of which `loss` is made; without them there is no `loss`.

    Returns:
        [R] values of each metric; nan where a resample leaves it undefined, as where it has one class alone.

    Raises:
        ValueError: If a metric is none, or `loss` is asked for without logits.
    """
    wanted = [name for name in METRICS if name in metrics] if metrics is not None else list(METRICS)
    if metrics is not None and (unknown := {*metrics} - {*METRICS}):
        raise ValueError(f"metrics: found {', '.join(sorted(unknown))}; expected any of {', '.join(METRICS)}")
    if logits is None and "loss" in wanted:
        if metrics is not None:
            raise ValueError("loss: expected logits, too")
        wanted.remove("loss")
    order = np.argsort(-probabilities, kind="stable")
    labels, probabilities = labels[order], probabilities[order]
    starts = np.flatnonzero(np.diff(probabilities, prepend=np.inf))  # of each stretch of equal probabilities
    columns = _columns(labels, probabilities, threshold, None if logits is None else logits[order])
    scores = {name: np.empty(len(weights)) for name in wanted}
    for part in _chunks(len(weights), len(labels)):
        drawn = weights[part].astype(np.float64)[:, order]  # [r, N]
        found = _of_sums(drawn @ columns)
        if RANKED & scores.keys():
            found |= _of_ranks(drawn, labels, starts)
        for name, values in scores.items():
            values[part] = found[name]
    return scores


def _chunks(rounds: int, size: int) -> Iterator[slice]:
    """Cut rounds into stretches that are worked on at once."""
    step = max(1, _CELLS_AT_ONCE // max(size, 1))
    yield from (slice(start, min(start + step, rounds)) for start in range(0, rounds, step))


def _columns(labels: Integers, probabilities: Floats, threshold: float, logits: Floats | None) -> Floats:
    """Return [N, 6 + bins] what each article adds to the sums that `_of_sums` reads."""
    fake, called = labels == 1, probabilities >= threshold
    places = np.minimum((probabilities * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    gaps = np.zeros((len(labels), CALIBRATION_BINS))
    gaps[np.arange(len(labels)), places] = probabilities - labels
    losses = np.zeros(len(labels)) if logits is None else np.logaddexp(0.0, logits) - labels * logits
    counts = [fake & called, ~fake & called, fake & ~called, ~fake & ~called]
    return np.column_stack([*counts, (probabilities - labels) ** 2, losses, gaps]).astype(np.float64)


def _of_sums(sums: Floats) -> dict[str, Floats]:
    """Return the metrics that are made of sums over articles, from the sums [r, 6 + bins] of `_columns`."""
    hits, alarms, misses, passed, squares, losses = sums[:, :6].T
    total = hits + alarms + misses + passed
    scores: dict[str, Floats] = {}
    for label, right, wrong, lost in (("real", passed, misses, alarms), ("fake", hits, alarms, misses)):
        absent = right + lost == 0
        parts = {"precision": (right, wrong), "recall": (right, lost), "f1": (2 * right, wrong + lost)}
        for name, (part, rest) in parts.items():
            scores[f"{name}_{label}"] = np.where(absent, np.nan, _share(part, part + rest, empty=0.0))
    for name in ("precision", "recall", "f1"):
        mean = (scores[f"{name}_real"] + scores[f"{name}_fake"]) / 2
        scores["macro_f1" if name == "f1" else name] = mean
    scores["metric"] = scores["macro_f1"]
    scores["acc"] = _share(hits + passed, total)
    scores["ece"] = _share(np.abs(sums[:, 6:]).sum(axis=1), total)
    scores["brier"], scores["loss"] = _share(squares, total), _share(losses, total)
    return scores


def _share(part: Floats, whole: Floats, empty: float = np.nan) -> Floats:
    """Return part / whole, and `empty` where the whole is 0."""
    return np.divide(part, whole, out=np.full_like(part, empty), where=whole > 0)


def _of_ranks(drawn: Floats, labels: Integers, starts: Integers) -> dict[str, Floats]:
    """Return `auc` and `spauc`: areas under the ROC curve, which is drawn from stretch to stretch of equal probability.

    Args:
        drawn: [r, N] weights, in the order of falling probabilities.
        labels: [N].
        starts: [K] where each stretch begins.
    """
    fakes, everything = drawn * labels, drawn
    if len(starts) < len(labels):
        fakes, everything = (np.add.reduceat(values, starts, axis=1) for values in (fakes, everything))  # [r, K]
    reals = everything - fakes
    tops, ends = np.cumsum(fakes, axis=1), np.cumsum(reals, axis=1)
    n_fake, n_real = tops[:, -1:], ends[:, -1:]
    both = (n_fake > 0) & (n_real > 0)
    whole = np.where(both, n_fake * n_real, np.nan)[:, 0]
    area = np.einsum("rk,rk->r", reals, tops - fakes / 2) / whole
    # The part up to a false-positive rate: of the stretch that crosses it, what lies before.
    width = np.clip(SPAUC_MAX_FPR * n_real - (ends - reals), 0, reals)
    rise = np.divide(fakes * width, reals, out=np.zeros_like(fakes), where=reals > 0)
    part = np.einsum("rk,rk->r", width, tops - fakes + rise / 2) / whole
    least, most = SPAUC_MAX_FPR**2 / 2, SPAUC_MAX_FPR  # McClish, Medical Decision Making 1989
    return {"auc": area, "spauc": 0.5 * (1 + (part - least) / (most - least))}
