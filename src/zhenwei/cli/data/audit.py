"""`zhenwei data audit`: find leaks, shortcuts, drift and damage before training."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from zhenwei.cli.figures import JsonTarget, check_target, write_json

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from zhenwei.audit.findings import AuditReport, Finding, Status, Table

EXIT_FAILED = 1
EXAMPLES = 3  # table rows in the terminal; JSON and the page have all
STYLES: dict["Status", tuple[str, str]] = {
    "good": ("✔ good", "green"),
    "warn": ("⚠ warn", "yellow"),
    "fail": ("✘ fail", "red"),
}


def audit(
    paths: list[Path] = typer.Argument(
        metavar="DIR | FILE...",
        help="A folder with train, val and test, or files, of which the first is the training file.",
    ),
    html: Path | None = typer.Option(
        None, "--html", metavar="FILE", callback=check_target, help="Write an HTML page with plots and examples."
    ),
    json: str | None = JsonTarget,
    strict: bool = typer.Option(False, "--strict", help="Exit with status 1 if a check fails."),
) -> None:
    """Look for leaks, shortcuts, drift and damage: one good / warn / fail line per check, with its threshold."""
    from rich.console import Console

    from zhenwei.audit.audit import audit_files, named_parts

    report = audit_files(named_parts(paths), progress=True)
    write_json(report.to_dict(), json)
    if html is not None:
        from zhenwei.evaluation.report import write_audit_page

        write_audit_page(report, html)
    _print_report(report, Console(stderr=json == "-", soft_wrap=True, highlight=False))
    if html is not None:
        print(f"wrote {html}", file=sys.stderr if json == "-" else sys.stdout)
    if strict and report.status == "fail":
        raise typer.Exit(EXIT_FAILED)


def _print_report(report: "AuditReport", console: "Console") -> None:
    """Print the parts, one line per check, and the details of checks that are not good."""
    for part in report.parts:
        labelled = f"{part.n_fake:,} fake, {part.n_labeled - part.n_fake:,} real"
        unlabelled = f", {part.n - part.n_labeled:,} without a label" if part.n_labeled < part.n else ""
        console.print(f"{part.name}: {part.n:,} articles ({labelled}{unlabelled})", markup=False)
    console.print()
    for finding in report.findings:
        console.print(_line(finding))
    for finding in report.findings:
        if finding.status != "good":
            _print_details(finding, console)
    statuses = [finding.status for finding in report.findings]
    counts = ", ".join(f"{statuses.count(status)} {status}" for status in STYLES)
    console.print(f"\n{len(statuses)} checks: {counts} ({report.seconds:.1f} s)", markup=False)


def _line(finding: "Finding") -> "Text":
    from rich.text import Text  # not markup: posts and paths may contain brackets

    word, colour = STYLES[finding.status]
    return Text.assemble(
        (word, colour), "  ", (finding.title, "bold"), f": {finding.summary} ", (f"[{finding.threshold}]", "dim")
    )


def _print_details(finding: "Finding", console: "Console") -> None:
    from rich.text import Text

    word, colour = STYLES[finding.status]
    console.print(Text.assemble("\n", (word, colour), "  ", (finding.title, "bold"), f" ({finding.check})"))
    if finding.advice:
        console.print(Text(f"  what to do: {finding.advice}"))
    for table in finding.tables[:1]:
        console.print(Text(f"  {table.caption}:"))
        for row in table.rows[:EXAMPLES]:
            console.print(Text("    " + _row(table, row)))


def _row(table: "Table", row: tuple[str | int | float | None, ...]) -> str:
    """Format a row of a table in one line; numeric cells are labelled by their columns."""
    if table.columns[-1] == "text":
        part, number, label, text = row
        return f"{part} {number} ({label}): {text}"
    cells = zip(table.columns[1:], row[1:], strict=True)
    return f"{row[0]}: " + ", ".join(f"{name} {_format_number(value)}" for name, value in cells)


def _format_number(value: str | int | float | None) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3f}" if value >= 0.001 or value == 0 else f"{value:.1e}"
    return f"{value:,}" if isinstance(value, int) else value
