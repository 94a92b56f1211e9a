"""Scores of all runs from their predictions, summaries per detector, and differences between detectors."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from zhenwei.audit.significance import holm
from zhenwei.bundle.metrics import metrics_from_logits
from zhenwei.bundle.predict_logits import sigmoid
from zhenwei.evaluation.comparison.candidates import Candidate, run_folder
from zhenwei.evaluation.comparison.records import ComparedDetector, ComparedRun, Difference, Summary
from zhenwei.evaluation.comparison.runner import FinishedRun
from zhenwei.evaluation.comparison.shared_data import PartArticles
from zhenwei.evaluation.comparison.significance import LEVEL, ScoreSamples, estimate_difference, summarize
from zhenwei.evaluation.intervals import MIN_GROUPS
from zhenwei.evaluation.resampling import resampled_scores, resampled_weights

METRICS = ("macro_f1", "auc", "spauc", "acc", "f1_fake", "ece", "brier")
RANKING_METRIC = "macro_f1"
MAX_ROUNDS, MIN_ROUNDS, MAX_CELLS = 2000, 400, 20_000_000  # resamples; fewer if there are many articles
BOOTSTRAP_SEED = 2021

Samples = dict[tuple[str, str, str], ScoreSamples]  # by detector, part and metric
Pair = tuple[str, str]


def bootstrap_scores(
    candidates: Sequence[Candidate], finished: Sequence[FinishedRun], parts: Mapping[str, PartArticles]
) -> Samples:
    """Score every run on every part, as it is and on resamples that all runs share."""
    samples: Samples = {}
    for part, articles in parts.items():
        n = len(articles.labels)
        rounds = min(MAX_ROUNDS, max(MIN_ROUNDS, MAX_CELLS // n))
        resamples = resampled_weights(n, articles.groups, rounds, BOOTSTRAP_SEED)
        weights = np.concatenate([np.ones((1, n), resamples.dtype), resamples])  # the first row: every article once
        for candidate in candidates:
            runs = [
                resampled_scores(
                    articles.labels, sigmoid(each.predictions.logits[part]), each.predictions.threshold, weights,
                    METRICS,
                )
                for each in finished if each.run.detector == candidate.name
            ]  # fmt: skip
            for metric in METRICS:
                values = np.array([run[metric] for run in runs])
                samples[candidate.name, part, metric] = ScoreSamples(
                    values[:, 0], values[:, 1:], candidate.is_deterministic
                )
    return samples


def compared_detector(
    candidate: Candidate, finished: Sequence[FinishedRun], parts: Mapping[str, PartArticles], samples: Samples
) -> ComparedDetector:
    """Return the record of a detector and its runs."""
    runs = tuple(_compared_run(each, parts) for each in finished if each.run.detector == candidate.name)
    summaries: dict[str, dict[str, Summary]] = {
        part: {metric: summarize(samples[candidate.name, part, metric], articles.n_groups) for metric in METRICS}
        for part, articles in parts.items()
    }
    return ComparedDetector(candidate.name, candidate.settings(), runs, summaries)


def _compared_run(finished: FinishedRun, parts: Mapping[str, PartArticles]) -> ComparedRun:
    predictions, cost = finished.predictions, finished.cost
    scores = {
        part: metrics_from_logits(articles.labels, predictions.logits[part], predictions.threshold)
        for part, articles in parts.items()
    }
    return ComparedRun(
        finished.run.seed, str(run_folder(finished.run.folder)), scores, cost.seconds if cost else None,
        cost.peak_memory if cost else None, finished.loaded,
    )  # fmt: skip


def pairwise_differences(
    detectors: Sequence[ComparedDetector], baseline: str, parts: Mapping[str, PartArticles], samples: Samples
) -> tuple[Difference, ...]:
    """Compare pairs of detectors on every part by every metric; Holm's correction covers all pairs and parts.

    Args:
        detectors: All detectors.
        baseline: Name of the baseline; empty without one.
        parts: The articles by part.
        samples: The scores of all detectors.
    """
    pairs = choose_pairs(detectors, baseline, list(parts)[-1])
    differences: list[Difference] = []
    for metric in METRICS:
        estimates = []
        for part, articles in parts.items():
            for first, second in pairs if articles.n_groups >= MIN_GROUPS else ():
                one, other = samples[first, part, metric], samples[second, part, metric]
                if not (np.isfinite(one.values).all() and np.isfinite(other.values).all()):
                    continue  # undefined, with a single class
                estimates.append((part, first, second, estimate_difference(one, other, articles.n_groups)))
        corrected = holm(np.array([estimate.p for *_, estimate in estimates])).tolist()
        differences += [
            Difference(
                part, metric, first, second, estimate.value, estimate.interval, estimate.p, p, p < 1 - LEVEL
            )
            for (part, first, second, estimate), p in zip(estimates, corrected, strict=True)
        ]  # fmt: skip
    return tuple(differences)


def choose_pairs(detectors: Sequence[ComparedDetector], baseline: str, part: str) -> list[Pair]:
    """Return the pairs to compare: each with the baseline, debiased with plain, neighbors in rank.

    Args:
        detectors: All detectors.
        baseline: Name of the baseline; empty without one.
        part: The part that ranks them by macro-F1: test, if there is one.
    """
    names = [detector.name for detector in detectors]
    pairs = [(name, baseline) for name in names if baseline and name != baseline]
    plain = {_without_debiasing(detector): detector.name for detector in detectors if not _debias(detector)}
    debiased = [detector for detector in detectors if _debias(detector)]
    pairs += [(each.name, plain[key]) for each in debiased if (key := _without_debiasing(each)) in plain]
    mean = {detector.name: detector.summaries[part][RANKING_METRIC].mean for detector in detectors}
    ranked = sorted(names, key=lambda name: -1.0 if mean[name] is None else mean[name] or 0.0, reverse=True)
    pairs += pairwise(ranked)
    return [pair for index, pair in enumerate(pairs) if {*pair} not in map(set, pairs[:index])]


def _debias(detector: ComparedDetector) -> object:
    return detector.config["model"].get("debias")


def _without_debiasing(detector: ComparedDetector) -> str:
    return repr({**detector.config, "model": {**detector.config["model"], "debias": None}})
