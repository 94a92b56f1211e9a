"""The page about a run: training, scores, mistakes, and how to reproduce it."""

import os
import shlex
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from zhenwei.audit.findings import AuditReport
from zhenwei.bundle.calibration import Calibration
from zhenwei.errors import ConfigError, DataError
from zhenwei.evaluation.records import Evaluation
from zhenwei.evaluation.report import formatting
from zhenwei.evaluation.report.dataset_labels import label_datasets
from zhenwei.evaluation.report.evaluation_context import evaluation_context
from zhenwei.evaluation.report.pages import write_page
from zhenwei.evaluation.report.plots.training import training_charts
from zhenwei.evaluation.report.provenance import CitedFile, cite_datasets, package_versions
from zhenwei.evaluation.report.run_record import RunRecord, read_run
from zhenwei.evaluation.stress.records import StressResult
from zhenwei.training.preparation import find_parts


def write_run_page(
    run: str | os.PathLike[str],
    path: str | os.PathLike[str] | None = None,
    evaluations: Iterable[Evaluation] = (),
    audit: AuditReport | None = None,
    stress: StressResult | None = None,
) -> Path:
    """Write the page of a run atomically.

    Args:
        run: A run's folder, or a bundle.
        path: The file to write; None: `report.html` in the run's folder. An older one is replaced.
        evaluations: Evaluations on val (the past), on test (the future), or on other files.
        audit: The audit of the run's articles.
        stress: The stress test of the detector.

    Returns:
        The file.

    Raises:
        CheckpointError: If `run` is neither a run's folder nor a bundle.
        ConfigError: If the file cannot be written, or a bundle is given without a path.
    """
    record = read_run(Path(run))
    results = label_datasets(evaluations, part_files(record))
    trained = [CitedFile(f"{part}, as trained on", **file) for part, file in record.files.items()]
    evaluated, bundle_files = cite_datasets(results), record.description.get("sha256", {})
    unchanged = {(each.path, each.sha256) for each in trained}  # listed once, although they are evaluated, too
    return write_page(
        "run.html", default_page(record) if path is None else Path(path),
        record=record,
        evaluations=evaluation_context(results),
        changed=_changed_files(trained, evaluated),
        audit=audit,
        stress=stress,
        training=training_charts(record.epochs, record.steps, record.best_epoch),
        calibration=_calibration(record.description.get("calibration")),
        commands=_commands(record, [result.evaluation.file for result in results], stress),
        files=[
            *trained,
            *(each for each in evaluated if (each.path, each.sha256) not in unchanged),
            *(CitedFile("bundle", str(record.bundle / name), digest) for name, digest in bundle_files.items()),
        ],
        versions={
            "trained by zhenwei": str(record.description.get("zhenwei_version", formatting.MISSING)),
            **package_versions(),
        },
    )  # fmt: skip


def default_page(record: RunRecord) -> Path:
    """Return the default path of a run's page.

    Raises:
        ConfigError: If the record is of a bundle alone, which has no default path.
    """
    if record.folder is None:
        raise ConfigError(f"--html: '{record.path}' is a bundle, not a run folder: name the file to write")
    return record.folder.report


def part_files(record: RunRecord) -> dict[str, str]:
    """Return the files of train, val and test of a run: as recorded in its bundle, or else from its settings."""
    if record.files:
        return {part: file["path"] for part, file in record.files.items()}
    with suppress(DataError):  # files that no longer exist
        return {part: str(path) for part, path in find_parts(record.config).items()}
    return {}


def _calibration(stored: Any) -> str:
    """Describe the calibration that a bundle stores."""
    if not stored:
        return "not calibrated"
    try:
        return Calibration.from_dict(stored).describe()
    except (ValueError, AttributeError):
        return "unreadable"


def _commands(record: RunRecord, files: list[str], stress: StressResult | None) -> tuple[str, ...]:
    run = shlex.quote(str(record.path))
    train = f"zhenwei train {shlex.quote(str(record.bundle / 'config.json'))} --set output.dir=runs/again"
    commands = [train, *(f"zhenwei evaluate {run} {shlex.quote(file)}" for file in files)]
    if stress is not None and stress.file is not None:
        commands.append(f"zhenwei stress {run} {shlex.quote(stress.file)} --seed {stress.seed}")
    return (*commands, f"zhenwei report {run}")


def _changed_files(trained: Iterable[CitedFile], evaluated: Iterable[CitedFile]) -> list[tuple[str, list[str]]]:
    """Return a warning for each evaluated file that has changed since the training."""
    before = {each.path: each.sha256 for each in trained}
    return [
        (file.role, [f"`{file.path}` has changed since the training: these scores are of its present content"])
        for file in evaluated
        if file.path in before and file.sha256 not in ("", before[file.path])
    ]
