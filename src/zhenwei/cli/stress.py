"""`zhenwei stress`: how harmless edits of the articles change a detector's verdicts."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from zhenwei.cli.figures import JsonTarget, format_value, make_table, plain_console, write_json
from zhenwei.cli.run import Run, folder_of

if TYPE_CHECKING:
    from rich.console import Console

    from zhenwei.evaluation.stress.records import EditResult, FlipShare, ScoreChange, StressResult

HEADER = ("edit", "edited", "fakes missed", "95%", "real called fake", "95%", "macro-F1", "points", "AUC", "points")
MAX_CHARACTERS = 120  # of a text in the terminal


def stress(
    run: str = Run,
    file: Path | None = typer.Argument(None, help="Labelled articles: .json, .jsonl, .csv or .parquet."),
    family: list[str] = typer.Option(
        [], "--family", metavar="NAME", help="Family of edits; repeatable. Default: all, listed in docs/stress.md."
    ),
    pairs: Path | None = typer.Option(
        None, metavar="FILE", help="Your own edits: rows with content, edited, and optionally label and id."
    ),
    seed: int = typer.Option(0, min=0, help="Seed of the edits."),
    examples: int = typer.Option(1, min=0, max=6, metavar="N", help="Show N examples of each family."),
    device: str = typer.Option("auto", help="auto, cpu, cuda, cuda:N or mps."),
    json: str | None = JsonTarget,
) -> None:
    """Edit the articles of FILE without changing what they say, and count the verdicts of RUN that change."""
    from zhenwei.evaluation.stress import stress_files
    from zhenwei.inference.detector import load_detector

    bundle = load_detector(folder_of(run))
    result = stress_files(bundle, file, families=family, pairs=pairs, seed=seed, run=run, device=device)
    write_json(result.to_dict(), json)
    _print(result, plain_console(stderr=json == "-"), examples)


def _print(result: "StressResult", console: "Console", examples: int) -> None:
    """Print a table of all edits, then the worst examples."""
    results = list(result.families)
    rows = []
    if result.file is not None:
        console.print(f"{result.run} on {result.file}: {result.n:,} articles, seed {result.seed}", soft_wrap=True)
        unedited = result.unedited
        scores = [format_value(unedited["macro_f1"]), "", format_value(unedited["auc"]), ""]
        rows.append(["(unedited)", *[""] * 5, *scores])
    rows += [_row(each) for each in results]
    if result.pairs is not None:
        results.append(result.pairs.result)
        rows.append(_row(result.pairs.result))
    console.print(make_table(HEADER, rows))
    if result.pairs is not None:
        own = result.pairs
        console.print(
            f"pairs: {own.n:,} of {own.file}; verdicts that change: {own.result.to_real:,} from fake, "
            f"{own.result.to_fake:,} to fake",
            soft_wrap=True,
        )
    console.print(
        "fakes missed: of the fakes called fake unedited; real called fake: of the real articles not called fake "
        "unedited. Points: change of the score, times 100."
    )
    for each in results:
        for line in _examples(each, examples):
            console.print(line)


def _row(result: "EditResult") -> list[str]:
    return [
        result.name, f"{result.n_changed:,}",
        *_format_share(result.missed), *_format_share(result.false_alarms),
        format_value(result.macro_f1), _format_change(result.macro_f1_change),
        format_value(result.auc), _format_change(result.auc_change),
    ]  # fmt: skip


def _format_share(share: "FlipShare") -> tuple[str, str]:
    """Return the count with its percentage, and the interval in percent."""
    if share.share is None or share.low is None or share.high is None:
        return "-", ""
    return f"{share.n:,} ({share.share:.1%})", f"{100 * share.low:.1f}-{100 * share.high:.1f}%"


def _format_change(change: "ScoreChange") -> str:
    return "" if change.points is None else f"{change.points:+.1f}"


def _examples(result: "EditResult", count: int) -> Iterator[str]:
    """Yield the heading and the texts of the worst examples."""
    for example in result.examples[:count]:
        label = "" if example.label is None else f", {example.label}"
        yield (
            f"{result.name}, row {example.row}{label}: probability of fake {example.probability:.3f} -> "
            f"{example.edited_probability:.3f}"
        )
        yield f"  {_excerpt(example.text, example.edited)}"
        yield f"  {_excerpt(example.edited, example.text)}"


def _excerpt(text: str, other: str) -> str:
    """Return a text on one line, from a little before its first difference from another text."""
    same = next((i for i, (a, b) in enumerate(zip(text, other, strict=False)) if a != b), min(len(text), len(other)))
    start = max(0, min(same - MAX_CHARACTERS // 2, len(text) - MAX_CHARACTERS))
    part = " ".join("".join(c if c.isprintable() else "·" for c in text[start : start + MAX_CHARACTERS]).split())
    return f"{'…' if start else ''}{part}{'…' if start + MAX_CHARACTERS < len(text) else ''}"
