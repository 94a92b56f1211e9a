"""The page about an audit: what each check found, with its bound, its examples and its pictures."""

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from zhenwei.audit.findings import AuditReport, Finding, Status
from zhenwei.evaluation.report.pages import write_page
from zhenwei.evaluation.report.plots.audit import finding_picture
from zhenwei.evaluation.report.plots.svg import Picture
from zhenwei.evaluation.report.provenance import CitedFile

_HEADLINES: dict[Status, str] = {
    "good": "Nothing found that would flatter a detector",
    "warn": "Worth a look before training",
    "fail": "Not ready to train on",
}
_RANK: dict[Status, int] = {"fail": 0, "warn": 1, "good": 2}  # the worst first


@dataclass(frozen=True)
class FindingView:
    """A finding with its pictures."""

    finding: Finding
    pictures: tuple[Picture, ...]


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
    views = [_view(finding, number) for number, finding in enumerate(report.findings)]
    troubled = sorted(
        (view for view in views if view.finding.status != "good"), key=lambda view: _RANK[view.finding.status]
    )
    files = " ".join(shlex.quote(part.path) for part in report.parts)
    return write_page(
        "audit.html", path,
        report=report,
        troubled=troubled,
        fine=[view for view in views if view.finding.status == "good"],
        headline=_HEADLINES[report.status],
        anchors=[(f"check-{view.finding.check}", view.finding.title) for view in troubled],
        files=tuple(CitedFile(part.name, part.path, part.sha256) for part in report.parts),
        counts={status: sum(finding.status == status for finding in report.findings) for status in _RANK},
        commands=(f"zhenwei data audit {files} --html {shlex.quote(Path(path).name)}",),
    )  # fmt: skip


def _view(finding: Finding, number: int) -> FindingView:
    pictures = (finding_picture(plot, f"finding-{number}-{place}") for place, plot in enumerate(finding.plots))
    return FindingView(finding, tuple(picture for picture in pictures if picture is not None))
