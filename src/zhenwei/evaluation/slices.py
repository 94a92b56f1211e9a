"""Scores of parts of the articles: by month, domain, length, and by whether their entities were seen in training."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from zhenwei.bundle.metrics import metrics_from_logits
from zhenwei.bundle.predict_logits import sigmoid
from zhenwei.evaluation.intervals import bootstrap_intervals
from zhenwei.evaluation.records import Slice
from zhenwei.news import Article

MOST_MONTHS = 36  # beyond them, years
LENGTHS = (50, 100, 150, 300, 1000)  # characters: the longest text of each bin but the last
WITH_INTERVALS = ("macro_f1", "auc", "f1_real", "f1_fake", "acc")
NO_DOMAIN, NO_TIME = "no domain", "no time"
SEEN, UNSEEN, NO_ENTITIES = "seen in training", "unseen in training", "no entities"

Names = Sequence[str | None]


def slices_of(
    articles: Sequence[Article],
    labels: NDArray[np.int64],
    logits: NDArray[np.float64],
    threshold: float,
    *,
    groups: NDArray[np.int64] | None = None,
    seen: frozenset[str] | None = None,
    rounds: int,
    seed: int,
) -> tuple[Slice, ...]:
    """Score the parts that the articles tell of; where all articles are in one part, it is left out.

    Args:
        articles: N articles.
        labels: [N] of 0 (real) or 1 (fake).
        logits: [N] log odds of the probabilities of fake.
        threshold: An article counts as fake from this probability on.
        groups: [N] number of each article's group of near-duplicates.
        seen: The entities of the training articles; None where nothing is known of them.
        rounds: Resamples for the intervals.
        seed: Of the resamples.

    Returns:
        The slices of one kind after the other, each kind in its own order: time, name, length.
    """
    found = []
    for kind, names, order in _kinds(articles, seen):
        parts = np.array([order.index(name) if name is not None else -1 for name in names])
        present = [part for part in range(len(order)) if (parts == part).any()]
        if len(present) < 2 and (parts >= 0).all():
            continue
        for part in present:
            rows = np.flatnonzero(parts == part)
            scores = metrics_from_logits(labels[rows], logits[rows], threshold)
            intervals = bootstrap_intervals(
                labels[rows], sigmoid(logits[rows]), threshold, groups=None if groups is None else groups[rows],
                metrics=WITH_INTERVALS, rounds=rounds, seed=seed,
            )  # fmt: skip
            n, n_fake = len(rows), int(labels[rows].sum())
            found.append(Slice(kind, order[part], n, n_fake, scores, intervals))
    return tuple(found)


def _kinds(articles: Sequence[Article], seen: frozenset[str] | None) -> Iterator[tuple[str, Names, list[str]]]:
    """Yield each kind, the name of each article's slice (None: in none), and the names in their order."""
    if any(article.time is not None for article in articles):
        months = [_date(article, "%Y-%m") for article in articles]
        kind = "month" if len({*months}) <= MOST_MONTHS else "year"
        names = months if kind == "month" else [_date(article, "%Y") for article in articles]
        yield kind, names, _with_last(names, NO_TIME)
    if any(article.domain is not None for article in articles):
        domains = [article.domain or NO_DOMAIN for article in articles]
        yield "domain", domains, _with_last(domains, NO_DOMAIN)
    bins = [*map(_length_name, range(len(LENGTHS) + 1))]
    yield "length", [bins[int(np.searchsorted(LENGTHS, len(article.content)))] for article in articles], bins
    if seen is not None and any(article.entity_list is not None for article in articles):
        yield "entities", [_familiarity(article, seen) for article in articles], [SEEN, UNSEEN, NO_ENTITIES]


def _date(article: Article, form: str) -> str:
    return NO_TIME if article.time is None else article.time.strftime(form)


def _with_last(names: Sequence[str], last: str) -> list[str]:
    """Return the distinct names in order, one of them last."""
    return sorted({*names}, key=lambda name: (name == last, name))


def _length_name(place: int) -> str:
    if place == len(LENGTHS):
        return f"over {LENGTHS[-1]}"
    return f"{1 if place == 0 else LENGTHS[place - 1] + 1}-{LENGTHS[place]}"


def _familiarity(article: Article, seen: frozenset[str]) -> str | None:
    """Say whether training articles were about an article's entities; None where nobody looked for entities."""
    if article.entity_list is None:
        return None
    if not article.entity_list:
        return NO_ENTITIES
    return UNSEEN if seen.isdisjoint(article.entity_list) else SEEN
