"""`zhenwei predict`: verdicts on texts."""

from itertools import islice
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand, TyperOption

from zhenwei.cli.figures import JsonTarget, print_rows, write_json


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
    run: Path = typer.Argument(help="A run's folder, or a bundle."),
    texts: list[str] = typer.Argument(None, help="Texts to judge."),
    file: Path | None = typer.Option(None, "--file", help="Articles to judge: .json, .jsonl, .csv or .parquet."),
    device: str = typer.Option("auto", help="auto, cpu, cuda, cuda:N or mps."),
    json: str | None = JsonTarget,
) -> None:
    """Judge TEXTS, or the articles of a file, with the detector in RUN."""
    from zhenwei.errors import DataError

    if bool(texts) == (file is not None):
        raise DataError('nothing or too much to judge; expected texts ("...") or --file FILE, one of the two')
    from zhenwei.inference import Detector
    from zhenwei.news import iter_articles

    detector = Detector.load(run, device)
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


def _beginning(text: str, length: int = 60) -> str:
    flat = " ".join("".join(c if c.isprintable() else " " for c in text).split())  # no control codes to the terminal
    return flat if len(flat) <= length else flat[: length - 1] + "…"
