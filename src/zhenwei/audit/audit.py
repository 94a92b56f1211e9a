"""The audit: all checks over some files of articles."""

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tqdm import tqdm

from zhenwei import __version__
from zhenwei.audit.checks.contradictions import contradictions, near_contradictions
from zhenwei.audit.checks.drift import label_drift_domains, label_share_domains, label_share_months, label_share_parts
from zhenwei.audit.checks.duplicates import copies_across, copies_within, near_duplicates_across, near_duplicates_within
from zhenwei.audit.checks.encoding import markup_left, wrong_encoding
from zhenwei.audit.checks.entity_drift import flipped_entities
from zhenwei.audit.checks.field_shortcuts import shortcut_fields, shortcut_length, shortcut_missing_fields
from zhenwei.audit.checks.ids import repeated_ids
from zhenwei.audit.checks.label_leaks import tell_tales
from zhenwei.audit.checks.labels import imbalance, one_class, small_parts, unlabelled
from zhenwei.audit.checks.languages import other_languages
from zhenwei.audit.checks.ngram_shortcuts import shortcut_characters, shortcut_marks, shortcut_ngrams
from zhenwei.audit.checks.temporal_leakage import time_leaks
from zhenwei.audit.checks.texts import blank_texts, long_texts, short_texts
from zhenwei.audit.dataset import Collection
from zhenwei.audit.findings import AuditReport, Finding
from zhenwei.errors import DataError
from zhenwei.news.io.files import find_part

PARTS = ("train", "val", "test")

Check = Callable[[Collection], Finding]

CHECKS: tuple[Check, ...] = (
    copies_across, near_duplicates_across, time_leaks, copies_within, near_duplicates_within,
    contradictions, near_contradictions,
    shortcut_marks, shortcut_characters, shortcut_ngrams, tell_tales,
    shortcut_fields, shortcut_missing_fields, shortcut_length,
    label_share_parts, label_share_months, label_share_domains, label_drift_domains, flipped_entities,
    one_class, imbalance, small_parts, unlabelled,
    blank_texts, short_texts, long_texts, wrong_encoding, markup_left, other_languages, repeated_ids,
)  # fmt: skip
"""Every check, in the order of the report; the name of the function is the name of the check."""


def audit_files(paths: Mapping[str, Path], *, progress: bool = False) -> AuditReport:
    """Audit files of articles.

    Args:
        paths: By the name of the part. `train` comes first, `val` and `test` last; the others are taken in their
            order, the first of all as what is trained on.
        progress: Whether to show progress bars, where standard error is a terminal.

    Raises:
        DataError: No file is given, or one cannot be read or has bad rows.
    """
    begun = time.perf_counter()
    collection = Collection.read(paths, progress=progress)
    with tqdm(run_checks(collection), total=len(CHECKS), desc="checking", disable=None if progress else True) as bar:
        findings = tuple(bar)
    return AuditReport(collection.parts, findings, __version__, time.perf_counter() - begun)


def run_checks(collection: Collection) -> Iterator[Finding]:
    """Make one check after the other, each when its finding is asked for."""
    yield from (check(collection) for check in CHECKS)


def named_parts(places: list[Path]) -> dict[str, Path]:
    """Name the parts of an audit: of one folder its train, val and test, else each file by its stem.

    Raises:
        DataError: A folder has no parts or stands among files, or two files have the same stem.
    """
    if len(places) == 1 and places[0].is_dir():
        found = {part: path for part in PARTS if (path := find_part(places[0], part)) is not None}
        if not found:
            raise DataError(f"{places[0]}: found no train, val or test; expected one of them, as train.json, or files")
        return found
    parts: dict[str, Path] = {}
    for place in places:
        if place.is_dir():
            raise DataError(f"{place}: is a folder; expected one folder alone, or files")
        if place.stem in parts:
            raise DataError(f"{parts[place.stem]} and {place}: found two files named {place.stem}; rename one of them")
        parts[place.stem] = place
    return parts
