"""`zhenwei calibrate`: calibrate the probabilities of a trained detector, and choose its threshold."""

from pathlib import Path
from typing import Literal

import typer

from zhenwei.cli.figures import JsonTarget, print_scores, write_json


def calibrate(
    ctx: typer.Context,
    run: Path = typer.Argument(help="A run folder, or a bundle (with --file or --on val)."),
    on: Literal["val", "train", "train+val", "none"] = typer.Option(
        "val", "--on", help="train: cross-fit, which trains further detectors; none: remove the calibration."
    ),
    file: Path | None = typer.Option(None, "--file", help="Labelled articles to calibrate on, instead of --on."),
    method: Literal["platt", "temperature", "isotonic"] = typer.Option(
        "platt", help="Calibration method; isotonic needs at least 500 articles."
    ),
    objective: str = typer.Option(
        "macro_f1",
        help="Threshold objective: macro_f1, precision=0.9, recall=0.9, or cost=5 (of a missed fake).",
    ),
    folds: int | None = typer.Option(None, min=2, max=50, help="Number of detectors to train for --on train."),
    fake_share: float | None = typer.Option(None, metavar="SHARE", help="Correct for this share of fakes."),
    recent: Path | None = typer.Option(
        None, help="Correct for the share of fakes in these unlabelled articles, estimated by EM. Risky."
    ),
    device: str = typer.Option("auto", help="auto, cpu, cuda, cuda:N or mps."),
    json: str | None = JsonTarget,
) -> None:
    """Calibrate the detector in RUN and choose its threshold. All commands use both from then on."""
    from zhenwei.config import parse_threshold_objective
    from zhenwei.errors import ConfigError
    from zhenwei.evaluation.calibrate import recalibrate
    from zhenwei.training.calibration.prior_shift import RISK

    on_source = ctx.get_parameter_source("on")
    if file is not None and on_source is not None and on_source.name != "DEFAULT":
        raise ConfigError(f"--on {on} and --file {file} contradict each other; pass one of them")
    try:
        threshold_objective = parse_threshold_objective(objective)
    except ValueError as error:
        raise ConfigError(f"--objective: {error}") from None
    result = recalibrate(
        run, on=file or on, method=method, objective=threshold_objective, folds=folds,
        fake_share=fake_share, recent=recent, device=device,
    )  # fmt: skip
    write_json(result.to_dict(), json)
    err = json == "-"
    typer.echo(f"{run}: {result.description}", err=err)
    if not result.after:
        return
    columns = {"uncalibrated, at 0.5": result.before, f"calibrated, at {result.threshold:.3f}": result.after}
    print_scores(columns, "On the calibration articles (slightly optimistic: the calibration is fitted to them)", json)
    if result.target_share is not None:
        typer.echo(
            f"share of fakes: {result.fake_share:.3f} in the calibration articles, corrected to "
            f"{result.target_share:.3f}",
            err=err,
        )
    if recent is not None:
        typer.echo(f"risk: {RISK}", err=err)
    typer.echo("results.json keeps the earlier scores; zhenwei evaluate gives the new ones", err=err)
