"""`zhenwei calibrate`: probabilities that can be believed, and a threshold for a objective, in a trained detector."""

from enum import StrEnum
from pathlib import Path

import typer

from zhenwei.cli.figures import HEADLINES, JsonTarget, print_scores, write_json


class Source(StrEnum):
    """What a detector is calibrated on."""

    VAL = "val"
    TRAIN = "train"
    BOTH = "train+val"
    NONE = "none"


class Method(StrEnum):
    """How probabilities are calibrated."""

    PLATT = "platt"
    TEMPERATURE = "temperature"
    ISOTONIC = "isotonic"


def calibrate(
    ctx: typer.Context,
    run: Path = typer.Argument(help="A run's folder; a bundle will do for --file and --on val."),
    on: Source = typer.Option(
        Source.VAL, "--on", help="train: cross-fitted, which trains detectors like this one; none: not calibrated."
    ),
    file: Path | None = typer.Option(None, "--file", help="Labelled articles to calibrate on, instead of --on."),
    method: Method = typer.Option(Method.PLATT, help="isotonic wants 500 articles and more."),
    objective: str = typer.Option(
        "macro_f1", help="What the threshold is for: macro_f1, precision=0.9, recall=0.9, or cost=5 (of a missed fake)."
    ),
    folds: int | None = typer.Option(None, min=2, max=50, help="Detectors to train for --on train."),
    fake_share: float | None = typer.Option(None, metavar="SHARE", help="Correct for this share of fakes."),
    recent: Path | None = typer.Option(
        None, help="Correct for the share of fakes among these articles without labels, as EM estimates it. A risk."
    ),
    device: str = typer.Option("auto", help="auto, cpu, cuda, cuda:N or mps."),
    json: str | None = JsonTarget,
) -> None:
    """Calibrate the detector in RUN and choose its threshold; both are stored in it, and used by all commands."""
    from zhenwei.config import parse_threshold_objective
    from zhenwei.errors import ConfigError
    from zhenwei.evaluation.calibrate import recalibrate
    from zhenwei.training.calibration.prior_shift import RISK

    on_source = ctx.get_parameter_source("on")
    if file is not None and on_source is not None and on_source.name != "DEFAULT":
        raise ConfigError(f"--on {on.value} and --file {file} contradict each other; give one of them")
    try:
        wanted = parse_threshold_objective(objective)
    except ValueError as error:
        raise ConfigError(f"--objective: {error}") from None
    done = recalibrate(
        run, on=file or on.value, method=method.value, objective=wanted, folds=folds, fake_share=fake_share,
        recent=recent, device=device,
    )  # fmt: skip
    if json is not None:
        write_json(done.to_dict(), json)
    err = json == "-"
    typer.echo(f"{run}: {done.described}", err=err)
    if not done.after:
        return
    columns = {"as it was, at 0.5": done.before, f"calibrated, at {done.threshold:.3f}": done.after}
    shown = {name: {key: scores[key] for key in HEADLINES} for name, scores in columns.items()}
    print_scores(shown, "The judgements that it was fitted to, which flatter it a little", json)
    if done.target_share is not None:
        typer.echo(f"share of fakes: {done.fake_share:.3f} there, corrected to {done.target_share:.3f}", err=err)
    if recent is not None:
        typer.echo(f"risk: {RISK}", err=err)
    typer.echo("results.json has the scores from before: zhenwei evaluate judges anew", err=err)
