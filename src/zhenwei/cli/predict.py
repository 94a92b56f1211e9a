"""`zhenwei predict`: verdicts on texts, and on files of any size."""

import sys
from contextlib import redirect_stdout
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperOption

from zhenwei.cli.figures import JsonTarget, print_rows, write_json
from zhenwei.cli.run import Precision, Run, folder_of

if TYPE_CHECKING:
    from zhenwei.inference import Detector

EXIT_INTERRUPTED = 130  # as the shell has it for a command that Ctrl-C ended
AT_SCALE = "Files of any size, with --out"
NEED_OUT = ("engine", "workers", "address", "on_error", "format", "with_text", "overwrite")


class Engine(StrEnum):
    """What scores files."""

    LOCAL = "local"
    RAY = "ray"


class OnError(StrEnum):
    """What a bad row does."""

    SKIP = "skip"
    FAIL = "fail"


class Format(StrEnum):
    """What shards are written in."""

    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


class TextsCommand(TyperCommand):
    """A command whose texts may begin with a dash, as in "-5度"; with two dashes only behind a `--` of their own."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Sort the options from the texts, and hand the texts over behind `--`."""
        known = [option for option in self.get_params(ctx) if isinstance(option, TyperOption)]
        names = {name for option in known for name in option.opts} | set(ctx.help_option_names)
        with_value = {name for option in known if not option.is_flag for name in option.opts}
        options: list[str] = []
        texts: list[str] = []
        rest = iter(args)
        for word in rest:
            if word == "--":
                texts += rest
            elif word.startswith("--") or word in names:
                options += [word, *islice(rest, 1 if word in with_value else 0)]
            else:
                texts.append(word)
        return list(super().parse_args(ctx, [*options, "--", *texts]))


def predict(
    ctx: typer.Context,
    run: str = Run,
    texts: list[str] = typer.Argument(None, help="Texts to judge."),
    file: list[str] = typer.Option(
        None,
        "--file",
        help="Articles to judge: .json, .jsonl, .csv or .parquet; with --out, any number of files, and patterns in "
        "quotes.",
    ),
    device: str = typer.Option("auto", help="auto, cpu, cuda, cuda:N or mps."),
    precision: str = Precision,
    json: str | None = JsonTarget,
    out: Path | None = typer.Option(None, help="Score files into this folder, each into a shard of its own."),
    engine: Engine = typer.Option(Engine.LOCAL, help="This machine alone, or Ray Data.", rich_help_panel=AT_SCALE),
    workers: int | None = typer.Option(
        None,
        help="Processes, each with a detector of its own: 1, and with Ray as many as it has GPUs or CPUs.",
        rich_help_panel=AT_SCALE,
    ),
    address: str | None = typer.Option(
        None, help="Of the Ray cluster, or auto; else Ray runs on this machine alone.", rich_help_panel=AT_SCALE
    ),
    on_error: OnError = typer.Option(
        OnError.SKIP,
        help="skip: bad rows are left out and listed; fail: the first file with one ends it.",
        rich_help_panel=AT_SCALE,
    ),
    format: Format | None = typer.Option(
        None, help="Of the shards; else each like its input.", rich_help_panel=AT_SCALE
    ),
    with_text: bool = typer.Option(False, "--with-text", help="Write the texts, too.", rich_help_panel=AT_SCALE),
    overwrite: bool = typer.Option(
        False,
        "--overwrite",
        help="Replace shards of another bundle, input, precision or format.",
        rich_help_panel=AT_SCALE,
    ),
) -> None:
    """Judge TEXTS, or the articles of a file, with the detector in RUN; with --out, score files of any size."""
    from zhenwei.errors import DataError

    if bool(texts) == bool(file):
        raise DataError(
            'nothing or too much to judge; expected texts ("...") or --file FILE, one of the two' + _hint(texts, file)
        )
    if out is not None:
        if not file:
            raise DataError("--out: is for files; expected --file FILE with it")
        settings: dict[str, Any] = {
            "engine": engine.value, "workers": workers, "address": address, "device": device,
            "precision": precision, "on_error": on_error.value, "format": format and format.value,
            "with_text": with_text, "overwrite": overwrite,
        }  # fmt: skip
        _score_files(run, file, out, settings, json)
        return
    for name in NEED_OUT:
        source = ctx.get_parameter_source(name)
        if source is not None and source.name != "DEFAULT":
            raise DataError(f"--{name.replace('_', '-')} is for files that are scored into a folder; add --out FOLDER")
    if file and len(file) > 1:
        raise DataError(f"--file: found {len(file)} files; expected one, or a folder to score them into: --out FOLDER")
    from zhenwei.inference import Detector

    _judge(Detector.load(folder_of(run), device, precision), run, texts, Path(file[0]) if file else None, json)


def _judge(detector: "Detector", run: str, texts: list[str], file: Path | None, json: str | None) -> None:
    from zhenwei.news import iter_articles

    found = detector.predict(texts) if file is None else list(detector.predict_articles(iter_articles(file)))
    if json is not None:
        write_json([prediction.to_dict() for prediction in found], json)
    if json == "-":
        return
    rows = [
        (
            prediction.verdict,
            f"{prediction.probability:.3f}",
            _beginning(prediction.text),
            "; ".join(prediction.warnings),
        )
        for prediction in found
    ]
    print_rows(("verdict", "chance of fake", "text", "warnings"), rows, f"{run}, threshold {detector.threshold:g}")


def _score_files(run: str, files: list[str], out: Path, settings: dict[str, Any], json: str | None) -> None:
    from zhenwei.inference.batch.predict_files import InterruptedScoringError, UnfinishedScoringError, score_files

    try:
        with redirect_stdout(sys.stderr):  # Ray tells of workers that died on standard output, which is for the figures
            summary = score_files(folder_of(run), files, out, **settings)
    except UnfinishedScoringError as error:
        if json is not None:
            write_json(error.summary.to_dict(), json)
        raise
    except InterruptedScoringError as told:
        print(told, file=sys.stderr)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    if json is not None:
        write_json(summary.to_dict(), json)
    if json != "-":
        figures = summary.to_dict()
        header = ("posts", "fake", "bad rows", "files scored", "kept", "seconds", "posts/s")
        speed = figures["rows_per_second"]
        counts = [f"{figures[name]:,}" for name in ("rows", "fake", "bad_rows", "scored", "kept")]
        row = [*counts, f"{figures['seconds']:.1f}", "" if speed is None else f"{speed:,.0f}"]
        print_rows(header, [row], str(out))


def _hint(texts: list[str] | None, files: list[str] | None) -> str:
    """A pattern without quotes leaves the shell as one file behind --file, and the others as texts."""
    if texts and files and all(Path(text).is_file() for text in texts):
        return "; a pattern of files goes in quotes, as in --file 'posts/*.parquet'"
    return ""


def _beginning(text: str, length: int = 60) -> str:
    flat = " ".join("".join(c if c.isprintable() else " " for c in text).split())  # no control codes to the terminal
    return flat if len(flat) <= length else flat[: length - 1] + "…"
