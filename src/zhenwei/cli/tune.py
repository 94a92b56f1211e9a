"""`zhenwei tune`: search for better settings by their scores on val."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from zhenwei.cli.figures import JsonTarget, make_table, plain_console, write_json

if TYPE_CHECKING:
    from zhenwei.evaluation.tuning.tune import Tuning

MAX_TRIALS = 5  # in the table


def tune(
    config: Path = typer.Argument(help="A JSON file of settings, or a preset, to start from."),
    trials: int = typer.Option(..., min=1, help="Finished trials that the study should have, earlier ones included."),
    space: Path | None = typer.Option(
        None,
        metavar="FILE",
        help='Search space in JSON: {"training.lr": {"low": 1e-4, "high": 1e-2}}.',
    ),
    overrides: list[str] = typer.Option(
        [], "--set", metavar="SECTION.KEY=VALUE", help="Change one setting, as in training.epochs=10; repeatable."
    ),
    metric: str = typer.Option("macro_f1", help="Metric to optimize: the best epoch's score on val."),
    out: Path = typer.Option(Path("runs/tune"), help="Folder for best.json, trials.csv and the best trial's run."),
    storage: str | None = typer.Option(
        None, metavar="URL", help="A database shared by several machines; by default SQLite in OUT."
    ),
    study: str | None = typer.Option(
        None, metavar="NAME", help="Name of the study in the database; by default the detector's name."
    ),
    timeout: float | None = typer.Option(
        None, metavar="MINUTES", min=0, help="Start no further trial after this time."
    ),
    jobs: int = typer.Option(1, min=1, help="Number of processes."),
    seed: int = typer.Option(2021, min=0, help="Seed of the search."),
    keep: bool = typer.Option(False, "--keep", help="Keep every trial's run folder, not only the best one."),
    json: str | None = JsonTarget,
) -> None:
    """Search for better settings of CONFIG's detector. Trials are scored on val; test is not read.

    Run it again to resume after an interruption, and on other machines with the same --storage to share the work.
    """
    from zhenwei.evaluation.tuning.tune import tune

    tuning = tune(
        config, trials, out, space=space, overrides=overrides, metric=metric, storage=storage, study=study,
        timeout=timeout, jobs=jobs, seed=seed, keep=keep,
    )  # fmt: skip
    write_json(tuning.to_dict(), json)
    _print(tuning, stderr=json == "-")


def _print(tuning: "Tuning", stderr: bool) -> None:
    console = plain_console(stderr)
    names = list(tuning.trials[0].values)
    completed = [trial for trial in tuning.trials if trial.score is not None]
    rows = []
    for trial in completed[:MAX_TRIALS]:
        values = [_format_setting(trial.values[name]) for name in names]
        rows.append([str(trial.number), f"{trial.score:.4f}", str(trial.best_epoch), *values])
    console.print(make_table(["trial", f"val {tuning.metric}", "epoch", *names], rows))
    console.print(f"{len(completed)} trials completed, {len(tuning.trials) - len(completed)} pruned")
    if tuning.importance:
        parts = ", ".join(f"{name} {value:.0%}" for name, value in tuning.importance.items())
        console.print(f"importance of the settings (fANOVA): {parts}")
    console.print(
        f"the best of many scores on val is optimistic; get the score on test with: zhenwei train {tuning.best}"
    )


def _format_setting(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
