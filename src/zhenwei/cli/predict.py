"""`zhenwei predict`: verdicts on texts."""

from pathlib import Path

import typer

from zhenwei.cli.figures import JsonTarget, print_rows, write_json


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
