"""The whole model card of a detector: what its bundle's own card cannot know before it is judged and audited.

What is judged here must be what the detector was made with, by its digest: else the card says nothing of it.
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
    CALIBRATED,
    CHOSE_EPOCH,
    CardFacts,
    CardPart,
    Scored,
    WorstSlice,
    facts_of_training,
    file_name,
)
from zhenwei.bundle.card.signature import CardState, card_state, marked
from zhenwei.errors import CheckpointError
from zhenwei.evaluation.evaluate import evaluate
from zhenwei.evaluation.intervals import ROUNDS
from zhenwei.evaluation.records import Evaluation
from zhenwei.hashing import file_sha256
from zhenwei.news import iter_articles
from zhenwei.training.run_folder import lock_bundle

logger = logging.getLogger(__name__)

MOST_AUDITED = 50_000  # articles that are audited unasked: near-duplicates of more take memory and minutes
FEWEST = 30  # articles of a slice that is worth naming
GONE = "its files are no longer at hand as they were when the detector was trained"


def complete_card(bundle: Bundle, *, device: str = "auto", rounds: int = ROUNDS) -> str:
    """Judge and audit what a detector was made with, as far as it is at hand, and return its whole card.

    Args:
        bundle: The detector; its network is moved to the device.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        rounds: Resamples for the intervals.

    Raises:
        CheckpointError: If the detector gives logits that are no numbers.
        DataError: If an article lacks what this detector needs.
    """
    files = unchanged_files(bundle)
    judged = [
        evaluate(bundle, files[part], device=device, rounds=rounds, mistakes=0)
        for part in ("val", "test")
        if part in files
    ]
    audit = None
    parts = _described(bundle, files)
    if _all_there(bundle, files) and sum(part.n or 0 for part in parts) <= MOST_AUDITED:
        audit = audit_files(files)
    return model_card(bundle, _facts(bundle, parts, judged, audit, files))


def card_of(bundle: Bundle, assessments: Iterable[Evaluation], audit: AuditReport | None) -> str:
    """Return the whole card of a detector that has been judged, and whose articles may have been audited.

    Args:
        bundle: The detector.
        assessments: Of its val and test; others say nothing here.
        audit: Of all its files; another one says nothing here.
    """
    files = unchanged_files(bundle)
    return model_card(bundle, _facts(bundle, _described(bundle, files), assessments, audit, files))


def write_card(
    bundle: Bundle, folder: Path, assessments: Iterable[Evaluation], audit: AuditReport | None, judged: str
) -> bool:
    """Replace a bundle's card by the whole one; one that somebody has edited stays.

    Args:
        bundle: The detector.
        folder: The bundle's.
        assessments: Of its val and test.
        audit: Of its files.
        judged: The digest of the folder's `detector.json`, as it was before the detector was loaded from there.

    Returns:
        Whether it was written.

    Raises:
        CheckpointError: If another process writes the run that the bundle belongs to, or the folder holds another
            detector by now.
        OSError: If it cannot be written; the older card is left as it was.
    """
    with lock_bundle(folder):
        if file_sha256(folder / DESCRIPTION) != judged:
            raise CheckpointError(f"{folder}: holds another detector by now than the one that was judged")
        if card_state(folder / CARD) is CardState.EDITED:
            return False
        write_atomic(marked(card_of(bundle, assessments, audit), whole=True), folder / CARD)
    return True


def unchanged_files(bundle: Bundle) -> dict[str, Path]:
    """Return the files of a detector's training that are at hand, by part, and still hold what they held then."""
    found = {}
    for part, each in (bundle.facts.get("files") or {}).items():
        path = Path(each["path"])
        if path.is_file() and file_sha256(path) == each["sha256"]:
            found[part] = path
    return found


def _all_there(bundle: Bundle, files: dict[str, Path]) -> bool:
    return bool(files) and files.keys() == bundle.facts["files"].keys()


