"""What an audit finds: one finding per check, with its bound, and what a page needs to show it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Status = Literal["good", "warn", "fail"]
Cell = str | int | float | None

_ORDER: tuple[Status, ...] = ("good", "warn", "fail")


@dataclass(frozen=True)
class Table:
    """Rows for people to look at: examples, or counts.

    Attributes:
        caption: What the rows are, in a few words.
        columns: Their names.
        rows: Cells; a float is a share or score, and is shown with three digits.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Plot:
    """A picture of a finding.

    Attributes:
        kind: `bars` for categories, `lines` for what goes on over an ordered axis, such as months.
        title: What it shows.
        x: Names along the horizontal axis, in order.
        y_label: What the heights are.
        series: By name, a height for each of `x`; None: nothing to show there.
        bound: Heights to mark by a line, by the name of the line, such as {"warn": 0.1}.
    """

    kind: Literal["bars", "lines"]
    title: str
    x: tuple[str, ...]
    y_label: str
    series: Mapping[str, tuple[float | None, ...]]
    bound: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        check: Its name, as in JSON: `copies_across`.
        title: Its name for people: "Exact copies across parts".
        status: `good`, `warn` or `fail`.
        found: One sentence with the figures: "val: 109 of 1,918 articles (5.7%) are exact copies of a train article".
        bound: From where on it warns and fails: "warn above 0%, fail from 5%"; or why it could not be checked.
        value: The figure that was held against the bound; None where there was nothing to check.
        advice: What to do about it; empty where all is good.
        tables: Examples and counts.
        plots: Pictures.
    """

    check: str
    title: str
    status: Status
    found: str
    bound: str
    value: float | None = None
    advice: str = ""
    tables: tuple[Table, ...] = ()
    plots: tuple[Plot, ...] = ()


@dataclass(frozen=True)
class AuditedPart:
    """One file that was audited.

    Attributes:
        name: `train`, `val` or `test`, or the file's stem where files were given one by one.
        path: The file.
        sha256: Its digest, so that the audit can be cited with what it is about.
        n: Articles.
        n_fake: Of these, fakes.
        n_labelled: Articles that have a label.
    """

    name: str
    path: str
    sha256: str
    n: int
    n_fake: int
    n_labelled: int


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
        """Return everything, ready for JSON."""
        return {"status": self.status, **asdict(self)}
