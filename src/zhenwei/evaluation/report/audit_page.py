"""The page about an audit: the finding of each check with its threshold, examples and charts."""

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from zhenwei.audit.findings import AuditReport, Finding, Status
from zhenwei.evaluation.report.pages import write_page
from zhenwei.evaluation.report.plots.audit import finding_chart
from zhenwei.evaluation.report.plots.svg import Chart
from zhenwei.evaluation.report.provenance import CitedFile

_HEADLINES: dict[Status, str] = {
    "good": "No finding that would inflate scores",
    "warn": "Check the warnings before training",
    "fail": "Not ready for training",
}
_RANK: dict[Status, int] = {"fail": 0, "warn": 1, "good": 2}  # the worst first


@dataclass(frozen=True)
class FindingView:
    """A finding with its charts."""

    finding: Finding
    charts: tuple[Chart, ...]


def write_audit_page(report: AuditReport, path: str | os.PathLike[str]) -> Path:
    """Write the page of an audit atomically.

    Args:
        report: The findings.
        path: The file to write; an older one is replaced.

    Returns:
        The file.

    Raises:
        ConfigError: If the file cannot be written.
    """
    views = [_view(finding, number) for number, finding in enumerate(report.findings)]
    problems = sorted(
        (view for view in views if view.finding.status != "good"), key=lambda view: _RANK[view.finding.status]
    )
    files = " ".join(shlex.quote(part.path) for part in report.parts)
    return write_page(
        "audit.html", path,
        report=report,
        problems=problems,
        passed=[view for view in views if view.finding.status == "good"],
        headline=_HEADLINES[report.status],
        anchors=[(f"check-{view.finding.check}", view.finding.title) for view in problems],
        files=tuple(CitedFile(part.name, part.path, part.sha256) for part in report.parts),
        counts={status: sum(finding.status == status for finding in report.findings) for status in _RANK},
        commands=(f"zhenwei data audit {files} --html {shlex.quote(Path(path).name)}",),
    )  # fmt: skip


def _view(finding: Finding, number: int) -> FindingView:
    charts = (finding_chart(plot, f"finding-{number}-{index}") for index, plot in enumerate(finding.plots))
    return FindingView(finding, tuple(chart for chart in charts if chart is not None))
