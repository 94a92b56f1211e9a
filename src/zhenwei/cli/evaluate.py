"""`zhenwei evaluate`: scores of a trained detector on a labelled file."""

from pathlib import Path

import typer

from zhenwei.cli.figures import JsonTarget, print_scores, write_json


def evaluate(
    run: Path = typer.Argument(help="A run's folder, or a bundle."),
    file: Path = typer.Argument(help="Labelled articles: .json, .jsonl, .csv or .parquet."),
    device: str = typer.Option("auto", help="auto, cpu, cuda, cuda:N or mps."),
    json: str | None = JsonTarget,
) -> None:
    """Judge FILE with the detector in RUN, at the detector's threshold."""
    from zhenwei.evaluation import evaluate_file
    from zhenwei.training import load_bundle

    scores = evaluate_file(load_bundle(run), file, device)
    if json is not None:
        write_json(scores, json)
    print_scores({file.name: scores}, f"{run} on {file}", json)
