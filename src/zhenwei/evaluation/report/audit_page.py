"""The page about an audit: the finding of each check with its threshold, examples and charts."""

import os
import shlex
from pathlib import Path

from zhenwei.audit.findings import AuditReport
from zhenwei.evaluation.report.pages import write_page
from zhenwei.evaluation.report.plots.audit import finding_chart
from zhenwei.evaluation.report.provenance import CitedFile


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
    charts = {
        finding.check: [finding_chart(plot, f"finding-{number}-{index}") for index, plot in enumerate(finding.plots)]
        for number, finding in enumerate(report.findings)
    }
    files = " ".join(shlex.quote(part.path) for part in report.parts)
    return write_page(
        "audit.html", path,
        report=report,
        charts=charts,
        files=[CitedFile(part.name, part.path, part.sha256) for part in report.parts],
        commands=[f"zhenwei data audit {files} --html {shlex.quote(Path(path).name)}"],
    )  # fmt: skip
