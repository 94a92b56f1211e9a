"""From the predictions of all runs to scores, their summaries, and the differences between detectors."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from zhenwei.bundle.metrics import metrics_from_logits
from zhenwei.bundle.predict_logits import sigmoid
from zhenwei.evaluation.comparison.entries import Entry
from zhenwei.evaluation.comparison.records import ComparedDetector, ComparedRun, Difference, Summary
from zhenwei.evaluation.comparison.runner import FinishedRun
from zhenwei.evaluation.comparison.shared_data import JudgedArticles
from zhenwei.evaluation.comparison.significance import LEVEL, Sampled, estimate_difference, holm, summarise
from zhenwei.evaluation.intervals import FEWEST_GROUPS
from zhenwei.evaluation.resampling import resampled_scores, resampled_weights

METRICS = ("macro_f1", "auc", "spauc", "acc", "f1_fake", "ece", "brier")
RANKED_BY = "macro_f1"
LOWER_IS_BETTER = frozenset({"ece", "brier"})
MOST_ROUNDS, FEWEST_ROUNDS, CELLS = 2000, 400, 20_000_000  # resamples; fewer where there are many articles
RESAMPLING_SEED = 2021

Samples = dict[tuple[str, str, str], Sampled]  # by detector, part and metric
Pair = tuple[str, str]


def sample_scores(
    entries: Sequence[Entry], done: Sequence[FinishedRun], judged: Mapping[str, JudgedArticles]
) -> Samples:
    """Score every run on every part, as it is and on the same resamples for all."""
    samples: Samples = {}
    for part, articles in judged.items():
        n = len(articles.labels)
        rounds = min(MOST_ROUNDS, max(FEWEST_ROUNDS, CELLS // n))
        drawn = resampled_weights(n, articles.groups, rounds, RESAMPLING_SEED)
        weights = np.concatenate([np.ones((1, n), drawn.dtype), drawn])  # the first: all articles, once
        for entry in entries:
            runs = [
                resampled_scores(
                    articles.labels, sigmoid(each.predictions.calibrated[part]), each.predictions.threshold, weights,
                    METRICS,
                )
                for each in done if each.run.detector == entry.name
            ]  # fmt: skip
            for metric in METRICS:
                values = np.array([run[metric] for run in runs])
                samples[entry.name, part, metric] = Sampled(values[:, 0], values[:, 1:], entry.is_deterministic)
    return samples


def compared_detector(
    entry: Entry, done: Sequence[FinishedRun], judged: Mapping[str, JudgedArticles], samples: Samples
) -> ComparedDetector:
    """Return the record of a detector and its runs."""
    runs = []
    for each in done:
        if each.run.detector != entry.name:
            continue
        said = each.predictions
        scores = {
            part: metrics_from_logits(articles.labels, said.calibrated[part], said.threshold)
            for part, articles in judged.items()
        }
        cost = each.cost
        runs.append(
            ComparedRun(
                each.run.seed, str(_run_folder(each)), scores, cost.seconds if cost else None,
                cost.peak_memory if cost else None, each.loaded,
            )
        )  # fmt: skip
    summaries: dict[str, dict[str, Summary]] = {
        part: {metric: summarise(samples[entry.name, part, metric], articles.n_groups) for metric in METRICS}
        for part, articles in judged.items()
    }
    return ComparedDetector(entry.name, entry.settings(), tuple(runs), summaries)


def _run_folder(done: FinishedRun) -> Path:
    folder = done.run.folder
    named_by_run = folder.name == "best" and folder.parent.name == "checkpoints"
    return folder.parents[1] if named_by_run else folder


def differences(
    detectors: Sequence[ComparedDetector], baseline: str, judged: Mapping[str, JudgedArticles], samples: Samples
) -> tuple[Difference, ...]:
    """Compare pairs of detectors on every part by every metric; Holm's correction is over all pairs and parts.

    Args:
        detectors: All.
        baseline: With it, every detector is compared; empty: there is none.
        judged: The articles by part.
        samples: The scores of all.
    """
    pairs = chosen_pairs(detectors, baseline, list(judged)[-1])
    found: list[Difference] = []
    for metric in METRICS:
        made = []
        for part, articles in judged.items():
            for first, second in pairs if articles.n_groups >= FEWEST_GROUPS else ():
                one, other = samples[first, part, metric], samples[second, part, metric]
                if not (np.isfinite(one.values).all() and np.isfinite(other.values).all()):
                    continue  # undefined, where there is one class alone
                made.append((part, first, second, estimate_difference(one, other, articles.n_groups)))
        corrected = holm([estimate.p for *_, estimate in made])
        found += [
            Difference(
                part, metric, first, second, estimate.value, estimate.interval, estimate.p, p, p < 1 - LEVEL
            )
            for (part, first, second, estimate), p in zip(made, corrected, strict=True)
        ]  # fmt: skip
    return tuple(found)


def chosen_pairs(detectors: Sequence[ComparedDetector], baseline: str, part: str) -> list[Pair]:
    """Return which detectors are compared: each with the baseline, each with itself debiased, neighbours in rank.

    Args:
        detectors: All.
        baseline: Name of one; empty: there is none.
        part: What ranks them, by macro-F1: the future, where there is one.
    """
    names = [detector.name for detector in detectors]
    pairs = [(name, baseline) for name in names if baseline and name != baseline]
    plain = {_without_debiasing(detector): detector.name for detector in detectors if not _debias(detector)}
    for detector in detectors:
        other = plain.get(_without_debiasing(detector))
        if _debias(detector) and other is not None:
            pairs.append((detector.name, other))
    mean = {detector.name: detector.summaries[part][RANKED_BY].mean for detector in detectors}
    ranked = sorted(names, key=lambda name: -1.0 if mean[name] is None else mean[name] or 0.0, reverse=True)
    pairs += pairwise(ranked)
    known: set[frozenset[str]] = set()
    return [pair for pair in pairs if not (frozenset(pair) in known or known.add(frozenset(pair)))]  # type: ignore[func-returns-value]


def _debias(detector: ComparedDetector) -> object:
    return detector.config["model"].get("debias")


def _without_debiasing(detector: ComparedDetector) -> str:
    return repr({**detector.config, "model": {**detector.config["model"], "debias": None}})
