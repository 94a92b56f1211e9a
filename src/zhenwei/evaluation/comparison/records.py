"""The records of a comparison: what `zhenwei compare` writes as JSON and reports show."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from statistics import mean
from typing import Any

Interval = tuple[float, float]  # low and high end of a 95% interval


@dataclass(frozen=True)
class ComparedRun:
    """A training run of a detector.

    Attributes:
        seed: Its seed.
        folder: Its run folder.
        scores: By part (`val`, `test`), the field's metrics at the detector's threshold.
        seconds: Wall-clock time of the training; None if it was trained elsewhere.
        peak_memory: Peak resident memory of its process, in bytes; None if it was trained elsewhere.
        loaded: Whether the run had finished before and was loaded.
    """

    seed: int
    folder: str
    scores: dict[str, dict[str, float | int | None]]
    seconds: float | None
    peak_memory: int | None
    loaded: bool


@dataclass(frozen=True)
class Summary:
    """A metric of a detector over its runs.

    Attributes:
        mean: Mean over the runs; None if the metric is undefined.
        deviation: Standard deviation over the runs; None for a single run.
        interval: 95% interval over articles and seeds; None if there are too few articles.
    """

    mean: float | None
    deviation: float | None
    interval: Interval | None


@dataclass(frozen=True)
class EditSummary:
    """Verdicts of a detector that change under a family of harmless edits; means over its runs.

    Attributes:
        family: Name of the family.
        missed: Of the fakes that are called fake unedited, the share that is missed after the edit; None if there
            are none.
        false_alarms: Of the real articles that are not called fake unedited, the share that is called fake after it.
    """

    family: str
    missed: float | None
    false_alarms: float | None


@dataclass(frozen=True)
class ComparedDetector:
    """A detector and its runs.

    Attributes:
        name: Name in the table: `bigru-endef`.
        config: Its settings in canonical form, without the seed.
        runs: One run per seed.
        summaries: By part, then by metric (`macro_f1`, `auc`, `spauc`, `acc`, `f1_fake`, `ece`, `brier`).
        edits: The stress test on the last part, by family; empty without one.
    """

    name: str
    config: dict[str, Any]
    runs: tuple[ComparedRun, ...]
    summaries: dict[str, dict[str, Summary]]
    edits: tuple[EditSummary, ...] = ()

    @property
    def seconds(self) -> float | None:
        """Mean duration of a training; None if all runs were trained elsewhere."""
        seconds = [run.seconds for run in self.runs if run.seconds is not None]
        return mean(seconds) if seconds else None

    @property
    def missed(self) -> float | None:
        """Mean over the families of edits of the share of caught fakes that are missed after the edit."""
        return _mean_of(edit.missed for edit in self.edits)

    @property
    def false_alarms(self) -> float | None:
        """Mean over the families of edits of the share of real articles that are called fake after the edit."""
        return _mean_of(edit.false_alarms for edit in self.edits)

    @property
    def peak_memory(self) -> int | None:
        """Largest memory of a training, in bytes; None if it is not known of any run."""
        return max((run.peak_memory for run in self.runs if run.peak_memory is not None), default=None)


@dataclass(frozen=True)
class Difference:
    """The paired difference of two detectors on the same articles: first minus second.

    Attributes:
        part: `val` or `test`.
        metric: The metric.
        first: Name of a detector.
        second: Name of another detector.
        difference: Difference of the means over the runs.
        interval: 95% interval over articles and seeds.
        p: Two-sided p-value of the hypothesis of no difference.
        p_holm: p-value corrected for the number of differences (Holm, 1979).
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
    """The articles of one part.

    Attributes:
        name: `val` (the past, which selected the epochs) or `test` (the future).
        file: Path of the file.
        n: Number of articles.
        n_fake: Number of fakes among them.
        n_groups: Number of near-duplicate groups, which are resampled as units.
    """

    name: str
    file: str
    n: int
    n_fake: int
    n_groups: int


@dataclass(frozen=True)
class Comparison:
    """A comparison of detectors on the same articles.

    Attributes:
        detectors: The detectors in the order of the arguments, the baseline last.
        differences: Each detector against the baseline, debiased against plain, and neighbors in rank.
        parts: The articles that they are evaluated on.
        seeds: Seeds of the runs.
        baseline: Name of the baseline; empty without one.
        command: The command that reproduces the comparison.
        versions: Versions of zhenwei, Python and torch, and the machine.
        warnings: Sentences on what makes the results less trustworthy.
    """

    detectors: tuple[ComparedDetector, ...]
    differences: tuple[Difference, ...]
    parts: tuple[ComparedPart, ...]
    seeds: tuple[int, ...]
    baseline: str
    command: str
    versions: dict[str, str]
    warnings: tuple[str, ...] = ()

    def difference_to_baseline(self, detector: str, part: str, metric: str) -> Difference | None:
        """Return detector minus baseline; None for the baseline, or if the difference is undefined."""
        for each in self.differences:
            if (each.part, each.metric, each.first, each.second) == (part, metric, detector, self.baseline):
                return each
            if (each.part, each.metric, each.first, each.second) == (part, metric, self.baseline, detector):
                low, high = each.interval
                return replace(
                    each, first=detector, second=self.baseline, difference=-each.difference, interval=(-high, -low)
                )
        return None

    def means(self, part: str, metric: str) -> dict[str, float]:
        """Return the mean of a metric by the name of each detector that has one."""
        summaries = {each.name: each.summaries.get(part, {}).get(metric) for each in self.detectors}
        return {name: each.mean for name, each in summaries.items() if each is not None and each.mean is not None}

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)


def _mean_of(shares: Iterable[float | None]) -> float | None:
    defined = [share for share in shares if share is not None]
    return mean(defined) if defined else None
