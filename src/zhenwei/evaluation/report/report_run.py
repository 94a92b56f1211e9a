"""From a run's folder to its page: judge what the run was judged on, audit what it read, write the page."""

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
from zhenwei.evaluation.report.run_page import page_of, part_files, write_run_page
from zhenwei.evaluation.report.run_record import RunRecord, read_run
from zhenwei.hashing import file_sha256

logger = logging.getLogger(__name__)


def report_run(
    run: str | os.PathLike[str],
    *,
    data: Iterable[str | os.PathLike[str]] = (),
    audit: bool = False,
    html: str | os.PathLike[str] | None = None,
    device: str = "auto",
    rounds: int = ROUNDS,
) -> Path:
    """Judge a run's detector with all that is known of judging, and write the page about it.

    Where the run's own articles were judged and audited, its model card is completed, too, unless somebody edited it.

    Args:
        run: A run's folder, or a bundle.
        data: Labelled files to judge; none: the run's val and test, as far as they are still there.
        audit: Whether to audit the run's articles, too.
        html: The file to write; None: `report.html` in the run's folder.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        rounds: Resamples for the intervals.

    Returns:
        The file.

    Raises:
        CheckpointError: If `run` is neither a run's folder nor a bundle, or is damaged.
        ConfigError: If the page has no place, or no device is so called.
        DataError: If a file is missing, has bad rows, or lacks labels.
    """
    record = read_run(Path(run))
    page = page_of(record) if html is None else Path(html)
    _check_place(page)
    parts = part_files(record)
    named = [Path(file) for file in data]
    files = named or _files_at_hand(record, parts)
    description = record.bundle / DESCRIPTION
    judged = file_sha256(description) if description.is_file() else ""  # before it is loaded: a later one is another's
    bundle = load_bundle(record.bundle)
    assessments = [evaluate(bundle, file, device=device, rounds=rounds) for file in files]
    there = {part: Path(file) for part, file in parts.items() if Path(file).is_file()}
    found = audit_files(there) if audit and there else None
    if found is not None and not named:
        _complete_card(record, bundle, assessments, found, judged)
    return write_run_page(record.path, page, assessments, found)


def _complete_card(
    record: RunRecord, bundle: Bundle, assessments: list[Evaluation], audit: AuditReport, judged: str
) -> None:
    """Complete the bundle's model card; where that fails, the page is none the worse for it."""
    try:
        if write_card(bundle, record.bundle, assessments, audit, judged):
            logger.info("model card: %s", record.bundle / CARD)
    except (ZhenweiError, OSError) as error:
        logger.warning("the model card is not completed: %s", error)


def _check_place(page: Path) -> None:
    """Refuse a page that cannot be written before the work, not after."""
    if page.is_dir():
        raise ConfigError(f"--html: '{page}' is a folder; expected the name of a file")
    if not page.parent.is_dir():
        raise ConfigError(f"--html: there is no folder '{page.parent}' to write {page.name} into")


def _files_at_hand(record: RunRecord, parts: dict[str, str]) -> list[Path]:
    """Return the files of val and test that are still there; say which are not."""
    found = []
    for part in ("val", "test"):
        if part not in parts:
            continue
        if Path(parts[part]).is_file():
            found.append(Path(parts[part]))
        else:
            logger.warning("%s: '%s' is gone: the page will be without it", part, parts[part])
    if not found:
        logger.warning("%s: no val file is at hand: the page will be without scores; --data names files", record.path)
    return found
