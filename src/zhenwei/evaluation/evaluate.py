"""Evaluate a detector on a labelled file: scores, their uncertainty, and where they come from."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from zhenwei.bundle import Bundle
from zhenwei.bundle.device import check_prediction_precision
from zhenwei.bundle.metrics import metrics_from_logits
from zhenwei.evaluation.intervals import MIN_GROUPS, ROUNDS, bootstrap_intervals
from zhenwei.evaluation.mistakes import add_word_attributions, worst_mistakes
from zhenwei.evaluation.overlap import TrainingArticles, find_overlap, training_articles, training_digests
from zhenwei.evaluation.predictions import FilePredictions, predict_file
from zhenwei.evaluation.records import Evaluation, Overlap
from zhenwei.evaluation.reliability import confusion, ece_by_chance, reliability_bins
from zhenwei.evaluation.resampling import Integers
from zhenwei.evaluation.slices import score_rows, score_slices
from zhenwei.hashing import file_sha256
from zhenwei.news import Article
from zhenwei.news.rewrites import content_groups, has_rewrites

MISTAKES = 20
FEW_ARTICLES = 30  # scores of fewer articles are hardly informative


def evaluate(
    bundle: Bundle,
    path: str | os.PathLike[str],
    *,
    train: str | os.PathLike[str] | None = None,
    device: str = "auto",
    precision: str = "float32",
    scores_only: bool = False,
    rounds: int = ROUNDS,
    seed: int = 0,
    slices: bool = True,
    mistakes: int = MISTAKES,
    words: bool = True,
) -> Evaluation:
    """Evaluate a detector on a labelled file.

    Args:
        bundle: The detector; its network is moved to the device.
        path: The file; every article needs a label. All articles are held in memory.
        train: The file of training articles; by default the one that the bundle records, if it still exists.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        precision: `float32`, or `auto` for the fastest precision of the device, which adds a warning.
        scores_only: Skip intervals, near-duplicates, slices and mistakes.
        rounds: Number of bootstrap resamples; 0 skips the intervals.
        seed: Seed of the bootstrap.
        slices: Compute scores by time, domain, length and entities.
        mistakes: Maximum number of mistakes to return.
        words: Compute the attributions of the words in these mistakes.

    Raises:
        CheckpointError: If a logit is not finite.
        ConfigError: If the device or the precision is unknown.
        DataError: If the file, or the file named by `train`, is missing or has invalid rows, such as rows without a
            label.
    """
    check_prediction_precision(precision)
    torch_device = bundle.to(device)
    predictions = predict_file(bundle, Path(path), torch_device, precision)
    labels, probabilities, threshold = predictions.labels, predictions.probabilities, predictions.threshold
    evaluation = Evaluation(
        file=str(predictions.path),
        n=len(labels),
        n_fake=int(labels.sum()),
        n_unsure=int(predictions.undecided.sum()),
        threshold=threshold,
        calibration=None if bundle.calibration is None else bundle.calibration.describe(),
        scores=metrics_from_logits(labels, predictions.logits, threshold),
        confusion=confusion(labels, predictions.verdicts),
        reliability=reliability_bins(labels, probabilities),
        predictions=predictions,
    )
    if scores_only:
        return replace(evaluation, warnings=tuple(_warnings(evaluation, bundle, None)))
    training, problems = training_articles(bundle, None if train is None else Path(train))
    matches = find_overlap(predictions.articles, training)
    groups, entities = matches.groups, None if training is None else training.entities
    clean_rows = None if matches.counts is None else np.flatnonzero(~matches.in_training)
    decided_rows = np.flatnonzero(~predictions.undecided) if predictions.undecided.any() else None
    worst = worst_mistakes(predictions, groups, mistakes)
    evaluation = replace(
        evaluation,
        intervals=bootstrap_intervals(
            labels, probabilities, threshold, groups=groups, logits=predictions.logits, rounds=rounds, seed=seed
        ),
        groups=int(groups.max()) + 1,
        rounds=rounds,
        ece_by_chance=ece_by_chance(probabilities, groups, seed) if rounds else None,
        slices=score_slices(predictions, groups, entities, rounds, seed) if slices else (),
        mistakes=add_word_attributions(worst, predictions.articles, bundle, torch_device) if words else worst,
        n_contents=_count_contents(predictions.articles),
        overlap=matches.counts,
        clean=None if clean_rows is None else _scores_of(predictions, clean_rows, groups, rounds, seed),
        decided=None if decided_rows is None else _scores_of(predictions, decided_rows, groups, rounds, seed),
    )
    return replace(evaluation, warnings=(*_warnings(evaluation, bundle, training), *problems))


def _count_contents(articles: Sequence[Article]) -> int | None:
    return int(content_groups(articles).max()) + 1 if has_rewrites(articles) else None


def _scores_of(
    predictions: FilePredictions, rows: Integers, groups: Integers, rounds: int, seed: int
) -> dict[str, Any]:
    """Return the scores of some articles, as `Evaluation.clean` and `Evaluation.decided` have them."""
    if not rows.size:
        return {"n": 0, "n_fake": 0, "scores": {}, "intervals": {}}
    scores, intervals = score_rows(predictions, rows, groups, rounds, seed)
    return {"n": scores["n"], "n_fake": scores["n_fake"], "scores": scores, "intervals": intervals}


def _warnings(evaluation: Evaluation, bundle: Bundle, training: TrainingArticles | None) -> Iterator[str]:
    """Yield what makes the scores less trustworthy, the most serious first."""
    n, n_fake = evaluation.n, evaluation.n_fake
    yield from _used_in_training(bundle, Path(evaluation.file), training)
    if evaluation.overlap is not None and evaluation.overlap.near:
        yield _overlap_warning(evaluation, evaluation.overlap)
    if n_fake in (0, n):
        yield f"All {n} articles are {'fake' if n_fake else 'real'}: metrics that need both classes are undefined."
    if n < FEW_ARTICLES:
        yield f"The file has very few articles ({n}): the scores say little; expected at least {FEW_ARTICLES}."
    if evaluation.groups is not None and evaluation.groups < min(n, MIN_GROUPS):
        yield (
            f"The {n} articles are near-duplicates of each other, in {evaluation.groups} groups: too few for intervals."
        )
    if evaluation.predictions is not None and evaluation.predictions.precision != "float32":
        yield (
            f"Evaluated in precision '{evaluation.predictions.precision}', the fastest of this device: probabilities "
            "differ slightly from those in float32, the default of all commands."
        )


def _used_in_training(bundle: Bundle, path: Path, training: TrainingArticles | None) -> Iterator[str]:
    """Yield a warning if the evaluated file was used in training."""
    digests = training_digests(bundle)
    digest = file_sha256(path) if digests else ""
    is_train = training is not None and training.path.exists() and training.path.samefile(path)
    if is_train or digest == digests.get("train"):
        yield "The detector was trained on these articles: the scores do not carry over to other articles."
    elif digest == digests.get("val"):
        yield (
            "The detector was validated on these articles: if they selected its epoch, its threshold or its "
            "calibration, the scores are optimistic."
        )


def _overlap_warning(evaluation: Evaluation, overlap: Overlap) -> str:
    """Return how many articles occur in training, and the score without them."""
    n, scores, clean = evaluation.n, evaluation.scores, evaluation.clean
    assert clean is not None
    text = (
        f"{overlap.near:,} of {n:,} articles ({overlap.near / n:.1%}) have a near-duplicate among the training "
        f"articles; {overlap.exact:,} of them are exact copies, and {overlap.same_label:,} have the same label."
    )
    if not clean["n"]:
        return f"{text} No article is left without one."
    name = "macro_f1" if scores["macro_f1"] is not None and clean["scores"]["macro_f1"] is not None else "acc"
    return f"{text} Without them: {name} {clean['scores'][name]:.3f} on {clean['n']:,} instead of {scores[name]:.3f}."
