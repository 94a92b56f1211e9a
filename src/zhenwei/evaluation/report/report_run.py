"""Write the page of a run: evaluate the detector, audit the run's articles, render the page."""

import logging
import os
from collections.abc import Iterable
from pathlib import Path

from zhenwei.audit.audit import audit_files
from zhenwei.audit.findings import AuditReport
from zhenwei.bundle import Bundle, load_bundle
from zhenwei.bundle.bundle import CARD, DESCRIPTION
from zhenwei.errors import ConfigError, ZhenweiError
from zhenwei.evaluation.evaluate import evaluate
from zhenwei.evaluation.intervals import ROUNDS
from zhenwei.evaluation.model_card import write_card
from zhenwei.evaluation.records import Evaluation
from zhenwei.evaluation.report.run_page import default_page, part_files, write_run_page
from zhenwei.evaluation.report.run_record import RunRecord, read_run
from zhenwei.evaluation.stress import stress_files
from zhenwei.hashing import file_sha256

logger = logging.getLogger(__name__)


def report_run(
    run: str | os.PathLike[str],
    *,
    data: Iterable[str | os.PathLike[str]] = (),
    audit: bool = False,
    stress: bool = False,
    html: str | os.PathLike[str] | None = None,
    device: str = "auto",
    rounds: int = ROUNDS,
) -> Path:
    """Evaluate a run's detector in full, and write the page of the run.

    If the run's own articles are evaluated and audited, its model card is completed as well, unless a person edited it.

    Args:
        run: A run's folder, or a bundle.
        data: Labeled files to evaluate on; none: the run's val and test, if they still exist.
        audit: Whether to audit the run's articles as well.
        stress: Whether to test the detector on harmless edits of the last of these files as well.
        html: The file to write; None: `report.html` in the run's folder.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        rounds: Bootstrap samples for the intervals.

    Returns:
        The file.

    Raises:
        CheckpointError: If `run` is neither a run's folder nor a bundle, or is damaged.
        ConfigError: If the page cannot be written there, or the device does not exist.
        DataError: If a file is missing, has bad rows, or lacks labels.
    """
    record = read_run(Path(run))
    page = default_page(record) if html is None else Path(html)
    _check_writable(page)
    parts = part_files(record)
    named = [Path(file) for file in data]
    files = named or _existing_files(record, parts)
    sha256 = file_sha256(record.bundle / DESCRIPTION)  # before loading: a later one may be another's
    bundle = load_bundle(record.bundle)
    evaluations = [evaluate(bundle, file, device=device, rounds=rounds) for file in files]
    stressed = stress_files(bundle, files[-1], run=str(record.path), device=device) if stress and files else None
    existing = {part: Path(file) for part, file in parts.items() if Path(file).is_file()}
    report = audit_files(existing) if audit and existing else None
    if report is not None and not named:
        _complete_card(record, bundle, evaluations, report, sha256)
    return write_run_page(record.path, page, evaluations, report, stressed)


def _complete_card(
    record: RunRecord, bundle: Bundle, evaluations: list[Evaluation], audit: AuditReport, sha256: str
) -> None:
    """Complete the bundle's model card. Failure is logged, not raised."""
    try:
        if write_card(bundle, record.bundle, evaluations, audit, sha256):
            logger.info("model card: %s", record.bundle / CARD)
    except (ZhenweiError, OSError) as error:
        logger.warning("the model card is not completed: %s", error)


def _check_writable(page: Path) -> None:
    """Refuse a page that cannot be written before the evaluation, not after it."""
    if page.is_dir():
        raise ConfigError(f"--html: '{page}' is a folder; expected a file name")
    if not page.parent.is_dir():
        raise ConfigError(f"--html: the folder '{page.parent}' for {page.name} does not exist")


def _existing_files(record: RunRecord, parts: dict[str, str]) -> list[Path]:
    """Return the files of val and test that still exist; warn of those that do not."""
    existing = []
    for part in ("val", "test"):
        if part not in parts:
            continue
        if Path(parts[part]).is_file():
            existing.append(Path(parts[part]))
        else:
            logger.warning("%s: '%s' does not exist any more: the page is written without it", part, parts[part])
    if not existing:
        logger.warning("%s: no val file exists: the page has no scores; name files with --data", record.path)
    return existing
