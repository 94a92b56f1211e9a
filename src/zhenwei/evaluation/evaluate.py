"""All that is to be known of a detector from a labelled file: scores, how sure they are, and where they come from."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from zhenwei.bundle import Bundle
from zhenwei.bundle.device import check_prediction_precision
from zhenwei.bundle.metrics import Scores, metrics_from_logits
from zhenwei.bundle.predict_logits import sigmoid
from zhenwei.errors import CheckpointError
from zhenwei.evaluation.intervals import FEWEST_GROUPS, ROUNDS, bootstrap_intervals
from zhenwei.evaluation.mistakes import with_words, worst_mistakes
from zhenwei.evaluation.overlap import TrainingArticles, resemblance, training_articles
from zhenwei.evaluation.records import Evaluation, Interval, Overlap
from zhenwei.evaluation.reliability import confusion, ece_by_chance, reliability_bins
from zhenwei.evaluation.slices import slices_of
from zhenwei.hashing import file_sha256
from zhenwei.news import Article, iter_articles

logger = logging.getLogger(__name__)

MISTAKES = 20
FEW = 30  # articles: below, a score says next to nothing

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class JudgedFile:
    """The articles of a labelled file, and what a detector says of them.

    Attributes:
        path: The file.
        articles: N articles.
        labels: [N] of 0 (real) or 1 (fake).
        logits: [N] log odds of the detector's probabilities of fake.
        threshold: The detector's.
        device: Where its network is.
        precision: In which it judged.
    """

    path: Path
    articles: Sequence[Article]
    labels: Integers
    logits: Floats
    threshold: float
    device: torch.device
    precision: str = "float32"

    @property
    def probabilities(self) -> Floats:
        """[N] of fake."""
        return sigmoid(self.logits)


def assess_file(
    bundle: Bundle,
    path: str | os.PathLike[str],
    *,
    train: str | os.PathLike[str] | None = None,
    device: str = "auto",
    precision: str = "float32",
    rounds: int = ROUNDS,
    seed: int = 0,
    mistakes: int = MISTAKES,
    words: bool = True,
) -> Evaluation:
    """Judge a labelled file and find out how far the scores can be trusted.

    Args:
        bundle: The detector; its network is moved to the device.
        path: The file of articles; each needs a label. All of them are held in memory.
        train: The file that the detector was trained on; None: as its bundle remembers it, if it is still there.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        precision: `float32`, or `auto`: the fastest that the device has, of which a warning tells.
        rounds: Resamples for the intervals.
        seed: Of the resamples.
        mistakes: The most mistakes to show.
        words: Whether to look for the words that swayed the detector in these mistakes.

    Raises:
        CheckpointError: If the detector gives logits that are no numbers.
        ConfigError: If no device or precision is so called.
        DataError: If the file, or the training file that was named, is missing or has bad rows, a missing label
            included.
    """
    judged = judge_file(bundle, path, device, precision)
    return assess(bundle, judged, train=train, rounds=rounds, seed=seed, mistakes=mistakes, words=words)


def judge_file(
    bundle: Bundle, path: str | os.PathLike[str], device: str = "auto", precision: str = "float32"
) -> JudgedFile:
    """Judge a labelled file and keep its articles; see `assess_file`.

    The precision is `float32`, or `auto`, the fastest that the device has.
    """
    check_prediction_precision(precision)
    place = bundle.to(device)
    file = Path(path)
    encoded = bundle.featurizer().encode_file(file)
    logits = bundle.calibrated(bundle.predict_logits(encoded, place, precision))
    lost = int((~np.isfinite(logits)).sum())
    if lost:
        raise CheckpointError(
            f"{lost} of the {len(logits)} articles of {file} have no finite logit: the weights are bad"
        )
    articles = list(iter_articles(file, require_label=True, report_repeats=False))
    return JudgedFile(file, articles, encoded.labels.astype(np.int64), logits, bundle.threshold, place, precision)


def assess(
    bundle: Bundle,
    judged: JudgedFile,
    *,
    train: str | os.PathLike[str] | None = None,
    rounds: int = ROUNDS,
    seed: int = 0,
    mistakes: int = MISTAKES,
    words: bool = True,
) -> Evaluation:
    """Find out how far the scores of a judged file can be trusted; see `assess_file`."""
    known, doubts = training_articles(bundle, None if train is None else Path(train))
    alike = resemblance(judged.articles, known)
    groups = alike.groups
    count = int(groups.max()) + 1
    everything = np.arange(len(judged.labels))
    scores, intervals = _scored(judged, everything, groups, rounds, seed)
    clean = None if alike.overlap is None else _clean(judged, np.flatnonzero(~alike.known), groups, rounds, seed)
    worst = worst_mistakes(judged.articles, judged.labels, judged.logits, judged.threshold, groups, mistakes)
    verdicts = (judged.probabilities >= judged.threshold).astype(np.int64)
    return Evaluation(
        file=str(judged.path),
        n=int(scores["n"] or 0),
        n_fake=int(scores["n_fake"] or 0),
        threshold=judged.threshold,
        calibration=None if bundle.calibration is None else bundle.calibration.describe(),
        scores=scores,
        intervals=intervals,
        groups=count,
        rounds=rounds,
        confusion=confusion(judged.labels, verdicts),
        ece_by_chance=ece_by_chance(judged.probabilities, groups, seed),
        reliability=reliability_bins(judged.labels, judged.probabilities),
        slices=slices_of(
            judged.articles, judged.labels, judged.logits, judged.threshold,
            groups=groups, seen=None if known is None else known.entities, rounds=rounds, seed=seed,
        ),
        mistakes=with_words(worst, judged.articles, bundle, judged.device) if words else worst,
        overlap=alike.overlap,
        clean=clean,
        warnings=(*_warnings(judged, count, scores, alike.overlap, clean, _role(bundle, judged.path, known)), *doubts),
    )  # fmt: skip


def _scored(
    judged: JudgedFile, rows: Integers, groups: Integers, rounds: int, seed: int
) -> tuple[Scores, dict[str, Interval | None]]:
    """Return the scores of some articles, and their intervals."""
    labels, logits = judged.labels[rows], judged.logits[rows]
    scores = metrics_from_logits(labels, logits, judged.threshold)
    intervals = bootstrap_intervals(
        labels, sigmoid(logits), judged.threshold, groups=groups[rows], logits=logits, rounds=rounds, seed=seed
    )
    return scores, intervals


def _clean(judged: JudgedFile, rows: Integers, groups: Integers, rounds: int, seed: int) -> dict[str, Any]:
    """Return the scores of the articles that have no near-duplicate in training, as `Assessment.clean`."""
    if not rows.size:
        return {"n": 0, "n_fake": 0, "scores": {}, "intervals": {}}
    scores, intervals = _scored(judged, rows, groups, rounds, seed)
    return {"n": scores["n"], "n_fake": scores["n_fake"], "scores": scores, "intervals": intervals}


def _warnings(
    judged: JudgedFile,
    groups: int,
    scores: Scores,
    overlap: Overlap | None,
    clean: dict[str, Any] | None,
    role: str | None,
) -> list[str]:
    """Say what makes the scores less trustworthy, the gravest first."""
    n, n_fake = len(judged.labels), int(judged.labels.sum())
    found = [] if role is None else [role]
    if overlap is not None and clean is not None and overlap.near:
        found.append(_overlap_warning(overlap, n, scores, clean))
    if n_fake in (0, n):
        found.append(f"All {n} articles are {'fake' if n_fake else 'real'}: what needs both classes is undefined.")
    if n < FEW:
        found.append(
            f"The file has very few articles ({n}): their scores say next to nothing; expected {FEW} at least."
        )
    if groups < min(n, FEWEST_GROUPS):
        found.append(
            f"The {n} articles are near-duplicates of each other, {groups} groups of them: too few to tell more."
        )
    if judged.precision != "float32":
        found.append(
            f"Judged in precision '{judged.precision}', the fastest that this device has: in float32, which is what "
            "verdicts are made in unless told otherwise, probabilities are a little different."
        )
    return found


def _role(bundle: Bundle, path: Path, known: TrainingArticles | None) -> str | None:
    """Say if the judged file had a part in the training."""
    files = bundle.facts.get("files", {})
    digest = file_sha256(path) if files else None
    is_train = known is not None and known.path.exists() and known.path.samefile(path)
    if is_train or digest == files.get("train", {}).get("sha256", ""):
        return "These are the articles that the detector was trained on: the scores say nothing of others."
    if digest == files.get("val", {}).get("sha256", ""):
        return (
            "These are the articles that the detector was validated on: where they chose its epoch, its threshold or "
            "its calibration, the scores flatter it."
        )
    return None


def _overlap_warning(overlap: Overlap, n: int, scores: Scores, clean: dict[str, Any]) -> str:
    """Say how many articles the detector knew from training, and what it scores on the others."""
    text = (
        f"{overlap.near:,} of {n:,} articles ({overlap.near / n:.1%}) have a near-duplicate among the training "
        f"articles, {overlap.exact:,} of them an exact copy; {overlap.same_label:,} with the same label."
    )
    if not clean["n"]:
        return f"{text} No article is left without one."
    name = "macro_f1" if scores["macro_f1"] is not None and clean["scores"]["macro_f1"] is not None else "acc"
    return f"{text} Without them: {name} {clean['scores'][name]:.3f} on {clean['n']:,} instead of {scores[name]:.3f}."
