"""The worst mistakes of a detector: the articles on whose wrong side it was, and surest of itself."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from zhenwei.bundle import Bundle
from zhenwei.bundle.attribution import word_attributions
from zhenwei.bundle.predict_logits import sigmoid
from zhenwei.evaluation.records import Mistake
from zhenwei.news import Article


def worst_mistakes(
    articles: Sequence[Article],
    labels: NDArray[np.int64],
    logits: NDArray[np.float64],
    threshold: float,
    groups: NDArray[np.int64],
    count: int,
) -> tuple[Mistake, ...]:
    """Return the surest wrong verdicts, the surest first.

    Of near-duplicates the surest is shown. False alarms and missed fakes get half of the places each, so that the
    commoner kind does not hide the other; see `half_of_each`.

    Args:
        articles: N articles.
        labels: [N] of 0 (real) or 1 (fake).
        logits: [N] log odds of the probabilities of fake.
        threshold: An article counts as fake from this probability on.
        groups: [N] number of each article's group of near-duplicates.
        count: The most mistakes to return.
    """
    probabilities = sigmoid(logits)
    wrong = np.flatnonzero((probabilities >= threshold) != (labels == 1))
    with np.errstate(divide="ignore"):  # thresholds of 0 and 1 are infinitely far from every article
        sureness = np.abs(logits - (np.log(threshold) - np.log1p(-threshold)))
    if not np.isfinite(sureness).all():
        sureness = np.abs(logits)
    wrong = wrong[np.argsort(-sureness[wrong], kind="stable")]
    wrong = wrong[np.sort(np.unique(groups[wrong], return_index=True)[1])]  # the surest of each group
    chosen = wrong[half_of_each(labels[wrong].tolist(), count)]
    return tuple(_mistake(articles[row], int(row), float(probabilities[row])) for row in chosen)


def half_of_each(kinds: Sequence[object], count: int) -> list[int]:
    """Choose some of the mistakes, the first ones of either kind; what one kind leaves free the other takes.

    Args:
        kinds: Of which of two kinds each mistake is, the surest mistake first.
        count: The most mistakes to choose.

    Returns:
        Their places in `kinds`, in order.
    """
    half = (count + 1) // 2
    taken: Counter[object] = Counter()
    first: list[int] = []
    later: list[int] = []
    for place, kind in enumerate(kinds):
        (first if taken[kind] < half else later).append(place)
        taken[kind] += 1
    return sorted([*first, *later][:count])


def with_words(
    mistakes: Sequence[Mistake], articles: Sequence[Article], bundle: Bundle, device: torch.device
) -> tuple[Mistake, ...]:
    """Add to each mistake how its words swayed the detector.

    Args:
        mistakes: Mistakes among the articles.
        articles: The file's articles.
        bundle: The detector; its network is on the device.
        device: Where the network is.
    """
    attributions = word_attributions(bundle, [articles[mistake.row - 1] for mistake in mistakes], device)
    return tuple(replace(mistake, words=tuple(words)) for mistake, words in zip(mistakes, attributions, strict=True))


def _mistake(article: Article, row: int, probability: float) -> Mistake:
    return Mistake(
        row=row + 1,
        id=article.id,
        content=article.content,
        label=str(article.label),
        probability=probability,
        time=None if article.time is None else article.time.isoformat(sep=" "),
        domain=article.domain,
    )
