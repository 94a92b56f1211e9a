"""`zhenwei tune`: a search for better settings, judged on val alone."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from zhenwei.cli.figures import JsonTarget, write_json

if TYPE_CHECKING:
    from zhenwei.evaluation.tuning.tune import Tuning

SHOWN = 5  # trials in the table


def tune(
    config: Path = typer.Argument(help="JSON file of settings to search from."),
    trials: int = typer.Option(..., min=1, help="Finished trials that the study shall have, earlier ones included."),
    space: Path | None = typer.Option(
        None,
        metavar="FILE",
        help='What is searched, in JSON: {"training.lr": {"low": 1e-4, "high": 1e-2}}.',
    ),
    overrides: list[str] = typer.Option(
        [], "--set", metavar="SECTION.KEY=VALUE", help="Change one setting, as in training.epochs=10; repeatable."
    ),
    metric: str = typer.Option("macro_f1", help="What is searched for: the best epoch's score on val."),
    out: Path = typer.Option(Path("runs/tune"), help="Folder for best.json, trials.csv and the best trial's run."),
    storage: str | None = typer.Option(
        None, metavar="URL", help="A database that several machines share; SQLite in OUT unless given."
    ),
    study: str | None = typer.Option(None, metavar="NAME", help="The study's name in it; the detector's unless given."),
    timeout: float | None = typer.Option(None, metavar="MINUTES", min=0, help="Begin no trial after so long."),
    jobs: int = typer.Option(1, min=1, help="Processes that work on the study."),
    seed: int = typer.Option(2021, min=0, help="Seed of the search."),
    keep: bool = typer.Option(False, "--keep", help="Keep every trial's run folder, not the best one's alone."),
    json: str | None = JsonTarget,
) -> None:
    """Search for better settings of CONFIG's detector. Trials are judged on val; test is not read.

    Run it again to go on where it was stopped, and on other machines with the same --storage to share the work.
    """
    from zhenwei.evaluation.tuning.tune import tune

    tuning = tune(
        config, trials, out, space=space, overrides=overrides, metric=metric, storage=storage, study=study,
        timeout=timeout, jobs=jobs, seed=seed, keep=keep,
    )  # fmt: skip
    if json is not None:
        write_json(tuning.to_dict(), json)
    _print(tuning, stderr=json == "-")


def _print(tuning: "Tuning", stderr: bool) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console, shown = Console(stderr=stderr), Table()
    names = list(tuning.trials[0].values)
    for place, name in enumerate(["trial", f"val {tuning.metric}", "epoch", *names]):
        shown.add_column(Text(name), justify="right" if place else "left")
    judged = [trial for trial in tuning.trials if trial.score is not None]
    for trial in judged[:SHOWN]:
        values = [_shown(trial.values[name]) for name in names]
        shown.add_row(*map(Text, [str(trial.number), f"{trial.score:.4f}", str(trial.best_epoch), *values]))
    console.print(shown)
    console.print(Text(f"{len(judged)} trials trained to their end, {len(tuning.trials) - len(judged)} pruned"))
    if tuning.importance:
        parts = ", ".join(f"{name} {value:.0%}" for name, value in tuning.importance.items())
        console.print(Text(f"what mattered (fANOVA): {parts}"))
    console.print(Text(f"the best score of many on val flatters: judge it on test with: zhenwei train {tuning.best}"))


def _shown(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
