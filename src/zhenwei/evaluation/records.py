"""What is known of a detector after it was judged on a labelled file: the records that JSON and reports show."""

from dataclasses import asdict, dataclass, field
from typing import Any

Interval = tuple[float, float]  # low, high; 95%


@dataclass(frozen=True)
class Slice:
    """The scores of a part of the articles.

    Attributes:
        kind: `month`, `year`, `domain`, `length` or `entities`.
        name: Which: "2013-05", "健康", "51-100", "unseen in training".
        n: Articles.
        n_fake: Of these, fakes.
        scores: The field's metrics; None for what one class alone leaves undefined.
        intervals: 95% intervals of some of them; None where too few articles allow none.
    """

    kind: str
    name: str
    n: int
    n_fake: int
    scores: dict[str, float | int | None]
    intervals: dict[str, Interval | None]


@dataclass(frozen=True)
class ReliabilityBin:
    """Articles of like probability, and how many of them are fakes.

    Attributes:
        low: Least probability that belongs here.
        high: Where the next bin begins.
        n: Articles.
        probability: Their mean probability of fake.
        share: The share of fakes among them.
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
    """An article on whose wrong side the detector was, and how sure it was.

    Attributes:
        row: Its row in the file, from 1.
        id: Its id, where it has one.
        content: Its text.
        label: The truth, `real` or `fake`.
        probability: The detector's, of fake.
        time: As ISO 8601, where it has one.
        domain: Where it has one.
        words: The text cut into words, each with its attribution: how much the logit of fake falls when the word is
            taken out; positive: it spoke for fake. Empty where it was not looked for.
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
    """How many of the judged articles the detector has, more or less, seen in training.

    Attributes:
        train: The file of training articles.
        exact: Judged articles whose text is also a training article's.
        near: Judged articles with a near-duplicate in training, the exact copies among them.
        same_label: Of these, how many have the label of their nearest training article.
    """

    train: str
    exact: int
    near: int
    same_label: int


@dataclass(frozen=True)
class Evaluation:
    """A detector judged on a labelled file.

    Attributes:
        file: The file.
        n: Articles.
        n_fake: Of these, fakes.
        threshold: The detector's.
        calibration: How its probabilities were calibrated, in words; None: not at all.
        scores: The field's metrics, and `loss`.
        intervals: 95% bootstrap intervals of the metrics; None for what is undefined, or too few articles to tell.
        groups: Groups of near-duplicates that were resampled whole; None where articles were resampled one by one.
        rounds: Resamples.
        confusion: Articles by truth, then by verdict: `confusion["real"]["fake"]` are false alarms.
        ece_by_chance: The range in which the ECE of 95% of test sets would be if the probabilities were exactly right.
        reliability: Bins of like probability.
        slices: By month (or year), domain, length and entities, as far as the articles tell.
        mistakes: The worst ones, the surest first.
        overlap: With the training articles; None where those are not at hand.
        clean: Scores without the articles that have a near-duplicate in training: `n`, `n_fake`, `scores` and
            `intervals`; None where nothing is known of an overlap.
        warnings: What makes the scores less trustworthy, in sentences.
    """

    file: str
    n: int
    n_fake: int
    threshold: float
    calibration: str | None
    scores: dict[str, float | int | None]
    intervals: dict[str, Interval | None]
    groups: int | None
    rounds: int
    confusion: dict[str, dict[str, int]]
    ece_by_chance: Interval | None = None
    reliability: tuple[ReliabilityBin, ...] = ()
    slices: tuple[Slice, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    overlap: Overlap | None = None
    clean: dict[str, Any] | None = None
    warnings: tuple[str, ...] = field(default_factory=tuple)

    def to_dict(self) -> dict[str, Any]:
        """Return everything, ready for JSON: the metrics at the top level, the rest under its own names."""
        fields = asdict(self)
        scores = fields.pop("scores")
        return {**scores, **fields}
