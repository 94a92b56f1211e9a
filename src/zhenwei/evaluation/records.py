"""The record of an evaluation: what `zhenwei evaluate` writes as JSON and reports show."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from zhenwei.evaluation.predictions import FilePredictions

Interval = tuple[float, float]  # low and high end of a 95% interval


@dataclass(frozen=True)
class Slice:
    """Scores of a subset of the articles.

    Attributes:
        kind: `month`, `year`, `domain`, `length` or `entities`.
        name: The slice: "2013-05", "健康", "51-100", "unseen in training".
        n: Number of articles.
        n_fake: Number of fakes among them.
        scores: The field's metrics; None if a metric is undefined for one class alone.
        intervals: 95% intervals of some metrics; None if there are too few articles.
    """

    kind: str
    name: str
    n: int
    n_fake: int
    scores: dict[str, float | int | None]
    intervals: dict[str, Interval | None]


@dataclass(frozen=True)
class ReliabilityBin:
    """A bin of predicted probabilities, and the share of fakes in it.

    Attributes:
        low: Lower edge, inclusive.
        high: Upper edge, exclusive.
        n: Number of articles.
        probability: Mean predicted probability of fake.
        share: Share of fakes.
        interval: 95% interval of that share (Wilson).
    """

    low: float
    high: float
    n: int
    probability: float
    share: float
    interval: Interval


@dataclass(frozen=True)
class Mistake:
    """A misclassified article.

    Attributes:
        row: Row in the file, from 1.
        id: Id of the article, if it has one.
        content: Text of the article.
        label: The true label, `real` or `fake`.
        probability: Predicted probability of fake.
        time: ISO 8601, if the article has a time.
        domain: Domain, if the article has one.
        words: The words of the text, each with its attribution: how much the logit of fake falls without the word.
            Positive words are evidence for fake. Empty if attributions were not computed.
    """

    row: int
    id: str | None
    content: str
    label: str
    probability: float
    time: str | None = None
    domain: str | None = None
    words: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Overlap:
    """How many of the evaluated articles occur in the training articles.

    Attributes:
        train: The file of training articles.
        exact: Number of articles with the same text as a training article.
        near: Number of articles with a near-duplicate in training, including the exact copies.
        same_label: How many of these have the label of their nearest training article.
    """

    train: str
    exact: int
    near: int
    same_label: int


@dataclass(frozen=True)
class Evaluation:
    """The evaluation of a detector on a labelled file.

    Attributes:
        file: The file.
        n: Number of articles.
        n_fake: Number of fakes among them.
        n_unsure: Number of articles without a verdict; `scores` count them at the threshold.
        threshold: The detector's threshold.
        calibration: Description of the detector's calibration; None if it is not calibrated.
        scores: The field's metrics, and `loss`.
        confusion: Articles by label, then by verdict: `confusion["real"]["fake"]` counts the false alarms.
        reliability: Bins of predicted probability.
        intervals: 95% bootstrap intervals of the metrics; None if a metric is undefined or there are too few articles.
        groups: Number of groups of near-duplicates and rewrites, which are resampled as units; None if articles are
            resampled individually.
        n_contents: Number of articles if an original and its rewrites count as one; None without rewrites.
        rounds: Number of bootstrap resamples.
        ece_by_chance: 95% range of the ECE of test sets of this size if all probabilities are exactly right.
        slices: Scores by month (or year), domain, length and entities, where the articles have these fields.
        mistakes: The most confident mistakes, most confident first.
        overlap: Overlap with the training articles; None if they are not available.
        clean: Scores without the articles that have a near-duplicate in training: `n`, `n_fake`, `scores` and
            `intervals`; None if the overlap is unknown.
        decided: The same for the articles with a verdict; None if all have one, or without intervals.
        warnings: Sentences on what makes the scores less trustworthy.
        predictions: The predictions that the scores rest on; not part of the JSON.
    """

    file: str
    n: int
    n_fake: int
    n_unsure: int
    threshold: float
    calibration: str | None
    scores: dict[str, float | int | None]
    confusion: dict[str, dict[str, int]]
    reliability: tuple[ReliabilityBin, ...] = ()
    intervals: dict[str, Interval | None] = field(default_factory=dict)
    groups: int | None = None
    n_contents: int | None = None
    rounds: int = 0
    ece_by_chance: Interval | None = None
    slices: tuple[Slice, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    overlap: Overlap | None = None
    clean: dict[str, Any] | None = None
    decided: dict[str, Any] | None = None
    warnings: tuple[str, ...] = ()
    predictions: FilePredictions | None = field(default=None, repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form: the metrics at the top level, all other fields under their own names."""
        fields = asdict(replace(self, predictions=None))  # asdict copies: the articles would take long
        del fields["predictions"]
        return {**fields.pop("scores"), **fields}
