"""The complete model card of a detector, with the evaluation and the audit of the files it was made with.

A file that changed after the training, by its digest, is left out of the card.
"""

import logging
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from zhenwei.atomic import write_atomic
from zhenwei.audit.audit import audit_files
from zhenwei.audit.findings import AuditReport
from zhenwei.bundle import Bundle
from zhenwei.bundle.bundle import CARD, DESCRIPTION
from zhenwei.bundle.card.card import model_card
from zhenwei.bundle.card.data import (
    CALIBRATION,
    EPOCH_SELECTION,
    CardFacts,
    DataFile,
    PartScores,
    WorstSlice,
    facts_from_training,
    file_name,
)
from zhenwei.bundle.card.signature import is_edited
from zhenwei.errors import CheckpointError
from zhenwei.evaluation.evaluate import evaluate
from zhenwei.evaluation.intervals import ROUNDS
from zhenwei.evaluation.records import Evaluation
from zhenwei.hashing import file_sha256
from zhenwei.news import iter_articles
from zhenwei.training.run_folder import lock_bundle

logger = logging.getLogger(__name__)

MAX_AUDITED = 50_000  # articles audited without being asked; more take minutes and memory for near-duplicates
MIN_SLICE = 30  # articles of a slice that the card may name


def complete_card(bundle: Bundle, *, device: str = "auto", rounds: int = ROUNDS) -> str:
    """Evaluate and audit a detector on the files it was made with, and return its complete card.

    Files that are missing or changed are left out.

    Args:
        bundle: The detector; its network is moved to the device.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        rounds: Bootstrap resamples of the intervals.

    Raises:
        CheckpointError: If the detector returns logits that are not finite.
        DataError: If an article lacks a field that this detector needs.
    """
    paths = unchanged_files(bundle)
    evaluations = [
        evaluate(bundle, paths[part], device=device, rounds=rounds, mistakes=0)
        for part in ("val", "test")
        if part in paths
    ]
    files = _data_files(bundle, paths)
    audited = _all_unchanged(bundle, paths) and _count(files) <= MAX_AUDITED
    return model_card(bundle, _facts(bundle, files, evaluations, audit_files(paths) if audited else None, paths))


def card_from_evaluations(bundle: Bundle, evaluations: Iterable[Evaluation], audit: AuditReport | None) -> str:
    """Return the complete card of a detector that was already evaluated.

    Args:
        bundle: The detector.
        evaluations: Those of other files than its val and test are ignored.
        audit: Ignored unless it is of exactly the detector's files.
    """
    paths = unchanged_files(bundle)
    return model_card(bundle, _facts(bundle, _data_files(bundle, paths), evaluations, audit, paths))


def write_card(
    bundle: Bundle, folder: Path, evaluations: Iterable[Evaluation], audit: AuditReport | None, digest: str
) -> bool:
    """Replace a bundle's card by the complete one, unless a person edited it.

    Args:
        bundle: The detector.
        folder: The bundle's.
        evaluations: Of its val and test.
        audit: Of its files.
        digest: SHA-256 of the folder's `detector.json` before the detector was loaded.

    Returns:
        Whether the card was written.

    Raises:
        CheckpointError: If another process is writing the bundle's run, or the folder now holds another detector.
        OSError: If the card cannot be written; the older card remains.
    """
    with lock_bundle(folder):
        if file_sha256(folder / DESCRIPTION) != digest:
            raise CheckpointError(f"{folder}: now holds another detector than the one that was evaluated")
        path = folder / CARD
        if path.exists() and is_edited(path.read_text(encoding="utf-8", errors="replace")):
            return False
        write_atomic(card_from_evaluations(bundle, evaluations, audit), path)
    return True


def unchanged_files(bundle: Bundle) -> dict[str, Path]:
    """Return the files that a detector was made with, by part, as far as they exist and are unchanged."""
    recorded = ((part, Path(file["path"]), file["sha256"]) for part, file in _recorded_files(bundle).items())
    return {part: path for part, path, digest in recorded if path.is_file() and file_sha256(path) == digest}


def _recorded_files(bundle: Bundle) -> dict[str, dict[str, str]]:
    return bundle.facts.get("files") or {}


def _all_unchanged(bundle: Bundle, paths: dict[str, Path]) -> bool:
    return bool(paths) and paths.keys() == _recorded_files(bundle).keys()


