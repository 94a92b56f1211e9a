"""`zhenwei train`: from a configuration to a trained detector."""

from pathlib import Path
from typing import Any

import typer

from zhenwei.cli.figures import HEADLINES, JsonTarget, print_scores, write_json


def train(
    config: Path = typer.Argument(help="JSON file of settings, canonical or in the original's flat form."),
    overrides: list[str] = typer.Option(
        [], "--set", metavar="SECTION.KEY=VALUE", help="Change one setting, as in training.lr=1e-3; repeatable."
    ),
    resume: bool = typer.Option(False, "--resume", help="Go on exactly where the run in the run folder stopped."),
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace the run in the run folder."),
    json: str | None = JsonTarget,
) -> None:
    """Train the detector that CONFIG describes, keep the best weights on val, and judge them on test."""
    from zhenwei.config import Config
    from zhenwei.errors import ConfigError

    if resume and overwrite:
        raise ConfigError("--resume and --overwrite contradict each other; give one of them")
    settings = Config.load(config, overrides)
    from zhenwei.bundle.device import end_processes, is_main_process
    from zhenwei.training.trainer import Trainer

    results, model_path = Trainer(settings, resume=resume, overwrite=overwrite).train()
    if is_main_process():
        if json is not None:
            write_json(results, json)
        columns = {"val": results["val"]} | ({"test": results} if results["split"] == "test" else {})
        shown = {part: {key: scores[key] for key in HEADLINES} for part, scores in columns.items()}
        print_scores(shown, f"{settings.model.title}: {model_path}", json)
        if settings.output.report:
            _write_page(settings.run_dir, results, quietly=json == "-")
    end_processes()


def _write_page(run: Path, results: dict[str, Any], quietly: bool) -> None:
    """Write the page about a run that has ended well; where that fails, the run is none the worse for it."""
    from zhenwei.errors import ZhenweiError
    from zhenwei.evaluation.model_card import MOST_AUDITED
    from zhenwei.evaluation.report.report_run import report_run

    try:
        if results["n_train"] + results["n"] > MOST_AUDITED:
            typer.echo(
                f"many articles: the page about the run is written by: zhenwei report {run} --audit", err=quietly
            )
            return
        typer.echo(f"page: {report_run(run, audit=True)}", err=quietly)
    except (ZhenweiError, OSError) as error:
        typer.echo(f"the page about the run is not written: {error}; later: zhenwei report {run}", err=True)
