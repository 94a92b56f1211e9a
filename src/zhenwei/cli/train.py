"""`zhenwei train`: train the detector of a configuration."""

from pathlib import Path
from typing import Any

import typer

from zhenwei.cli.figures import JsonTarget, print_scores, write_json


def train(
    config: str = typer.Argument(
        help="A JSON file of settings (canonical, or the original's flat form), or a preset (zhenwei init --list)."
    ),
    overrides: list[str] = typer.Option(
        [], "--set", metavar="SECTION.KEY=VALUE", help="Override a setting, as in training.lr=1e-3; repeatable."
    ),
    resume: bool = typer.Option(False, "--resume", help="Resume the run in the run folder, bit-exactly."),
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace the run in the run folder."),
    json: str | None = JsonTarget,
) -> None:
    """Train the detector of CONFIG, keep the best weights on val, and evaluate them on test."""
    from zhenwei.config import Config
    from zhenwei.errors import ConfigError

    if resume and overwrite:
        raise ConfigError("--resume and --overwrite contradict each other; give one of them")
    settings = Config.load(config, overrides)
    from zhenwei.bundle.device import end_processes, is_main_process
    from zhenwei.training.trainer import Trainer

    results, model_path = Trainer(settings, resume=resume, overwrite=overwrite).train()
    if is_main_process():
        write_json(results, json)
        columns = {"val": results["val"]} | ({"test": results} if results["split"] == "test" else {})
        print_scores(columns, f"{settings.model.title}: {model_path}", json)
        if settings.output.report:
            _write_report(settings.run_dir, results, to_stderr=json == "-")
    end_processes()


def _write_report(run: Path, results: dict[str, Any], to_stderr: bool) -> None:
    """Write the report of a finished run. Failure is printed, not raised."""
    from zhenwei.errors import ZhenweiError
    from zhenwei.evaluation.model_card import MAX_AUDITED
    from zhenwei.evaluation.report.report_run import report_run

    try:
        if results["n_train"] + results["n"] > MAX_AUDITED:
            typer.echo(f"report: skipped, many articles; write it with: zhenwei report {run} --audit", err=to_stderr)
            return
        typer.echo(f"report: {report_run(run, audit=True)}", err=to_stderr)
    except (ZhenweiError, OSError) as error:
        typer.echo(f"report: not written: {error}; retry with: zhenwei report {run}", err=True)
