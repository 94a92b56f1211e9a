"""`zhenwei evaluate`: evaluate a trained detector on a labelled file."""

import csv as csv_format
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from zhenwei.cli.figures import JsonTarget, format_value, make_table, plain_console, write_json
from zhenwei.cli.run import Precision, Run, folder_of
from zhenwei.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from zhenwei.evaluation.predictions import FilePredictions
    from zhenwei.evaluation.records import Evaluation, Interval, Mistake, Slice

MAX_SLICES = 12  # of each kind in the terminal; JSON has all of them
MAX_CHARACTERS = 400  # of a mistake in the terminal
TOP_WORDS = 5  # listed below a mistake
SLICE_METRICS = ("macro_f1", "auc", "acc")


def _check_target(file: Path | None) -> Path | None:
    """Refuse a file that cannot be written before the work instead of after it."""
    if file is not None and (file.is_dir() or not file.parent.is_dir()):
        raise ConfigError(f"{file}: cannot be written; expected the name of a file in an existing folder")
    return file


def evaluate(
    run: str = Run,
    file: Path = typer.Argument(help="Labelled articles: .json, .jsonl, .csv or .parquet."),
    train: Path | None = typer.Option(
        None, help="Training articles, to find overlaps; by default the file that the bundle records."
    ),
    mistakes: int = typer.Option(3, min=0, metavar="N", help="Show the N worst mistakes, half of each kind."),
    words: bool = typer.Option(True, help="Show the attributions of their words."),
    slices: bool = typer.Option(True, help="Show scores by time, domain, length and entities."),
    rounds: int = typer.Option(1000, min=100, max=100_000, help="Bootstrap resamples for the 95% intervals."),
    seed: int = typer.Option(0, min=0, help="Bootstrap seed."),
    device: str = typer.Option("auto", help="auto, cpu, cuda, cuda:N or mps."),
    precision: str = Precision,
    html: Path | None = typer.Option(
        None, metavar="FILE", callback=_check_target, help="Output HTML report, readable offline."
    ),
    csv: Path | None = typer.Option(
        None, metavar="FILE", callback=_check_target, help="Output CSV file of each article's probability and verdict."
    ),
    json: str | None = JsonTarget,
) -> None:
    """Evaluate the detector in RUN on FILE: scores with 95% intervals, slices, and overlap with training."""
    from zhenwei.bundle.device import check_prediction_precision
    from zhenwei.evaluation.evaluate import MISTAKES, evaluate
    from zhenwei.inference.detector import load_detector

    check_prediction_precision(precision)
    evaluation = evaluate(
        load_detector(folder_of(run)), file, train=train, device=device, precision=precision, rounds=rounds, seed=seed,
        slices=slices or bool(html or json), mistakes=max(mistakes, MISTAKES if html or json else 0), words=words,
    )  # fmt: skip
    if csv is not None and evaluation.predictions is not None:
        write_verdicts(evaluation.predictions, csv)
    if html is not None:
        from zhenwei.evaluation.report import write_evaluation_page

        write_evaluation_page(evaluation, html)
    write_json(evaluation.to_dict(), json)
    print_evaluation(evaluation, f"{run} on {file}", mistakes, slices, stderr=json == "-")


def write_verdicts(predictions: "FilePredictions", path: Path) -> None:
    """Write one row per article: its row in the file, id, label, verdict and probability of fake.

    Raises:
        DataError: If the file cannot be written; an older file does not change.
    """
    import numpy as np

    from zhenwei.atomic import atomic_file
    from zhenwei.bundle.metrics import CLASSES

    verdicts = np.where(predictions.undecided, "unsure", np.array(CLASSES)[predictions.verdicts]).tolist()
    columns = zip(predictions.articles, verdicts, predictions.probabilities, strict=True)
    with atomic_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv_format.writer(file)
        writer.writerow(("row", "id", "label", "verdict", "probability"))
        for row, (article, verdict, probability) in enumerate(columns, start=1):
            writer.writerow((row, article.id, article.label, verdict, f"{probability:.6f}"))


def print_evaluation(evaluation: "Evaluation", title: str, mistakes: int, slices: bool, stderr: bool) -> None:
    """Print an evaluation, its warnings first."""
    from zhenwei.evaluation.mistakes import balance_kinds

    console = plain_console(stderr)
    for warning in evaluation.warnings:
        console.print(f"WARNING: {warning}", style="bold yellow")
    console.print(title)
    console.print(_score_table(evaluation))
    for line in _notes(evaluation):
        console.print(line)
    if slices and evaluation.slices:
        console.print(_slice_table(evaluation.slices))
    chosen = balance_kinds([mistake.label for mistake in evaluation.mistakes], mistakes)
    if chosen:
        console.print(f"The {len(chosen)} worst mistakes, most confident first:")
    for index in chosen:
        console.print(_format_mistake(evaluation.mistakes[index]))


