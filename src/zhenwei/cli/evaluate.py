"""`zhenwei evaluate`: a trained detector judged on a labelled file, and how far the scores can be trusted."""

import csv as csv_format
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from zhenwei.cli.figures import JsonTarget, write_json
from zhenwei.cli.run import Precision, Run, folder_of
from zhenwei.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from zhenwei.evaluation.evaluate import JudgedFile
    from zhenwei.evaluation.records import Evaluation, Interval, Mistake, Slice

SLICES_SHOWN = 12  # of each kind on the terminal; JSON has all of them
TEXT_SHOWN = 400  # characters of a mistake


def _checked_file(file: Path | None) -> Path | None:
    """Refuse a place that cannot be written to before the work is done, not after."""
    if file is not None and (file.is_dir() or not file.parent.is_dir()):
        raise ConfigError(f"{file}: found no place to write to; expected the name of a file in a folder that is there")
    return file


def evaluate(
    run: str = Run,
    file: Path = typer.Argument(help="Labelled articles: .json, .jsonl, .csv or .parquet."),
    train: Path | None = typer.Option(
        None, help="What the detector was trained on, to find overlaps; unless given, as its bundle remembers it."
    ),
    mistakes: int = typer.Option(3, min=0, metavar="N", help="Show the N worst mistakes, half of each kind."),
    words: bool = typer.Option(True, help="Show in them the words that swayed the detector."),
    slices: bool = typer.Option(True, help="Show the scores by time, domain, length and entities."),
    rounds: int = typer.Option(1000, min=100, max=100_000, help="Resamples for the 95% intervals."),
    seed: int = typer.Option(0, min=0, help="Of the resamples."),
    device: str = typer.Option("auto", help="auto, cpu, cuda, cuda:N or mps."),
    precision: str = Precision,
    html: Path | None = typer.Option(
        None, metavar="FILE", callback=_checked_file, help="Write all that was found as one page that opens offline."
    ),
    csv: Path | None = typer.Option(
        None, metavar="FILE", callback=_checked_file, help="Write each article's probability and verdict."
    ),
    json: str | None = JsonTarget,
) -> None:
    """Judge FILE with the detector in RUN: scores with 95% intervals, by slices, and without what training knew."""
    from zhenwei.bundle.device import check_prediction_precision
    from zhenwei.evaluation import assess, judge_file
    from zhenwei.evaluation.evaluate import MISTAKES
    from zhenwei.inference.loading import load_detector

    check_prediction_precision(precision)
    bundle = load_detector(folder_of(run))
    judged = judge_file(bundle, file, device, precision)
    kept = max(mistakes, MISTAKES if html or json else 0)
    found = assess(bundle, judged, train=train, rounds=rounds, seed=seed, mistakes=kept, words=words)
    if csv is not None:
        write_verdicts(judged, csv)
    if html is not None:
        from zhenwei.evaluation.report import write_evaluation_page

        write_evaluation_page(found, html)
    if json is not None:
        write_json(found.to_dict(), json)
    print_evaluation(found, f"{run} on {file}", mistakes, slices, stderr=json == "-")


def write_verdicts(judged: "JudgedFile", path: Path) -> None:
    """Write a row for each article: its place in the file, id, label, verdict and probability of fake.

    Raises:
        DataError: If the file cannot be written; an older one is left as it was.
    """
    from zhenwei.atomic import atomic_file

    with atomic_file(path) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        writer = csv_format.writer(file)
        writer.writerow(("row", "id", "label", "verdict", "probability"))
        for row, (article, chance) in enumerate(zip(judged.articles, judged.probabilities, strict=True), start=1):
            verdict = "fake" if chance >= judged.threshold else "real"
            writer.writerow((row, article.id, article.label, verdict, f"{chance:.6f}"))


def print_evaluation(found: "Evaluation", title: str, mistakes: int, slices: bool, stderr: bool) -> None:
    """Print an assessment, its warnings first."""
    from rich.console import Console
    from rich.text import Text

    from zhenwei.evaluation.mistakes import half_of_each

    console = Console(stderr=stderr, highlight=False)
    for warning in found.warnings:
        console.print(Text(f"WARNING: {warning}", style="bold yellow"))
    console.print(Text(title))
    console.print(_scores(found))
    for line in _remarks(found):
        console.print(Text(line))
    if slices and found.slices:
        console.print(_slices(found.slices))
    places = half_of_each([mistake.label for mistake in found.mistakes], mistakes)
    if shown := [found.mistakes[place] for place in places]:
        console.print(Text(f"The {len(shown)} worst mistakes, by how sure the detector was:"))
        for mistake in shown:
            console.print(_mistake(mistake))


