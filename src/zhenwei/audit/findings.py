"""Findings of an audit: one per check, with its threshold and what a page needs to show it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Status = Literal["good", "warn", "fail"]
Cell = str | int | float | None

_ORDER: tuple[Status, ...] = ("good", "warn", "fail")


@dataclass(frozen=True)
class Table:
    """Examples or counts.

    Attributes:
        caption: What the rows are, in a few words.
        columns: Column names.
        rows: Cells; a float is a share or score, and is shown with three digits.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Plot:
    """A plot of a finding.

    Attributes:
        kind: `bars` for categories, `lines` for an ordered axis, such as months.
        title: Title.
        x: Names along the horizontal axis, in order.
        y_label: Name of the vertical axis.
        series: A value for each of `x`, by the name of the series; None: no value.
        thresholds: Values to mark by a horizontal line, by the name of the line, such as {"warn": 0.1}.
    """

    kind: Literal["bars", "lines"]
    title: str
    x: tuple[str, ...]
    y_label: str
    series: Mapping[str, tuple[float | None, ...]]
    thresholds: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Finding:
    """Result of one check.

    Attributes:
        check: Name of the check, as in JSON: `duplicates_across`.
        title: Name for people: "Exact duplicates across parts".
        status: `good`, `warn` or `fail`.
        summary: One sentence with the figures: "val: 109 of 1,918 articles (5.7%) are exact copies of a train
            article".
        threshold: The values that warn and fail: "warn above 0%, fail from 5%".
        value: The value that was compared with the threshold; None if there was nothing to check.
        advice: What to do; empty if the status is good.
        tables: Examples and counts.
        plots: Plots.
        normalized_status: Status of the same check on the texts after `data.normalize`; None if the status is good, or
            the check does not depend on the wording.
    """

    check: str
    title: str
    status: Status
    summary: str
    threshold: str
    value: float | None = None
    advice: str = ""
    tables: tuple[Table, ...] = ()
    plots: tuple[Plot, ...] = ()
    normalized_status: Status | None = None


@dataclass(frozen=True)
class AuditedPart:
    """One file that was audited.

    Attributes:
        name: `train`, `val` or `test`, or the file's stem if files were given one by one.
        path: The file.
        sha256: Digest of the file.
        n: Number of articles.
        n_fake: Number of fake articles.
        n_labeled: Number of articles with a label.
    """

    name: str
    path: str
    sha256: str
    n: int
    n_fake: int
    n_labeled: int


@dataclass(frozen=True)
class AuditReport:
    """All findings about some files of articles, in the order of the checks."""

    parts: tuple[AuditedPart, ...]
    findings: tuple[Finding, ...]
    version: str
    seconds: float

    @property
    def status(self) -> Status:
        """The worst status of all findings."""
        return max((finding.status for finding in self.findings), key=_ORDER.index, default="good")

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON data."""
        return {"status": self.status, **asdict(self)}
