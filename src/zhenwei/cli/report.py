"""`zhenwei report`: write the page of a run."""

from pathlib import Path

import typer


def report(
    run: Path = typer.Argument(help="A run's folder; or a bundle, with --html."),
    data: list[Path] = typer.Option(
        [],
        "--data",
        metavar="FILE",
        help="Labeled articles to evaluate on, instead of the run's val and test; repeatable.",
    ),
    audit: bool = typer.Option(False, "--audit", help="Audit the run's articles as well."),
    stress: bool = typer.Option(False, "--stress", help="Test the detector on harmless edits of the last file, too."),
    html: Path | None = typer.Option(
        None, "--html", metavar="FILE", help="The page to write; default: report.html in the run's folder."
    ),
    device: str = typer.Option("auto", help="auto, cpu, cuda, cuda:N or mps."),
    rounds: int = typer.Option(1000, min=100, help="Bootstrap samples for the intervals."),
) -> None:
    """Write the page of RUN: scores with intervals, slices, calibration, mistakes, training, how to reproduce."""
    from zhenwei.evaluation.report.report_run import report_run

    page = report_run(run, data=data, audit=audit, stress=stress, html=html, device=device, rounds=rounds)
    typer.echo(f"wrote {page}")
