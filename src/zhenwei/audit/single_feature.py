"""How a single feature is tried: a rule is fitted on some articles, and its verdicts are scored on others."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zhenwei.audit.significance import macro_f1, macro_f1_low
from zhenwei.audit.thresholds import ALPHA

Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]

_LEAST_OF_A_LABEL = 5  # articles of each label, to fit a rule on or to judge it by


@dataclass(frozen=True)
class Trial:
    """Which articles a feature's rule is fitted on, and which it is judged by.

    Attributes:
        fit: Rows with a label.
        judge: Rows with a label.
        on: What the latter are, in words: `val`.
        same: Whether the two are the same: then every feature was looked at on the articles that judge it, and each
            counts as a look.
    """

    fit: Rows
    judge: Rows
    on: str
    same: bool = False


@dataclass(frozen=True)
class Shortcut:
    """A feature that was tried.

    Attributes:
        name: The feature.
        rule: What it says: "there: real, else fake".
        fitted: Its macro-F1 where it was fitted.
        score: Its macro-F1 where it is judged.
        low: What that is at least, chance and the choice among others allowed for.
    """

    name: str
    rule: str
    fitted: float
    score: float
    low: float


def choose_trial(names: list[str], part: Rows, targets: NDArray[np.int8], groups: Rows | None = None) -> Trial | None:
    """Fit on the first part, and judge on the next one that has enough of both labels; else on the first itself.

    Args:
        names: Of the parts.
        part: [N] part of each article.
        targets: [N] 0, 1, or -1 where the label is not known.
        groups: [N] group of near-duplicates: instead of the whole first part, one half of it is fitted on, and the
            other is judged by, with no group parted. For rules of many choices, which fit any articles.

    Returns:
        None where there are not enough labelled articles.
    """
    first = np.flatnonzero((part == 0) & (targets >= 0))
    for number in range(1, len(names)):
        rows = np.flatnonzero((part == number) & (targets >= 0))
        if _enough(targets[rows]) and _enough(targets[first]):
            return Trial(first, rows, names[number])
    if groups is None:
        return Trial(first, first, names[0], same=True) if _enough(targets[first]) else None
    chance = np.random.default_rng(0).random(int(groups.max(initial=-1)) + 1)
    held = chance[groups[first]] < 0.5
    if _enough(targets[first[held]]) and _enough(targets[first[~held]]):
        return Trial(first[~held], first[held], f"a held half of {names[0]}")
    return None


def judged(name: str, rule: str, fitted: float, verdicts: Mask, targets: NDArray[np.int8], looks: int) -> Shortcut:
    """Score verdicts.

    Args:
        name: The feature.
        rule: What it says.
        fitted: The score where it was fitted.
        verdicts: [M] whether it calls the article fake.
        targets: [M] 0 or 1.
        looks: How many features are judged beside it.
    """
    fake = targets == 1
    cells = (
        int((verdicts & fake).sum()),
        int((~verdicts & fake).sum()),
        int((verdicts & ~fake).sum()),
        int((~verdicts & ~fake).sum()),
    )
    score = float(macro_f1(*(np.array(float(cell)) for cell in cells)))
    return Shortcut(name, rule, fitted, score, macro_f1_low(cells, looks, ALPHA))


def presence_scores(fake: Floats, real: Floats, n_fake: int, n_real: int) -> tuple[Floats, Mask]:
    """Score features that are there or not, by how many fakes and real articles have them; both ways to read them.

    Returns:
        [G] the better macro-F1, and [G] whether it calls those fake that have the feature.
    """
    as_fake = macro_f1(fake, n_fake - fake, real, n_real - real)
    as_real = macro_f1(n_fake - fake, fake, n_real - real, real)
    return np.maximum(as_fake, as_real), as_fake >= as_real


@dataclass(frozen=True)
class ThresholdRule:
    """Articles whose value is at least `cut` are fake, or real.

    Attributes:
        cut: The value.
        fake_above: Whether they are fake.
        score: Macro-F1 where it was fitted.
    """

    cut: float
    fake_above: bool
    score: float

    @classmethod
    def fit(cls, values: Floats, targets: NDArray[np.int8]) -> "ThresholdRule":
        """Find the cut of the best macro-F1.

        Args:
            values: [N] of a number of each article.
            targets: [N] 0 or 1.
        """
        cuts, place = np.unique(values, return_inverse=True)
        size = len(cuts)
        # How many of each label have at least the value of each cut.
        fake = np.bincount(place[targets == 1], minlength=size)[::-1].cumsum()[::-1].astype(np.float64)
        real = np.bincount(place[targets == 0], minlength=size)[::-1].cumsum()[::-1].astype(np.float64)
        scores, fake_above = presence_scores(fake, real, int(fake[0]), int(real[0]))
        best = int(scores.argmax())
        return cls(float(cuts[best]), bool(fake_above[best]), float(scores[best]))

    def verdicts(self, values: Floats) -> Mask:
        """Return [M] which articles it calls fake."""
        return np.asarray((values >= self.cut) == self.fake_above, bool)

    def __str__(self) -> str:
        above, below = ("fake", "real") if self.fake_above else ("real", "fake")
        return f"from {self.cut:g}: {above}, else {below}"


def _enough(targets: NDArray[np.int8]) -> bool:
    return min(int((targets == 0).sum()), int((targets == 1).sum())) >= _LEAST_OF_A_LABEL
