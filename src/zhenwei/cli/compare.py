"""`zhenwei compare`: compare detectors on the same articles, with significance tests."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from zhenwei.cli.figures import JsonTarget, make_table, plain_console, write_json

if TYPE_CHECKING:
    from zhenwei.evaluation.comparison.records import Comparison

MIN_WIDTH = 110  # terminal columns that the whole table needs
NARROW_OMITS = ("runs", "test AUC", "val AUC", "minutes", "peak memory")


def compare(
    configs: list[str] = typer.Argument(
        metavar="CONFIG...",
        help="Settings files or presets, optionally with +endef for the detector with ENDEF; finished runs; bundles.",
    ),
    seeds: str = typer.Option("5", help="Number of seeds, from the first CONFIG's seed on; or a list: 1,2,3."),
    out: Path = typer.Option(Path("runs/comparison"), help="Folder of the runs and the results."),
    overrides: list[str] = typer.Option(
        [], "--set", metavar="SECTION.KEY=VALUE", help="Change one setting of every CONFIG; repeatable."
    ),
    baseline: str | None = typer.Option(
        None, help="Baseline: a CONFIG, or none; by default TF-IDF with logistic regression."
    ),
    jobs: int = typer.Option(1, help="Parallel training runs; they share the cores."),
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace the comparison in OUT."),
    stress: bool = typer.Option(False, "--stress", help="Test every run on harmless edits of the last part, too."),
    json: str | None = JsonTarget,
) -> None:
    """Train each CONFIG over several seeds, evaluate all on the same articles, and test the differences.

    Run it again to resume after an interruption.
    """
    from zhenwei.evaluation.compare import compare

    comparison = compare(
        configs, out, seeds=seeds, overrides=overrides, baseline=baseline, jobs=jobs, overwrite=overwrite,
        stress=stress,
    )  # fmt: skip
    write_json(comparison.to_dict(), json)
    _print(comparison, out, stderr=json == "-")


def _print(comparison: "Comparison", out: Path, stderr: bool) -> None:
    from rich import box

    from zhenwei.evaluation.comparison.table import main_table, notes

    header, rows = main_table(comparison)
    console = plain_console(stderr)
    columns = [
        index for index, name in enumerate(header) if console.width >= MIN_WIDTH or name not in NARROW_OMITS
    ]  # fmt: skip
    cells = [[row[index].replace(" [", "\n[") for index in columns] for row in rows]
    console.print(make_table([header[index] for index in columns], cells, box=box.SIMPLE, padding=(0, 1, 0, 0)))
    for line in (*notes(comparison), *(f"warning: {warning}" for warning in comparison.warnings)):
        console.print(line)
    console.print(f"{out}: comparison.json, .csv, .md and .html")
