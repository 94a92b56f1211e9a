"""The records of a stress test: what `zhenwei stress` writes as JSON and reports show."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class FlipShare:
    """How many verdicts of one kind change after an edit.

    Attributes:
        n: Number of verdicts that change.
        of: Number of verdicts before the edit.
        share: n / of; None if `of` is 0.
        low: Low end of the 95% interval of the share (Wilson); None if `of` is 0.
        high: High end.
    """

    n: int
    of: int
    share: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class ScoreChange:
    """The paired change of a score: edited minus unedited, on the same articles.

    Attributes:
        points: 100 times the difference; None if the score is undefined.
        low: Low end of the 95% interval (bootstrap); None if there are too few articles.
        high: High end.
    """

    points: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class FlippedArticle:
    """An article whose verdict is right before an edit and wrong after it.

    Attributes:
        row: Row in the file, from 1.
        id: Id of the article, if it has one.
        label: The true label, `real` or `fake`; None for a pair without one.
        text: The text before the edit.
        edited: The text after the edit.
        probability: Probability of fake before the edit.
        edited_probability: Probability of fake after it.
    """

    row: int
    id: str | None
    label: str | None
    text: str
    edited: str
    probability: float
    edited_probability: float


@dataclass(frozen=True)
class EditResult:
    """What the edits of one family change.

    Attributes:
        name: Name of the family, or `pairs`.
        description: What the edit does.
        n_changed: Number of articles whose text changes.
        missed: Of the fakes that are called fake unedited, those that are not after the edit.
        false_alarms: Of the real articles that are not called fake unedited, those that are after the edit.
        to_fake: Number of articles, of any label, that are called fake only after the edit.
        to_real: Number of articles, of any label, that are called fake only before the edit.
        n_unsure: Number of articles without a verdict after the edit.
        macro_f1: Macro-F1 after the edit, of all articles at the threshold; None if it is undefined.
        auc: AUC after the edit; None if it is undefined.
        macro_f1_change: Its change from the unedited articles.
        auc_change: Its change from the unedited articles.
        examples: The articles with the largest change of log odds that makes a right verdict wrong.
    """

    name: str
    description: str
    n_changed: int
    missed: FlipShare
    false_alarms: FlipShare
    to_fake: int
    to_real: int
    n_unsure: int
    macro_f1: float | None
    auc: float | None
    macro_f1_change: ScoreChange
    auc_change: ScoreChange
    examples: tuple[FlippedArticle, ...] = ()


@dataclass(frozen=True)
class PairsResult:
    """The edits of a user: pairs of a text and its edited form.

    Attributes:
        file: The file of pairs.
        n: Number of pairs.
        unedited: `macro_f1` and `auc` of the unedited texts that have a label.
        result: What the edits change.
    """

    file: str
    n: int
    unedited: dict[str, float | None]
    result: EditResult

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"file": self.file, "n": self.n, "unedited": self.unedited, **asdict(self.result)}


@dataclass(frozen=True)
class StressResult:
    """The stress test of a detector.

    Attributes:
        run: The run or the bundle.
        file: The file of labelled articles; None if only pairs are tested.
        seed: Seed of the edits.
        n: Number of articles.
        unedited: `macro_f1` and `auc` of the unedited articles.
        families: The families of edits, in their order.
        pairs: The user's own edits; None without them.
    """

    run: str
    file: str | None
    seed: int
    n: int
    unedited: dict[str, float | None]
    families: tuple[EditResult, ...]
    pairs: PairsResult | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "run": self.run,
            "file": self.file,
            "seed": self.seed,
            "n": self.n,
            "unedited": self.unedited,
            "families": [asdict(family) for family in self.families],
            "pairs": None if self.pairs is None else self.pairs.to_dict(),
        }
