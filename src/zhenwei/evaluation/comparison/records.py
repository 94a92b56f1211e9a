"""What a comparison of detectors is made of: the records that JSON and reports show."""

from dataclasses import asdict, dataclass
from typing import Any

Interval = tuple[float, float]  # low, high; 95%


@dataclass(frozen=True)
class ComparedRun:
    """One training of a detector.

    Attributes:
        seed: Its seed.
        folder: Its run folder.
        scores: By part (`val`, `test`): the field's metrics at the detector's threshold.
        seconds: Wall-clock time of the training; None where it was loaded.
        peak_memory: Most resident memory of its process, in bytes; None where it was loaded.
        loaded: Whether a finished run was found and taken as it is.
    """

    seed: int
    folder: str
    scores: dict[str, dict[str, float | int | None]]
    seconds: float | None
    peak_memory: int | None
    loaded: bool


@dataclass(frozen=True)
class Summary:
    """A score of a detector over its runs.

    Attributes:
        mean: Over the runs.
        deviation: Standard deviation over the runs; None for a single run.
        interval: 95%, over articles and seeds.
    """

    mean: float | None
    deviation: float | None
    interval: Interval | None


@dataclass(frozen=True)
class ComparedDetector:
    """A detector and its runs.

    Attributes:
        name: As the table calls it: `bigru-endef`.
        config: Its settings in canonical form, but for the seed.
        runs: One for each seed.
        summaries: By part, then by metric (`macro_f1`, `auc`, `spauc`, `acc`, `f1_fake`, `ece`, `brier`).
    """

    name: str
    config: dict[str, Any]
    runs: tuple[ComparedRun, ...]
    summaries: dict[str, dict[str, Summary]]


@dataclass(frozen=True)
class Difference:
    """A paired comparison of two detectors on the same articles: first minus second.

    Attributes:
        part: `val` or `test`.
        metric: Which score.
        first: Name of a detector.
        second: Name of another.
        difference: Of the means over runs.
        interval: 95%, over articles and seeds.
        p: Two-sided, of no difference.
        p_holm: The same, corrected for all pairs of the table (Holm, 1979).
        significant: Whether p_holm is below 0.05.
    """

    part: str
    metric: str
    first: str
    second: str
    difference: float
    interval: Interval
    p: float
    p_holm: float
    significant: bool


@dataclass(frozen=True)
class ComparedPart:
    """Articles on which detectors are compared.

    Attributes:
        name: `val`, the past that chose the epochs, or `test`, the future.
        file: Where they are.
        n: Articles.
        n_fake: Of these, fakes.
        n_groups: Groups of near-duplicates, which are resampled whole.
    """

    name: str
    file: str
    n: int
    n_fake: int
    n_groups: int


@dataclass(frozen=True)
class Comparison:
    """Detectors compared on the same articles.

    Attributes:
        detectors: In the order of the table: as they were given, the baseline last.
        differences: All pairs with the baseline, and all neighbours in rank.
        parts: What they were judged on.
        seeds: Of the runs.
        baseline: Name of the detector that the others must beat: `tfidf`.
        command: How to do it again.
        versions: Of zhenwei, Python, torch and the machine, for the record.
        warnings: What makes the figures less trustworthy, in sentences.
    """

    detectors: tuple[ComparedDetector, ...]
    differences: tuple[Difference, ...]
    parts: tuple[ComparedPart, ...]
    seeds: tuple[int, ...]
    baseline: str
    command: str
    versions: dict[str, str]
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return everything, ready for JSON."""
        return asdict(self)
