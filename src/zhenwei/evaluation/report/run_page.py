"""The page about a run: how it was trained, what it scores, where it errs, how to do it again."""

import json
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
from zhenwei.evaluation.report import wording
from zhenwei.evaluation.report.dataset_labels import Judged, judged
from zhenwei.evaluation.report.evaluation_context import assessed
from zhenwei.evaluation.report.pages import write_page
from zhenwei.evaluation.report.plots.training import training_pictures
from zhenwei.evaluation.report.provenance import CitedFile, judged_files, versions
from zhenwei.evaluation.report.run_record import RunRecord, read_run
from zhenwei.training.preparation import find_parts


def write_run_page(
    run: str | os.PathLike[str],
    path: str | os.PathLike[str] | None = None,
    assessments: Iterable[Evaluation] = (),
    audit: AuditReport | None = None,
) -> Path:
    """Write the page of a run, whole or not at all.

    Args:
        run: A run's folder, or a bundle.
        path: The file to write; None: `report.html` in the run's folder. An older one is replaced.
        assessments: The detector judged on val, the past, and on test, the future, or on any other files.
        audit: What was found in the articles of the run.

    Returns:
        The file.

    Raises:
        CheckpointError: If `run` is neither a run's folder nor a bundle.
        ConfigError: If the page cannot be written, or a bundle is given without a path.
    """
    record = read_run(Path(run))
    place = page_of(record) if path is None else Path(path)
    parts = judged(assessments, part_files(record))
    return write_page(
        "run.html", place,
        record=record,
        name=record.name,
        view=assessed(parts),
        changed=_changed(record, parts),
        audit=audit,
        training=training_pictures(record.epochs, record.steps, record.best_epoch),
        facts=_facts(record),
        settings=json.dumps(record.config.to_dict(), indent=2, ensure_ascii=False),
        commands=_commands(record, [part.assessment.file for part in parts]),
        files=_files(record, parts),
        versions={"trained by zhenwei": str(record.description.get("zhenwei_version", wording.NOTHING)), **versions()},
    )  # fmt: skip


def page_of(record: RunRecord) -> Path:
    """Return where the page of a run belongs.

    Raises:
        ConfigError: If it is a bundle alone, which has no place for it.
    """
    if record.folder is None:
        raise ConfigError(f"--html: '{record.path}' is a bundle, which keeps no page; name the file to write")
    return record.folder.report


def part_files(record: RunRecord) -> dict[str, str]:
    """Return the files of train, val and test of a run: as it remembers them, or else as its settings name them."""
    remembered = record.facts.get("files")
    if isinstance(remembered, dict) and remembered:
        return {part: str(each["path"]) for part, each in remembered.items() if "path" in each}
    with suppress(DataError):  # files that are gone
        return {part: str(path) for part, path in find_parts(record.config).items()}
    return {}


def _facts(record: RunRecord) -> list[tuple[str, str]]:
    """Return what is to be known of the detector, in pairs of name and value."""
    facts, calibration = record.facts, record.description.get("calibration")
    found = [("Detector", record.config.model.title)]
    found.append(("Training articles", wording.count(facts.get("n_train"))))
    if facts.get("fitted"):
        found.append(("Training", "fitted in one go, without epochs"))
    else:
        last = record.results.get("epochs") or (record.epochs[-1].number if record.epochs else None)
        found.append(("Epoch kept", f"{record.best_epoch or wording.NOTHING} of {last or wording.NOTHING}"))
    found.append(("Seed", str(record.config.seed)))
    found.append(("Threshold", f"called fake from {wording.score(record.description.get('threshold'))} on"))
    return [*found, ("Calibration", _calibration(calibration) if calibration else "none: not calibrated")]


def _calibration(stored: Any) -> str:
    """Say how the detector was calibrated, from what its bundle stores."""
    try:
        return Calibration.from_dict(stored).describe()
    except (ValueError, AttributeError):
        return "unreadable"


def _commands(record: RunRecord, files: list[str]) -> tuple[str, ...]:
    run = shlex.quote(str(record.path))
    again = f"zhenwei train {shlex.quote(str(record.bundle / 'config.json'))} --set output.dir=runs/again"
    return (again, *(f"zhenwei evaluate {run} {shlex.quote(file)}" for file in files), f"zhenwei report {run}")


def _trained_files(record: RunRecord) -> tuple[CitedFile, ...]:
    """Return the files that the detector was trained on, where its bundle remembers them."""
    files = record.facts.get("files")
    if not isinstance(files, dict):
        return ()
    return tuple(
        CitedFile(f"{part}, as trained on", str(each.get("path", "")), str(each.get("sha256", "")))
        for part, each in files.items()
        if isinstance(each, dict)
    )


def _files(record: RunRecord, parts: Iterable[Judged]) -> tuple[CitedFile, ...]:
    """Return all files that the page is about; one that was judged as it was at the training is named once."""
    trained = _trained_files(record)
    known = {(each.path, each.sha256) for each in trained}
    others = (each for each in judged_files(parts) if (each.path, each.sha256) not in known)
    return (*trained, *others, *_bundle_files(record))


def _changed(record: RunRecord, parts: Iterable[Judged]) -> tuple[tuple[str, str], ...]:
    """Say which judged files are not what they were when the run was judged."""
    then = {each.path: each.sha256 for each in _trained_files(record)}
    now = {each.path: (each.role, each.sha256) for each in judged_files(parts)}
    return tuple(
        (now[path][0], f"`{path}` has changed since the training: these scores are of what it holds now")
        for path in then.keys() & now.keys()
        if now[path][1] and now[path][1] != then[path]
    )


def _bundle_files(record: RunRecord) -> tuple[CitedFile, ...]:
    digests = record.description.get("sha256")
    if not isinstance(digests, dict):
        return ()
    return tuple(CitedFile("bundle", str(record.bundle / name), str(digest)) for name, digest in digests.items())
