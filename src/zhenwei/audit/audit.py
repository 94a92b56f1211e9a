"""Run all checks over files of articles."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from zhenwei import __version__
from zhenwei.audit.checks.contradictions import contradictions, near_contradictions
from zhenwei.audit.checks.drift import (
    label_balance_domains,
    label_balance_months,
    label_shift_domains,
    label_shift_parts,
)
from zhenwei.audit.checks.duplicates import (
    duplicates_across,
    duplicates_within,
    near_duplicates_across,
    near_duplicates_within,
)
from zhenwei.audit.checks.encoding import encoding_errors, leftover_markup
from zhenwei.audit.checks.entity_drift import entity_drift
from zhenwei.audit.checks.field_shortcuts import shortcut_fields, shortcut_length, shortcut_missing_fields
from zhenwei.audit.checks.ids import duplicate_ids
from zhenwei.audit.checks.label_leaks import label_leaks
from zhenwei.audit.checks.labels import class_imbalance, single_class, small_parts, unlabeled
from zhenwei.audit.checks.languages import other_scripts
from zhenwei.audit.checks.ngram_shortcuts import shortcut_characters, shortcut_ngrams, shortcut_symbols
from zhenwei.audit.checks.temporal_leakage import temporal_leakage
from zhenwei.audit.checks.texts import blank_texts, long_texts, short_texts
from zhenwei.audit.dataset import AuditDataset
from zhenwei.audit.findings import AuditReport, Finding, Status
from zhenwei.errors import DataError
from zhenwei.news.io.files import find_part

PARTS = ("train", "val", "test")

Check = Callable[[AuditDataset], Finding]

CHECKS: tuple[Check, ...] = (
    duplicates_across, near_duplicates_across, temporal_leakage, duplicates_within, near_duplicates_within,
    contradictions, near_contradictions,
    shortcut_symbols, shortcut_characters, shortcut_ngrams, label_leaks,
    shortcut_fields, shortcut_missing_fields, shortcut_length,
    label_shift_parts, label_balance_months, label_balance_domains, label_shift_domains, entity_drift,
    single_class, class_imbalance, small_parts, unlabeled,
    blank_texts, short_texts, long_texts, encoding_errors, leftover_markup, other_scripts, duplicate_ids,
)  # fmt: skip
"""All checks, in the order of the report; a check has the name of its function."""

WORDING_CHECKS: tuple[Check, ...] = (
    shortcut_symbols, shortcut_characters, shortcut_ngrams, label_leaks, encoding_errors, leftover_markup,
)  # fmt: skip
"""Checks whose finding normalizing may remove."""


def audit_files(paths: Mapping[str, Path], *, progress: bool = False) -> AuditReport:
    """Audit files of articles.

    Args:
        paths: The files by the name of their part. `train` comes first, `val` and `test` last; other parts keep their
            order. The first part is the training part.
        progress: Whether to show progress bars, if standard error is a terminal.

    Raises:
        DataError: No file is given, or one cannot be read or has bad rows.
    """
    start = time.perf_counter()
    dataset = AuditDataset.read(paths, progress=progress)
    with tqdm(run_checks(dataset), total=len(CHECKS), desc="checking", disable=None if progress else True) as bar:
        findings = tuple(bar)
    return AuditReport(dataset.parts, findings, __version__, time.perf_counter() - start)


def run_checks(dataset: AuditDataset) -> Iterator[Finding]:
    """Run the checks lazily, one after the other.

    A check of the wording that warns or fails runs again on the texts after `data.normalize`.
    """
    for check in CHECKS:
        finding = check(dataset)
        if finding.status != "good" and check in WORDING_CHECKS:
            finding = _with_normalized_status(finding, check(dataset.normalized).status)
        yield finding


def _with_normalized_status(finding: Finding, status: Status) -> Finding:
    """Add the status after normalizing to a finding, and to its summary."""
    effect = "data.normalize removes this" if status == "good" else f"after data.normalize: {status}"
    return replace(finding, normalized_status=status, summary=f"{finding.summary}; {effect}")


def named_parts(paths: list[Path]) -> dict[str, Path]:
    """Name the parts of an audit: train, val and test of a single folder, else each file by its stem.

    Raises:
        DataError: A folder has no parts or is given together with files, or two files have the same stem.
    """
    if len(paths) == 1 and paths[0].is_dir():
        folder = paths[0]
        files = {part: path for part in PARTS if (path := find_part(folder, part)) is not None}
        if not files:
            raise DataError(f"{folder}: found no train, val or test; expected one of them, as train.json, or files")
        return files
    parts: dict[str, Path] = {}
    for path in paths:
        if path.is_dir():
            raise DataError(f"{path}: is a folder; expected one folder alone, or files")
        if path.stem in parts:
            raise DataError(f"{parts[path.stem]} and {path}: found two files named {path.stem}; rename one of them")
        parts[path.stem] = path
    return parts
