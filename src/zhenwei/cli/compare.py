"""`zhenwei compare`: which detector is better, and whether the difference is real."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from zhenwei.cli.figures import JsonTarget, write_json

if TYPE_CHECKING:
    from zhenwei.evaluation.comparison.records import Comparison

WIDE = 110  # columns of a terminal that has room for the whole table
LEFT_OUT_OF_NARROW = ("runs", "test AUC", "val AUC", "minutes", "peak memory")


def compare(
    configs: list[str] = typer.Argument(
        metavar="CONFIG...",
        help="JSON files of settings, each with +endef behind it for the same detector debiased; finished runs; "
        "bundles.",
    ),
    seeds: str = typer.Option("5", help="How many trainings of each, from the first CONFIG's seed on; or 1,2,3."),
    out: Path = typer.Option(Path("runs/comparison"), help="Folder of the runs and the results."),
    overrides: list[str] = typer.Option(
        [], "--set", metavar="SECTION.KEY=VALUE", help="Change one setting of every CONFIG; repeatable."
    ),
    baseline: str | None = typer.Option(
        None, help="What the others must beat: a CONFIG, or none; TF-IDF with logistic regression unless given."
    ),
    jobs: int = typer.Option(1, help="Trainings at a time; they share the cores."),
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace the comparison in OUT."),
    json: str | None = JsonTarget,
) -> None:
    """Train each CONFIG over several seeds, judge all on the same articles, and say which differences are real.

    Run it again to go on where it was stopped.
    """
    from zhenwei.evaluation.comparison.compare import compare

    comparison = compare(
        configs, out, seeds=seeds, overrides=overrides, baseline=baseline, jobs=jobs, overwrite=overwrite
    )
    if json is not None:
        write_json(comparison.to_dict(), json)
    _print(comparison, out, stderr=json == "-")


def _print(comparison: "Comparison", out: Path, stderr: bool) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text  # plain: names may hold what rich would take for markup

    from zhenwei.evaluation.comparison.table import notes, table

    header, rows = table(comparison)
    console = Console(stderr=stderr)
    shown = Table(box=box.SIMPLE, padding=(0, 1, 0, 0))
    wide = console.width >= WIDE
    kept = [place for place, name in enumerate(header) if wide or name not in LEFT_OUT_OF_NARROW]
    for place in kept:
        shown.add_column(Text(header[place]), justify="right" if place else "left")
    for row in rows:
        shown.add_row(*(Text(row[place].replace(" [", "\n[")) for place in kept))
    console.print(shown)
    for note in notes(comparison):
        console.print(Text(note))
    for warning in comparison.warnings:
        console.print(Text(f"warning: {warning}"))
    console.print(Text(f"{out}: comparison.json, .csv, .md and .html"))