def _facts(
    bundle: Bundle,
    parts: tuple[CardPart, ...],
    assessments: Iterable[Evaluation],
    audit: AuditReport | None,
    files: dict[str, Path],
) -> CardFacts:
    short = facts_of_training(bundle)
    part_of = {str(path): part for part, path in files.items()}
    by_part = {part_of[each.file]: each for each in assessments if each.file in part_of}
    scored = tuple(
        _scored(bundle, part, by_part[part], "train" in files) for part in ("val", "test") if part in by_part
    )
    audited = None if audit is None else {part.name: part.sha256 for part in audit.parts}
    remembered = {part: each["sha256"] for part, each in (bundle.facts.get("files") or {}).items()}
    if audit is not None and audited == remembered:
        return CardFacts(parts, scored or short.scored, audit)
    if not _all_there(bundle, files):
        why = GONE
    elif sum(part.n or 0 for part in parts) > MOST_AUDITED:
        why = f"these are more than {MOST_AUDITED:,} articles"
    else:
        why = "nobody has asked for it"
    return CardFacts(parts, scored or short.scored, None, why)


def _described(bundle: Bundle, files: dict[str, Path]) -> tuple[CardPart, ...]:
    """Return what is known of each part, read from its file where that is at hand."""
    known = facts_of_training(bundle).parts
    return tuple(_read(part, files[part.part]) if part.part in files else part for part in known)


def _read(part: CardPart, path: Path) -> CardPart:
    n = n_fake = timeless = 0
    days: list[str] = []
    domains: Counter[str] = Counter()
    for article in iter_articles(path, require_label=True, report_repeats=False):
        n, n_fake = n + 1, n_fake + (article.target or 0)
        if article.time is None:
            timeless += 1
        else:
            day = article.time.date().isoformat()
            days = [min(days[0], day), max(days[1], day)] if days else [day, day]
        if article.domain:
            domains[article.domain] += 1
    times = (days[0], days[1]) if days else None
    return CardPart(
        part.part, file_name(str(path)), part.sha256, n, n_fake, times, timeless, tuple(domains.most_common())
    )


def _scored(bundle: Bundle, part: str, found: Evaluation, train_unchanged: bool) -> Scored:
    """Return what a card says of an assessment; of near-duplicates, only if they are of what the detector learned."""
    clean = None
    if (
        train_unchanged
        and found.clean is not None
        and found.clean["n"]
        and found.clean["scores"]["macro_f1"] is not None
    ):
        clean = (found.clean["n"], found.clean["scores"]["macro_f1"], found.clean["intervals"].get("macro_f1"))
    return Scored(
        part, found.n, found.n_fake, found.scores, found.intervals,
        as_used=True,
        flattered=_flattered(bundle, part),
        near=found.overlap.near if train_unchanged and found.overlap is not None else None,
        clean=clean,
        worst=_worst(found),
    )  # fmt: skip


def _flattered(bundle: Bundle, part: str) -> tuple[str, ...]:
    """Say what a part chose of the detector that it judges."""
    files = bundle.facts.get("files") or {}
    digest = files[part]["sha256"]
    same = {name for name, each in files.items() if each["sha256"] == digest}  # a test may be a copy of val
    chose = [CHOSE_EPOCH] if "val" in same and not bundle.facts.get("fitted") else []
    if bundle.calibration is not None and not same.isdisjoint(bundle.calibration.fitted_on.split("; ")):
        chose.append(CALIBRATED)
    return tuple(chose)


def _worst(found: Evaluation) -> tuple[WorstSlice, ...]:
    """Return the slice of each kind that has the lowest macro-F1, among those with enough articles of both labels."""
    worst = []
    for kind in dict.fromkeys(each.kind for each in found.slices):
        slices = [each for each in found.slices if each.kind == kind and each.n >= FEWEST]
        scores = [(score, each) for each in slices if (score := each.scores["macro_f1"]) is not None]
        if len(scores) > 1:
            score, lowest = min(scores, key=lambda pair: pair[0])
            worst.append(WorstSlice(kind, lowest.name, lowest.n, score, lowest.intervals.get("macro_f1"), len(scores)))
    return tuple(worst)
