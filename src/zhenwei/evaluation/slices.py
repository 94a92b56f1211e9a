"""Scores of subsets of the articles: by time, domain, length, and whether their entities occur in training."""

from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise

import numpy as np

from zhenwei.bundle.metrics import Scores, metrics_from_logits
from zhenwei.bundle.predict_logits import sigmoid
from zhenwei.evaluation.intervals import bootstrap_intervals
from zhenwei.evaluation.predictions import FilePredictions
from zhenwei.evaluation.records import Interval, Slice
from zhenwei.evaluation.resampling import Integers
from zhenwei.news import Article

MAX_MONTHS = 36  # with more months, slices are years
LENGTHS = (50, 100, 150, 300, 1000)  # upper edges of the length bins in characters; the last bin is open
INTERVAL_METRICS = ("macro_f1", "auc", "f1_real", "f1_fake", "acc")
NO_DOMAIN, NO_TIME = "no domain", "no time"
SEEN, UNSEEN, NO_ENTITIES = "seen in training", "unseen in training", "no entities"

Names = Sequence[str | None]


def score_slices(
    predictions: FilePredictions, groups: Integers, training_entities: frozenset[str] | None, rounds: int, seed: int
) -> tuple[Slice, ...]:
    """Score the slices of each kind; a kind with all articles in one slice is omitted.

    Args:
        predictions: The predictions of N articles.
        groups: [N] index of each article's group of near-duplicates.
        training_entities: The entities of the training articles; None if they are unknown.
        rounds: Number of bootstrap resamples; 0 skips the intervals.
        seed: Seed of the bootstrap.

    Returns:
        The slices, kind by kind; within a kind by time, name or length.
    """
    slices = []
    for kind, names, order in _kinds(predictions.articles, training_entities):
        members = np.array([order.index(name) if name is not None else -1 for name in names])
        present = [index for index in range(len(order)) if (members == index).any()]
        if len(present) < 2 and (members >= 0).all():
            continue
        for index in present:
            rows = np.flatnonzero(members == index)
            scores, intervals = score_rows(predictions, rows, groups, rounds, seed, INTERVAL_METRICS)
            n_fake = int(predictions.labels[rows].sum())
            slices.append(Slice(kind, order[index], len(rows), n_fake, scores, intervals))
    return tuple(slices)


def score_rows(
    predictions: FilePredictions,
    rows: Integers,
    groups: Integers,
    rounds: int,
    seed: int,
    metrics: Collection[str] | None = None,
) -> tuple[Scores, dict[str, Interval | None]]:
    """Return the scores of some articles, and the intervals of these metrics (all by default)."""
    labels, logits, threshold = predictions.labels[rows], predictions.logits[rows], predictions.threshold
    intervals = bootstrap_intervals(
        labels, sigmoid(logits), threshold,
        groups=groups[rows], logits=logits, metrics=metrics, rounds=rounds, seed=seed,
    )  # fmt: skip
    return metrics_from_logits(labels, logits, threshold), intervals


def _kinds(
    articles: Sequence[Article], training_entities: frozenset[str] | None
) -> Iterator[tuple[str, Names, list[str]]]:
    """Yield each kind, the slice of each article (None: no slice), and the slices in their order."""
    if any(article.time is not None for article in articles):
        months = [_date(article, "%Y-%m") for article in articles]
        kind = "month" if len({*months}) <= MAX_MONTHS else "year"
        names = months if kind == "month" else [_date(article, "%Y") for article in articles]
        yield kind, names, _sorted_names(names, last=NO_TIME)
    if any(article.domain is not None for article in articles):
        domains = [article.domain or NO_DOMAIN for article in articles]
        yield "domain", domains, _sorted_names(domains, last=NO_DOMAIN)
    bins = [*(f"{low + 1}-{high}" for low, high in pairwise((0, *LENGTHS))), f"over {LENGTHS[-1]}"]
    yield "length", [bins[int(np.searchsorted(LENGTHS, len(article.content)))] for article in articles], bins
    if training_entities is not None and any(article.entity_list is not None for article in articles):
        yield "entities", [_entity_slice(each, training_entities) for each in articles], [SEEN, UNSEEN, NO_ENTITIES]


def _date(article: Article, form: str) -> str:
    return NO_TIME if article.time is None else article.time.strftime(form)


def _sorted_names(names: Sequence[str], last: str) -> list[str]:
    """Return the distinct names in order, with one of them at the end."""
    return sorted({*names}, key=lambda name: (name == last, name))


def _entity_slice(article: Article, training_entities: frozenset[str]) -> str | None:
    """Return whether an article's entities occur in training; None if the article has no field `entity_list`."""
    if article.entity_list is None:
        return None
    if not article.entity_list:
        return NO_ENTITIES
    return UNSEEN if training_entities.isdisjoint(article.entity_list) else SEEN
