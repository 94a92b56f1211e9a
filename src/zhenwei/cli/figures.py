"""Output of results: tables for the terminal, JSON for programs."""

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from zhenwei.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console, JustifyMethod
    from rich.table import Table

Target = TypeVar("Target", str | None, Path | None)

HEADLINES = ("n", "macro_f1", "auc", "spauc", "f1_real", "f1_fake", "acc", "ece", "brier")  # JSON has all metrics


def check_target(param: typer.CallbackParam, target: Target) -> Target:
    """Refuse a file that cannot be written before hours of work instead of after them."""
    if target is None or target == "-":
        return target
    path, option = Path(target), param.opts[0]
    if path.is_dir():
        dash = ", or -" if isinstance(target, str) else ""
        raise ConfigError(f"{option}: {path} is a folder; expected the name of a file{dash}")
    if not path.parent.is_dir():
        raise ConfigError(f"{option}: there is no folder {path.parent} to write {path.name} into")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise ConfigError(f"{option}: {path} cannot be written: permission denied")
    return target


JsonTarget = typer.Option(
    None,
    "--json",
    metavar="FILE",
    callback=check_target,
    help="Output JSON file; `-` for standard output, where nothing else is printed then.",
)


def write_json(value: Any, target: str | None) -> None:
    """Write a value as JSON, in UTF-8, to a file, to standard output for `-`, or nowhere for None."""
    if target is None:
        return
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if target == "-":
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode("utf-8"))
        sys.stdout.buffer.flush()
    else:
        from zhenwei.atomic import atomic_file

        with atomic_file(Path(target)) as temporary:
            temporary.write_text(text, encoding="utf-8")


def print_scores(columns: Mapping[str, Mapping[str, Any]], title: str, json_target: str | None) -> None:
    """Print the main scores, one column per set of articles; to standard error if JSON takes standard output."""
    rows = [[key, *(format_value(column[key]) for column in columns.values())] for key in HEADLINES]
    _print(title, make_table(["score", *columns], rows), stderr=json_target == "-")


def print_rows(header: Sequence[str], rows: Sequence[Sequence[str]], title: str) -> None:
    """Print a table of text."""
    _print(title, make_table(header, rows, justify="left"), stderr=False)


def make_table(
    header: Iterable[str], rows: Iterable[Iterable[str]], justify: "JustifyMethod" = "right", **options: Any
) -> "Table":
    """Return a table of text; `justify` aligns all columns but the first, `options` are those of rich's table."""
    from rich.table import Table

    table = Table(**options)
    for index, name in enumerate(header):
        table.add_column(name, justify=justify if index else "left")
    for row in rows:
        table.add_row(*row)
    return table


def plain_console(stderr: bool) -> "Console":
    """Return a console that prints strings as they are: posts and paths may contain rich's markup."""
    from rich.console import Console

    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)


def format_value(value: float | None) -> str:
    """Format a metric: a count in full, a score with four digits."""
    if value is None:
        return "undefined"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"


def _print(title: str, table: "Table", stderr: bool) -> None:
    """Print a title and a table; a title inside the table would be wrapped to the table's width."""
    console = plain_console(stderr)
    console.print(title, soft_wrap=True)
    console.print(table)