def _count(files: Iterable[DataFile]) -> int:
    return sum(file.n or 0 for file in files)


def _facts(
    bundle: Bundle,
    files: tuple[DataFile, ...],
    evaluations: Iterable[Evaluation],
    audit: AuditReport | None,
    paths: dict[str, Path],
) -> CardFacts:
    parts = {str(path): part for part, path in paths.items()}
    by_part = {parts[evaluation.file]: evaluation for evaluation in evaluations if evaluation.file in parts}
    scores = (
        tuple(
            _part_scores(bundle, part, by_part[part], "train" in paths) for part in ("val", "test") if part in by_part
        )
        or facts_from_training(bundle).scores
    )
    digests = {part: file["sha256"] for part, file in _recorded_files(bundle).items()}
    if audit is not None and {part.name: part.sha256 for part in audit.parts} == digests:
        return CardFacts(files, scores, audit)
    if not _all_unchanged(bundle, paths):
        reason = "its files are missing, or have changed since the training"
    elif _count(files) > MAX_AUDITED:
        reason = f"there are more than {MAX_AUDITED:,} articles"
    else:
        reason = "no audit was requested"
    return CardFacts(files, scores, None, reason)


def _data_files(bundle: Bundle, paths: dict[str, Path]) -> tuple[DataFile, ...]:
    """Describe the file of each part, from its articles if it is unchanged."""
    recorded = facts_from_training(bundle).files
    return tuple(_describe(file, paths[file.part]) if file.part in paths else file for file in recorded)


def _describe(file: DataFile, path: Path) -> DataFile:
    n = n_fake = n_undated = 0
    days: list[str] = []
    domains: Counter[str] = Counter()
    for article in iter_articles(path, require_label=True, report_repeats=False):
        n, n_fake = n + 1, n_fake + (article.target or 0)
        if article.time is None:
            n_undated += 1
        else:
            day = article.time.date().isoformat()
            days = [min(days[0], day), max(days[1], day)] if days else [day, day]
        if article.domain:
            domains[article.domain] += 1
    times = (days[0], days[1]) if days else None
    name = file_name(str(path))
    return DataFile(file.part, name, file.sha256, n, n_fake, times, n_undated, tuple(domains.most_common()))


def _part_scores(bundle: Bundle, part: str, evaluation: Evaluation, train_unchanged: bool) -> PartScores:
    """Return the scores of an evaluation; near-duplicates count only if the training articles are unchanged."""
    clean = evaluation.clean if train_unchanged else None
    without_duplicates = None
    if clean is not None and clean["n"] and clean["scores"]["macro_f1"] is not None:
        without_duplicates = (clean["n"], clean["scores"]["macro_f1"], clean["intervals"].get("macro_f1"))
    return PartScores(
        part, evaluation.n, evaluation.n_fake, evaluation.scores, evaluation.intervals,
        as_deployed=True,
        used_for=_used_for(bundle, part),
        near_duplicates=evaluation.overlap.near if train_unchanged and evaluation.overlap is not None else None,
        without_duplicates=without_duplicates,
        worst=_worst_slices(evaluation),
    )  # fmt: skip


def _used_for(bundle: Bundle, part: str) -> tuple[str, ...]:
    """Return what else an evaluated part was used for while the detector was made."""
    files = _recorded_files(bundle)
    digest = files[part]["sha256"]
    same = {name for name, file in files.items() if file["sha256"] == digest}  # a test may be a copy of val
    uses = [EPOCH_SELECTION] if "val" in same and not bundle.facts.get("fitted") else []
    if bundle.calibration is not None and not same.isdisjoint(bundle.calibration.fitted_on.split("; ")):
        uses.append(CALIBRATION)
    return tuple(uses)


def _worst_slices(evaluation: Evaluation) -> tuple[WorstSlice, ...]:
    """Return the slice of each kind with the lowest macro-F1, among those with enough articles of both labels."""
    worst = []
    for kind in dict.fromkeys(each.kind for each in evaluation.slices):
        slices = [each for each in evaluation.slices if each.kind == kind and each.n >= MIN_SLICE]
        scores = [(score, each) for each in slices if (score := each.scores["macro_f1"]) is not None]
        if len(scores) > 1:
            score, lowest = min(scores, key=lambda pair: pair[0])
            worst.append(WorstSlice(kind, lowest.name, lowest.n, score, lowest.intervals.get("macro_f1"), len(scores)))
    return tuple(worst)
