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
from zhenwei.evaluation.overlap import training_digests
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
    return model_card(bundle, _facts(bundle, paths, evaluations, None, may_audit=True))


def card_from_evaluations(bundle: Bundle, evaluations: Iterable[Evaluation], audit: AuditReport | None) -> str:
    """Return the complete card of a detector that was already evaluated.

    Args:
        bundle: The detector.
        evaluations: Those of other files than its val and test are ignored.
        audit: Ignored unless it is of exactly the detector's files.
    """
    return model_card(bundle, _facts(bundle, unchanged_files(bundle), evaluations, audit))


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
    digests = training_digests(bundle)
    paths = {part: Path(bundle.facts["files"][part]["path"]) for part in digests}
    return {part: path for part, path in paths.items() if path.is_file() and file_sha256(path) == digests[part]}


def _facts(
    bundle: Bundle,
    paths: dict[str, Path],
    evaluations: Iterable[Evaluation],
    audit: AuditReport | None,
    may_audit: bool = False,
) -> CardFacts:
    """Return what the card reports; `may_audit`: audit the files if all are unchanged and there are not too many."""
    recorded = facts_from_training(bundle)
    files = tuple(_describe(file, paths[file.part]) if file.part in paths else file for file in recorded.files)
    by_file = {evaluation.file: evaluation for evaluation in evaluations}
    scores = tuple(
        _part_scores(bundle, part, by_file[str(paths[part])], "train" in paths)
        for part in ("val", "test")
        if part in paths and str(paths[part]) in by_file
    )
    digests = training_digests(bundle)
    unchanged = bool(paths) and paths.keys() == digests.keys()
    too_many = sum(file.n or 0 for file in files) > MAX_AUDITED
    if may_audit and unchanged and not too_many:
        audit = audit_files(paths)
    if audit is not None and {part.name: part.sha256 for part in audit.parts} == digests:
        return CardFacts(files, scores or recorded.scores, audit)
    if not unchanged:
        reason = "its files are missing, or have changed since the training"
    else:
        reason = f"there are more than {MAX_AUDITED:,} articles" if too_many else "no audit was requested"
    return CardFacts(files, scores or recorded.scores, None, reason)


def _describe(file: DataFile, path: Path) -> DataFile:
    """Describe a file by its articles."""
    articles = list(iter_articles(path, require_label=True, report_repeats=False))
    n, n_fake = len(articles), sum(article.target or 0 for article in articles)
    days = sorted(article.time.date().isoformat() for article in articles if article.time is not None)
    domains = Counter(article.domain for article in articles if article.domain).most_common()
    times = (days[0], days[-1]) if days else None
    return DataFile(file.part, file_name(str(path)), file.sha256, n, n_fake, times, n - len(days), tuple(domains))


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
    digests = training_digests(bundle)
    same = {name for name, digest in digests.items() if digest == digests[part]}  # a test may be a copy of val
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
