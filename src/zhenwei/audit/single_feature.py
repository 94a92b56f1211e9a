"""Rules of a single feature: fit one on some articles, and evaluate its predictions on others."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zhenwei.audit.significance import macro_f1, macro_f1_lower_bound
from zhenwei.audit.thresholds import ALPHA

Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]

_MIN_PER_LABEL = 5  # articles of each label, to fit a rule or to evaluate it


@dataclass(frozen=True)
class FeatureSplit:
    """The articles on which the rule of a feature is fitted, and those on which it is evaluated.

    Attributes:
        fit: Rows with a label.
        evaluate: Rows with a label.
        name: Name of the rows to evaluate on: `val`.
        same: Whether the two are the same. Then the feature is chosen by its score on the articles that evaluate it,
            and every feature counts as a comparison.
    """

    fit: Rows
    evaluate: Rows
    name: str
    same: bool = False


@dataclass(frozen=True)
class FeatureScore:
    """Score of the rule of a single feature.

    Attributes:
        name: The feature.
        rule: The rule: "there: real, else fake".
        fit_score: Macro-F1 on the articles on which it was fitted.
        score: Macro-F1 on the articles on which it is evaluated.
        lower_bound: Lower confidence bound of `score`, corrected for the number of comparisons.
    """

    name: str
    rule: str
    fit_score: float
    score: float
    lower_bound: float


def choose_split(
    names: list[str], part: Rows, targets: NDArray[np.int8], groups: Rows | None = None
) -> FeatureSplit | None:
    """Fit on the first part, and evaluate on the next one with enough of both labels; else on the first itself.

    Args:
        names: Names of the parts.
        part: [N] part of each article.
        targets: [N] 0, 1, or -1 if there is no label.
        groups: [N] group of near-duplicates. If given and there is no second part, rules are fitted on one half of
            the first part and evaluated on the other, and no group is split. This is for rules with many free choices,
            which would fit any articles.

    Returns:
        None if there are not enough labeled articles.
    """
    first = np.flatnonzero((part == 0) & (targets >= 0))
    for number in range(1, len(names)):
        rows = np.flatnonzero((part == number) & (targets >= 0))
        if _enough(targets[rows]) and _enough(targets[first]):
            return FeatureSplit(first, rows, names[number])
    if groups is None:
        return FeatureSplit(first, first, names[0], same=True) if _enough(targets[first]) else None
    draws = np.random.default_rng(0).random(int(groups.max(initial=-1)) + 1)
    held_out = draws[groups[first]] < 0.5
    if _enough(targets[first[held_out]]) and _enough(targets[first[~held_out]]):
        return FeatureSplit(first[~held_out], first[held_out], f"a held-out half of {names[0]}")
    return None


def score_feature(
    name: str, rule: str, fit_score: float, predictions: Mask, targets: NDArray[np.int8], n_comparisons: int
) -> FeatureScore:
    """Evaluate predictions.

    Args:
        name: The feature.
        rule: The rule, in words.
        fit_score: Macro-F1 on the articles on which it was fitted.
        predictions: [M] whether the rule predicts fake.
        targets: [M] 0 or 1.
        n_comparisons: Number of features that are evaluated on these articles.
    """
    counts = confusion(predictions, targets)
    lower_bound = macro_f1_lower_bound(counts, n_comparisons, ALPHA)
    return FeatureScore(name, rule, fit_score, float(macro_f1(*np.array(counts, float))), lower_bound)


def score_presence(
    name: str, fit_score: float, means_fake: bool, present: Mask, targets: NDArray[np.int8], n_comparisons: int
) -> FeatureScore:
    """Evaluate the rule that a feature means fake, or else real; [M] whether articles have it."""
    rule = "present: fake, else real" if means_fake else "present: real, else fake"
    return score_feature(name, rule, fit_score, present == means_fake, targets, n_comparisons)


def confusion(predictions: Mask, targets: NDArray[np.int8]) -> tuple[int, int, int, int]:
    """Count the fakes predicted fake and predicted real, then the real articles predicted fake and predicted real."""
    fake_as_fake, real_as_fake = (int(predictions[targets == target].sum()) for target in (1, 0))
    n_fake = int((targets == 1).sum())
    return fake_as_fake, n_fake - fake_as_fake, real_as_fake, len(targets) - n_fake - real_as_fake


def presence_scores(fake: Floats, real: Floats, n_fake: int, n_real: int) -> tuple[Floats, Mask]:
    """Score the rules "present: fake" and "present: real" of G binary features.

    Args:
        fake: [G] number of fake articles with each feature.
        real: [G] number of real articles with each feature.
        n_fake: Number of fake articles.
        n_real: Number of real articles.

    Returns:
        [G] macro-F1 of the better of both rules, and [G] whether that is "present: fake".
    """
    as_fake = macro_f1(fake, n_fake - fake, real, n_real - real)
    as_real = macro_f1(n_fake - fake, fake, n_real - real, real)
    return np.maximum(as_fake, as_real), as_fake >= as_real


@dataclass(frozen=True)
class ThresholdRule:
    """Predict one label for values of at least `cut`, and the other label below.

    Attributes:
        cut: The threshold.
        fake_above: Whether the prediction is fake from the threshold on.
        score: Macro-F1 on the articles on which it was fitted.
    """

    cut: float
    fake_above: bool
    score: float

    @classmethod
    def fit(cls, values: Floats, targets: NDArray[np.int8]) -> "ThresholdRule":
        """Find the threshold of the best macro-F1.

        Args:
            values: [N] values of a feature.
            targets: [N] 0 or 1.
        """
        cuts, index = np.unique(values, return_inverse=True)
        size = len(cuts)
        # Number of articles of each label with at least the value of each cut.
        fake = np.bincount(index[targets == 1], minlength=size)[::-1].cumsum()[::-1].astype(np.float64)
        real = np.bincount(index[targets == 0], minlength=size)[::-1].cumsum()[::-1].astype(np.float64)
        scores, fake_above = presence_scores(fake, real, int(fake[0]), int(real[0]))
        best = int(scores.argmax())
        return cls(float(cuts[best]), bool(fake_above[best]), float(scores[best]))

    def predict(self, values: Floats) -> Mask:
        """Return [M] whether the prediction is fake."""
        return np.asarray((values >= self.cut) == self.fake_above, bool)

    def __str__(self) -> str:
        above, below = ("fake", "real") if self.fake_above else ("real", "fake")
        return f"from {self.cut:g}: {above}, else {below}"


def _enough(targets: NDArray[np.int8]) -> bool:
    return min(int((targets == 0).sum()), int((targets == 1).sum())) >= _MIN_PER_LABEL