def _score_table(evaluation: "Evaluation") -> "RenderableType":
    """Return the table of scores; further columns those of some articles."""
    columns = {Path(evaluation.file).name: (evaluation.scores, evaluation.intervals)}
    if evaluation.clean is not None and evaluation.overlap is not None and evaluation.overlap.near:
        columns["unlike training"] = (evaluation.clean["scores"], evaluation.clean["intervals"])
    if evaluation.decided is not None:
        columns["decided"] = (evaluation.decided["scores"], evaluation.decided["intervals"])
    rows = [[key] for key in evaluation.scores]
    for scores, intervals in columns.values():
        for row in rows:
            row += [format_value(scores.get(row[0])), _format_interval(intervals.get(row[0]))]
    rows.append(["threshold", format_value(evaluation.threshold)])
    return make_table(["score", *(title for name in columns for title in (name, "95% interval"))], rows)


def _format_interval(interval: "Interval | None", digits: int = 3) -> str:
    return "" if interval is None else f"{interval[0]:.{digits}f}-{interval[1]:.{digits}f}"


def _notes(evaluation: "Evaluation") -> Iterator[str]:
    """Yield lines on the intervals, the calibration and the verdicts."""
    grouped = evaluation.groups not in (None, evaluation.n)
    kinds = "near-duplicates" if evaluation.n_contents is None else "near-duplicates and rewrites"
    units = f", {kinds} drawn together ({evaluation.groups:,} groups)" if grouped else ""
    yield f"intervals: {evaluation.rounds:,} resamples of the articles{units}"
    yield f"calibration: {evaluation.calibration or 'none'}"
    if evaluation.ece_by_chance is not None:
        low, high = evaluation.ece_by_chance
        yield f"ece: {low:.3f} to {high:.3f} is expected by chance if all probabilities are exactly right"
    n_real = evaluation.n - evaluation.n_fake
    yield (
        f"wrong: {evaluation.confusion['real']['fake']:,} of {n_real:,} real articles called fake, "
        f"{evaluation.confusion['fake']['real']:,} of {evaluation.n_fake:,} fakes missed"
    )
    if evaluation.n_unsure:
        yield f"unsure: {evaluation.n_unsure:,} of {evaluation.n:,} articles have no verdict; the scores count them"


def _slice_table(slices: Sequence["Slice"]) -> "RenderableType":
    """Return one table of the slices of all kinds, limited to the largest slices of each kind."""
    from rich.table import Table

    table = Table("slice", "")
    for name in ("n", "fake", "macro_f1", "95%", "auc", "acc"):
        table.add_column(name, justify="right")
    for kind, members in itertools.groupby(slices, key=lambda member: member.kind):
        of_kind = list(members)
        largest = sorted(of_kind, key=lambda member: -member.n)[:MAX_SLICES]
        for index, member in enumerate(member for member in of_kind if member in largest):
            macro_f1, *others = (
                "-" if member.scores[name] is None else f"{member.scores[name]:.4f}"[:6] for name in SLICE_METRICS
            )
            interval = _format_interval(member.intervals.get("macro_f1"), 2)
            row = [f"{member.n:,}", f"{member.n_fake / member.n:.0%}", macro_f1, interval, *others]
            table.add_row("" if index else kind, member.name, *row)
        if len(of_kind) > len(largest):
            table.add_row("", f"({len(of_kind) - len(largest)} smaller ones: see --json)")
        table.add_section()
    return table


def _format_mistake(mistake: "Mistake") -> "Text":
    """Return a mistake as a paragraph: words that are strong evidence for fake are red, those for real green."""
    from rich.text import Text

    details = ", ".join(str(part) for part in (mistake.id, mistake.time, mistake.domain) if part is not None)
    heading = f"row {mistake.row}{f' ({details})' if details else ''}: {mistake.label}, "
    text = Text(f"{heading}probability of fake {mistake.probability:.3f}\n  ", style="bold")
    words: Any = mistake.words or ((mistake.content, 0.0),)
    largest = max(abs(attribution) for _, attribution in words) or 1.0
    left = MAX_CHARACTERS
    for word, attribution in words:
        strong = abs(attribution) >= largest / 3
        style = ("bold red" if attribution > 0 else "bold green") if strong else "not bold"
        text.append(" ".join(word.split("\n"))[:left], style)
        left -= len(word)
        if left <= 0:
            text.append("…", "not bold")
            break
    top = sorted(
        ((word.strip(), attribution) for word, attribution in mistake.words if attribution),
        key=lambda pair: -abs(pair[1]),
    )[:TOP_WORDS]
    if top:
        text.append("\n  top words: " + ", ".join(f"{word} {value:+.2f}" for word, value in top), "not bold dim")
    return text
