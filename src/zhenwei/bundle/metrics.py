"""The metrics of the field, from labels and probabilities.

The trainer chooses the best epoch by them, and `zhenwei.evaluation` builds on them.
"""

import numpy as np
from numpy.typing import NDArray

from zhenwei.bundle.predict_logits import mean_cross_entropy, sigmoid
from zhenwei.errors import TrainingError

SPAUC_MAX_FPR = 0.1
CALIBRATION_BINS = 10
CLASSES = ("real", "fake")

Scores = dict[str, float | int | None]


def binary_metrics(labels: NDArray[np.int64], probabilities: NDArray[np.float64], threshold: float = 0.5) -> Scores:
    """Return the metrics of probabilities of fake, given the labels.

    Args:
        labels: [N] of 0 (real) or 1 (fake).
        probabilities: [N] of fake, within [0, 1].
        threshold: An article is classified as fake from this probability on.

    Returns:
        `n` and `n_fake`; `auc`; `spauc` (partial AUC up to a false-positive rate of 0.1, standardised: McClish,
        1989); `metric` = `macro_f1`; `f1_*`, `recall*`, `precision*` per class and their means; `acc`; `ece`
        (10 bins of equal width over the probability of fake) and `brier`. A metric that is undefined with one
        class alone is None; a class that is present but never predicted has precision 0.

    Raises:
        ValueError: If the arrays differ in length, or are empty.
    """
    from sklearn.metrics import roc_auc_score  # noqa: PLC0415  # a second to import; detectors load without it

    if labels.shape != probabilities.shape or labels.size == 0:
        raise ValueError(f"labels {labels.shape} and probabilities {probabilities.shape}: expected equal, not empty")
    verdicts = (probabilities >= threshold).astype(np.int64)
    both = bool(np.unique(labels).size == len(CLASSES))
    scores: Scores = {
        "n": int(labels.size),
        "n_fake": int(labels.sum()),
        "auc": float(roc_auc_score(labels, probabilities)) if both else None,
        "spauc": float(roc_auc_score(labels, probabilities, max_fpr=SPAUC_MAX_FPR)) if both else None,
    }
    scores |= _per_class(labels, verdicts, both)
    scores["acc"] = float((labels == verdicts).mean())
    scores["ece"] = expected_calibration_error(labels, probabilities)
    scores["brier"] = float(np.mean((probabilities - labels) ** 2))
    return scores


def metrics_from_logits(labels: NDArray[np.int64], logits: NDArray[np.float64], threshold: float = 0.5) -> Scores:
    """Return the metrics of the field, and the mean cross-entropy as `loss`.

    Args:
        labels: [N] of 0 or 1.
        logits: [N] log odds of the probabilities of fake.
        threshold: An article is classified as fake from this probability on.

    Raises:
        TrainingError: If a logit is not finite.
    """
    check_finite(logits)
    scores = binary_metrics(labels, sigmoid(logits), threshold)
    return {**scores, "loss": mean_cross_entropy(labels.astype(np.float64), logits)}


def check_finite(logits: NDArray[np.float64]) -> None:
    """Check that all logits are finite.

    Raises:
        TrainingError: If one of them is not finite.
    """
    n_bad = int((~np.isfinite(logits)).sum())
    if n_bad:
        raise TrainingError(f"{n_bad} of {logits.size} articles have no finite logit")


def _per_class(labels: NDArray[np.int64], verdicts: NDArray[np.int64], both: bool) -> Scores:
    """Return F1, recall and precision per class and their means; None for a class without articles."""
    from sklearn.metrics import precision_recall_fscore_support  # noqa: PLC0415

    columns = precision_recall_fscore_support(labels, verdicts, labels=[0, 1], zero_division=0.0)
    present = [bool((labels == target).any()) for target in range(len(CLASSES))]
    scores: Scores = {}
    for name, values in zip(("f1", "recall", "precision"), columns[2::-1], strict=True):
        scores["macro_f1" if name == "f1" else name] = float(np.mean(values)) if both else None
        for target, label in enumerate(CLASSES):
            scores[f"{name}_{label}"] = float(values[target]) if present[target] else None
    return {"metric": scores["macro_f1"], **scores}


def expected_calibration_error(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], bins: int = CALIBRATION_BINS
) -> float:
    """Return the mean gap between probability and share of fakes over bins of equal width (Guo et al., ICML 2017).

    Args:
        labels: [N] of 0 or 1.
        probabilities: [N] of fake.
        bins: Number of bins.
    """
    bin_numbers = np.minimum((probabilities * bins).astype(np.int64), bins - 1)  # [N]
    probability_sums = np.bincount(bin_numbers, weights=probabilities, minlength=bins)
    fakes = np.bincount(bin_numbers, weights=labels, minlength=bins)
    return float(np.abs(probability_sums - fakes).sum() / labels.size)
