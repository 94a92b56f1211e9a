"""`zhenwei predict`: predict on texts, and on files of any size."""

import sys
from contextlib import redirect_stdout
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer
from typer.core import TyperCommand, TyperOption

from zhenwei.cli.figures import JsonTarget, print_rows, write_json
from zhenwei.cli.run import Always, Precision, Run, folder_of

if TYPE_CHECKING:
    from zhenwei.inference import Detector

EXIT_INTERRUPTED = 130  # the shell's status of a command that Ctrl-C ended
BATCH_OPTIONS = ("engine", "workers", "address", "on_error", "format", "with_text", "overwrite")

_batch_option: Any = partial(typer.Option, rich_help_panel="Files of any size, with --out")


class TextsCommand(TyperCommand):
    """A command whose texts may begin with a dash, as in "-5度"; with two dashes only after a separate `--`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Separate options from texts, and put `--` before the texts."""
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
    texts: list[str] = typer.Argument(None, help="Texts to predict on."),
    file: list[str] = typer.Option(
        None,
        "--file",
        help="File of articles: .json, .jsonl, .csv or .parquet. With --out: repeatable, and quoted patterns.",
    ),
    device: str = typer.Option("auto", help="auto, cpu, cuda, cuda:N or mps."),
    precision: str = Precision,
    always: bool = Always,
    json: str | None = JsonTarget,
    out: Path | None = typer.Option(None, help="Folder for one output file (shard) per input file."),
    engine: Literal["local", "ray"] = _batch_option("local", help="local: this machine; ray: Ray Data."),
    workers: int | None = _batch_option(
        None, help="Number of processes with a detector each. Default: 1; with Ray, its number of GPUs or CPUs."
    ),
    address: str | None = _batch_option(
        None, help="Address of a Ray cluster, or auto. Default: start Ray on this machine."
    ),
    on_error: Literal["skip", "fail"] = _batch_option(
        "skip", help="skip: list and skip bad rows; fail: stop at the first file with one."
    ),
    format: Literal["jsonl", "csv", "parquet"] | None = _batch_option(
        None, help="Format of the shards. Default: that of each input."
    ),
    with_text: bool = _batch_option(False, "--with-text", help="Write the texts to the shards."),
    overwrite: bool = _batch_option(
        False, "--overwrite", help="Replace shards of another bundle, input, precision or format."
    ),
) -> None:
    """Predict on TEXTS or the articles of a file with the detector in RUN; with --out, on files of any size."""
    from zhenwei.errors import DataError

    if bool(texts) == bool(file):
        raise DataError('expected texts ("...") or --file FILE, one of the two' + _hint(texts, file))
    if out is not None:
        if not file:
            raise DataError("--out: needs --file FILE")
        settings = {name: ctx.params[name] for name in ("device", "precision", "always", *BATCH_OPTIONS)}
        _predict_files(run, file, out, settings, json)
        return
    for name in BATCH_OPTIONS:
        source = ctx.get_parameter_source(name)
        if source is not None and source.name != "DEFAULT":
            raise DataError(f"--{name.replace('_', '-')} needs --out FOLDER")
    if file and len(file) > 1:
        raise DataError(f"--file: found {len(file)} files; expected one, or --out FOLDER")
    from zhenwei.inference import Detector

    detector = Detector.load(folder_of(run), device, precision, always=always)
    _predict(detector, run, texts, Path(file[0]) if file else None, json)


def _predict(detector: "Detector", run: str, texts: list[str], file: Path | None, json: str | None) -> None:
    from zhenwei.news import iter_articles

    predictions = detector.predict(texts) if file is None else list(detector.predict_articles(iter_articles(file)))
    if json is not None:
        write_json([prediction.to_dict() for prediction in predictions], json)
    if json == "-":
        return
    rows = [
        (
            prediction.verdict,
            f"{prediction.probability:.3f}",
            _shorten(prediction.text),
            "; ".join([reason.en for reason in prediction.reasons] + [*prediction.warnings]),
        )
        for prediction in predictions
    ]
    print_rows(
        ("verdict", "probability of fake", "text", "reasons and warnings"),
        rows,
        f"{run}, threshold {detector.threshold:g}",
    )


def _predict_files(run: str, files: list[str], out: Path, settings: dict[str, Any], json: str | None) -> None:
    from zhenwei.inference.batch.predict_files import IncompleteBatchError, InterruptedBatchError, predict_files

    try:
        with redirect_stdout(sys.stderr):  # Ray reports dead workers on standard output
            summary = predict_files(folder_of(run), files, out, **settings)
    except IncompleteBatchError as error:
        write_json(error.summary.to_dict(), json)
        raise
    except InterruptedBatchError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    write_json(summary.to_dict(), json)
    if json != "-":
        figures = summary.to_dict()
        header = ("posts", "fake", "unsure", "bad rows", "files predicted", "reused", "seconds", "posts/s")
        speed = figures["rows_per_second"]
        counts = [f"{figures[name]:,}" for name in ("rows", "fake", "unsure", "bad_rows", "predicted", "reused")]
        row = [*counts, f"{figures['seconds']:.1f}", "" if speed is None else f"{speed:,.0f}"]
        print_rows(header, [row], str(out))


def _hint(texts: list[str] | None, files: list[str] | None) -> str:
    """The shell expands an unquoted pattern to one file after --file, and the others as texts."""
    if texts and files and all(Path(text).is_file() for text in texts):
        return "; quote a pattern of files, as in --file 'posts/*.parquet'"
    return ""


def _shorten(text: str, length: int = 60) -> str:
    flat = " ".join("".join(c if c.isprintable() else " " for c in text).split())  # no control codes to the terminal
    return flat if len(flat) <= length else flat[: length - 1] + "…"
