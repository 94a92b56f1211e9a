"""Figures for people (tables) and for programs (JSON)."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

JsonTarget = typer.Option(
    None, "--json", metavar="FILE", help="Write the figures as JSON; `-`: to standard output, and nothing else there."
)


def write_json(value: Any, target: str) -> None:
    """Write figures as JSON to a file, or to standard output for `-`."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if target == "-":
        sys.stdout.write(text)
    else:
        Path(target).write_text(text, encoding="utf-8")


def print_scores(columns: Mapping[str, Mapping[str, Any]], title: str, json_target: str | None) -> None:
    """Print scores side by side, one column per set of articles; to standard error where JSON has the other."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    table.add_column("score")
    for name in columns:
        table.add_column(name, justify="right")
    for key in next(iter(columns.values())):
        values = [column.get(key) for column in columns.values()]
        if all(value is None or isinstance(value, int | float) for value in values):
            table.add_row(key, *[_shown(value) for value in values])
    Console(stderr=json_target == "-").print(table)


def print_rows(header: Sequence[str], rows: Sequence[Sequence[str]], title: str, stderr: bool = False) -> None:
    """Print a plain table of text."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*header, title=title, title_justify="left")
    for row in rows:
        table.add_row(*row)
    Console(stderr=stderr).print(table)


def _shown(value: float | None) -> str:
    if value is None:
        return "undefined"
    return str(value) if isinstance(value, int) else f"{value:.4f}"
