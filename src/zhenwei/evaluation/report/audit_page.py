"""The page about an audit: what each check found, with its bound, its examples and its pictures."""

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from zhenwei.evaluation.report.drawing import Picture
from zhenwei.evaluation.report.finding_plots import finding_picture
from zhenwei.evaluation.report.pages import write_page
from zhenwei.evaluation.report.provenance import CitedFile
from zhenwei.news.audit.findings import AuditReport, Finding, Status

_HEADLINES: dict[Status, str] = {
    "good": "Nothing found that would flatter a detector",
    "warn": "Worth a look before training",
    "fail": "Not ready to train on",
}
WORST_FIRST: tuple[Status, ...] = ("fail", "warn", "good")


@dataclass(frozen=True)
class FindingView:
    """A finding with its pictures."""

    finding: Finding
    pictures: tuple[Picture, ...]

    @property
    def is_told(self) -> bool:
        """Whether there is more to say of it than its line in the list of checks."""
        return self.finding.status != "good" or bool(self.pictures or self.finding.tables)


def write_audit_page(report: AuditReport, path: str | os.PathLike[str]) -> Path:
    """Write the page of an audit, whole or not at all.

    Args:
        report: What was found.
        path: The file to write; an older one is replaced.

    Returns:
        The file.

    Raises:
        ConfigError: If it cannot be written.
    """
    views = tuple(_view(finding, number) for number, finding in enumerate(report.findings))
    files = " ".join(shlex.quote(part.path) for part in report.parts)
    return write_page(
        "audit.html", path,
        report=report,
        views=views,
        headline=_HEADLINES[report.status],
        contents_of_findings=[(f"check-{each.check}", each.title) for each in report.findings if each.status != "good"],
        files=tuple(CitedFile(part.name, part.path, part.sha256) for part in report.parts),
        counts={status: sum(finding.status == status for finding in report.findings) for status in WORST_FIRST},
        commands=(f"zhenwei data audit {files} --html {shlex.quote(Path(path).name)}",),
    )  # fmt: skip


def _view(finding: Finding, number: int) -> FindingView:
    pictures = (finding_picture(plot, f"finding-{number}-{place}") for place, plot in enumerate(finding.plots))
    return FindingView(finding, tuple(picture for picture in pictures if picture is not None))