def _scores(found: "Evaluation") -> "RenderableType":
    """Return the table of scores, with those without near-duplicates of training articles beside them."""
    from rich.table import Table
    from rich.text import Text

    table = Table("score", caption=None)
    clean = found.clean if found.overlap is not None and found.overlap.near else None
    columns = {Path(found.file).name: (found.scores, found.intervals)}
    if clean is not None:
        columns["unlike training"] = (clean["scores"], clean["intervals"])
    for name in columns:
        table.add_column(Text(name), justify="right")
        table.add_column("95% interval", justify="right")
    for key in found.scores:
        cells = [
            cell for scores, intervals in columns.values() for cell in (_number(scores.get(key)), _span(intervals, key))
        ]
        table.add_row(key, *cells)
    table.add_row("threshold", _number(found.threshold))
    return table


def _number(value: float | None) -> str:
    if value is None:
        return "undefined"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"


def _span(intervals: dict[str, "Interval | None"], key: str, digits: int = 3) -> str:
    interval = intervals.get(key)
    return "" if interval is None else f"{interval[0]:.{digits}f}-{interval[1]:.{digits}f}"


def _remarks(found: "Evaluation") -> Iterator[str]:
    """Say what the intervals rest on, and how probabilities and verdicts agree with the truth."""
    alike = "" if found.groups in (None, found.n) else f", near-duplicates drawn together ({found.groups:,} groups)"
    yield f"intervals: {found.rounds:,} resamples of the articles{alike}"
    yield f"calibration: {found.calibration or 'none'}"
    if found.ece_by_chance is not None:
        low, high = found.ece_by_chance
        yield f"ece: {low:.3f} to {high:.3f} would be chance, if every probability were exactly right"
    alarms, missed = found.confusion["real"]["fake"], found.confusion["fake"]["real"]
    n_real = found.n - found.n_fake
    yield f"wrong: {alarms:,} of {n_real:,} real articles called fake, {missed:,} of {found.n_fake:,} fakes missed"


def _slices(slices: Sequence["Slice"]) -> "RenderableType":
    """Return one table of all kinds of slices; of a kind with many, the largest."""
    from rich.table import Table
    from rich.text import Text

    table = Table("slice", "", title_justify="left")
    for name in ("n", "fake", "macro_f1", "95%", "auc", "acc"):
        table.add_column(name, justify="right")
    for kind, members in itertools.groupby(slices, key=lambda part: part.kind):
        parts = list(members)
        largest = sorted(parts, key=lambda part: -part.n)[:SLICES_SHOWN]
        for number, part in enumerate(part for part in parts if part in largest):
            shown = [_number(part.scores[name])[:6] if part.scores[name] is not None else "-" for name in _SHOWN]
            row = [f"{part.n:,}", f"{part.n_fake / part.n:.0%}", shown[0], _span(part.intervals, "macro_f1", 2)]
            table.add_row("" if number else kind, Text(part.name), *row, *shown[1:])
        if len(parts) > len(largest):
            table.add_row("", f"({len(parts) - len(largest)} smaller ones: see --json)")
        table.add_section()
    return table


_SHOWN = ("macro_f1", "auc", "acc")


def _mistake(mistake: "Mistake") -> "Text":
    """Return a mistake as a paragraph: red words spoke for fake, green ones for real, as far as they mattered."""
    from rich.text import Text

    where = ", ".join(str(part) for part in (mistake.id, mistake.time, mistake.domain) if part is not None)
    head = f"row {mistake.row}{f' ({where})' if where else ''}: {mistake.label}, "
    text = Text(f"{head}probability of fake {mistake.probability:.3f}\n  ", style="bold")
    words: Any = mistake.words or ((mistake.content, 0.0),)
    most = max(abs(attribution) for _, attribution in words) or 1.0
    left = TEXT_SHOWN
    for word, attribution in words:
        strong = abs(attribution) >= most / 3
        style = ("bold red" if attribution > 0 else "bold green") if strong else "not bold"
        text.append(" ".join(word.split("\n"))[:left], style)
        left -= len(word)
        if left <= 0:
            text.append("…", "not bold")
            break
    top = sorted(
        ((word.strip(), attribution) for word, attribution in mistake.words if attribution),
        key=lambda pair: -abs(pair[1]),
    )[:5]
    if top:
        text.append("\n  swayed by: " + ", ".join(f"{word} {value:+.2f}" for word, value in top), "not bold dim")
    return text
