"""The data of a model card: the files of a detector, its scores, and the audit of its articles."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath, PureWindowsPath
from typing import TYPE_CHECKING, Any

from zhenwei.audit.findings import AuditReport

if TYPE_CHECKING:
    from zhenwei.bundle.bundle import Bundle

Interval = tuple[float, float]  # low, high; 95%

# How an evaluated part was also used to make the detector; see `PartScores.used_for`.
EPOCH_SELECTION, CALIBRATION = "select the epoch", "fit the threshold and the calibration"


@dataclass(frozen=True)
class DataFile:
    """A file of articles that the detector was made with.

    Attributes:
        part: `train`, `val` or `test`.
        name: File name, without its folder.
        sha256: Its digest; empty if unknown.
        n: Number of articles; None if unknown.
        n_fake: Number of fake articles.
        times: Days of the first and of the last article, as ISO 8601; None if no article has a time.
        n_undated: Number of articles without a time.
        domains: Number of articles of each domain, the largest first.
    """

    part: str
    name: str = ""
    sha256: str = ""
    n: int | None = None
    n_fake: int | None = None
    times: tuple[str, str] | None = None
    n_undated: int = 0
    domains: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class WorstSlice:
    """The slice of a part on which the detector has its lowest macro-F1.

    Attributes:
        kind: `domain`, `month`, `year`, `length` or `entities`.
        name: Name of the slice.
        n: Number of its articles.
        macro_f1: Its score.
        interval: 95%; None if there are too few articles.
        n_slices: Number of slices of this kind that were compared.
    """

    kind: str
    name: str
    n: int
    macro_f1: float
    interval: Interval | None
    n_slices: int


@dataclass(frozen=True)
class PartScores:
    """The scores of one part.

    Attributes:
        part: `val` or `test`.
        n: Number of articles; None if unknown.
        n_fake: Number of fake articles.
        scores: Metrics by name; None for an undefined one.
        intervals: 95% intervals of the metrics; empty if they were not computed.
        as_deployed: Whether the scores are of the calibrated probability at the detector's threshold; otherwise they
            are from before calibration, at 0.5.
        used_for: What else the part was used for, which makes its scores optimistic.
        near_duplicates: Number of articles with a near-duplicate among the training articles; None if unknown.
        without_duplicates: Number of the other articles, their macro-F1 and its interval; None if not computed.
        worst: The worst slice of each kind.
    """

    part: str
    n: int | None
    n_fake: int | None
    scores: Mapping[str, float | int | None]
    intervals: Mapping[str, Interval | None] = field(default_factory=dict)
    as_deployed: bool = False
    used_for: tuple[str, ...] = ()
    near_duplicates: int | None = None
    without_duplicates: tuple[int, float, Interval | None] | None = None
    worst: tuple[WorstSlice, ...] = ()

    @property
    def title(self) -> str:
        """Name of the part in prose."""
        return "validation" if self.part == "val" else self.part

    @property
    def has_intervals(self) -> bool:
        """Whether any metric has an interval."""
        return any(self.intervals.values())


@dataclass(frozen=True)
class CardFacts:
    """What a model card reports in addition to the bundle.

    Attributes:
        files: The files of train, val and test.
        scores: Scores of the evaluated parts.
        audit: Audit of exactly these files; None if there is none.
        audit_missing: Why there is no audit.
    """

    files: tuple[DataFile, ...]
    scores: tuple[PartScores, ...]
    audit: AuditReport | None = None
    audit_missing: str = (
        "this card was written at the end of training; where the articles are available, `zhenwei report RUN --audit` "
        "completes it"
    )

    def file(self, part: str) -> DataFile:
        """Return the file of a part; an empty description if it is unknown."""
        return next((file for file in self.files if file.part == part), DataFile(part))

    def has_scores(self, part: str) -> bool:
        """Return whether a part was evaluated."""
        return any(scores.part == part for scores in self.scores)

    def test_is_later(self) -> bool | None:
        """Return whether every test article is later than all of train and val; None if times are missing."""
        test, train, val = (self.file(part).times for part in ("test", "train", "val"))
        if test is None or train is None or val is None:
            return None
        return test[0] > max(train[1], val[1])


def facts_from_training(bundle: "Bundle") -> CardFacts:
    """Return what a bundle records about its training; reads no articles."""
    facts = bundle.facts
    val: dict[str, Any] = facts.get("val") or {}
    counts: dict[str, dict[str, Any]] = {
        "train": {"n": facts.get("n_train")},
        "val": {"n": facts.get("n_val"), "n_fake": val.get("n_fake")},
    }
    files = tuple(
        DataFile(part, file_name(file.get("path", "")), file.get("sha256", ""), **counts.get(part, {}))
        for part, file in (facts.get("files") or {"train": {}, "val": {}}).items()
    )
    used_for = () if facts.get("fitted") else (EPOCH_SELECTION,)
    return CardFacts(files, (PartScores("val", val.get("n"), val.get("n_fake"), val, used_for=used_for),))


def file_name(path: str) -> str:
    """Return the last component of a path of Windows or POSIX."""
    return PureWindowsPath(path).name if "\\" in path else PurePath(path).name
