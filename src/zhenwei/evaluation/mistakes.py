"""The worst mistakes of a detector: wrong verdicts with the highest confidence."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from zhenwei.bundle import Bundle
from zhenwei.bundle.attribution import word_attributions
from zhenwei.evaluation.predictions import FilePredictions
from zhenwei.evaluation.records import Mistake
from zhenwei.evaluation.resampling import Integers
from zhenwei.news import Article


def worst_mistakes(predictions: FilePredictions, groups: Integers, count: int) -> tuple[Mistake, ...]:
    """Return the wrong verdicts with the highest confidence, the most confident first.

    Of each group of near-duplicates only the most confident mistake is returned. False alarms and missed fakes get
    half of the list each, so that the more frequent kind does not hide the other; see `balance_kinds`.

    Args:
        predictions: The predictions of N articles.
        groups: [N] index of each article's group of near-duplicates.
        count: Maximum number of mistakes.
    """
    labels, logits, threshold = predictions.labels, predictions.logits, predictions.threshold
    probabilities = predictions.probabilities
    wrong = np.flatnonzero(predictions.verdicts != labels)
    with np.errstate(divide="ignore"):  # thresholds of 0 and 1 have infinite log odds
        confidence = np.abs(logits - (np.log(threshold) - np.log1p(-threshold)))
    if not np.isfinite(confidence).all():
        confidence = np.abs(logits)
    wrong = wrong[np.argsort(-confidence[wrong], kind="stable")]
    wrong = wrong[np.sort(np.unique(groups[wrong], return_index=True)[1])]  # the most confident of each group
    chosen = wrong[balance_kinds(labels[wrong].tolist(), count)]
    return tuple(
        Mistake(
            int(row) + 1, article.id, article.content, str(article.label), float(probabilities[row]),
            None if article.time is None else article.time.isoformat(sep=" "), article.domain,
        )
        for row, article in ((row, predictions.articles[row]) for row in chosen)
    )  # fmt: skip


def balance_kinds(kinds: Sequence[object], count: int) -> list[int]:
    """Choose half of the mistakes from each of two kinds; a kind with too few leaves its share to the other.

    Args:
        kinds: The kind of each mistake, the most confident mistake first.
        count: Maximum number of mistakes to choose.

    Returns:
        Indices into `kinds`, in ascending order.
    """
    half = (count + 1) // 2
    seen: Counter[object] = Counter()
    first_half: list[int] = []
    rest: list[int] = []
    for index, kind in enumerate(kinds):
        (first_half if seen[kind] < half else rest).append(index)
        seen[kind] += 1
    return sorted([*first_half, *rest][:count])


def add_word_attributions(
    mistakes: Sequence[Mistake], articles: Sequence[Article], bundle: Bundle, device: torch.device
) -> tuple[Mistake, ...]:
    """Add the attributions of its words to each mistake.

    Args:
        mistakes: Mistakes among the articles.
        articles: All articles of the file.
        bundle: The detector; its network is on the device.
        device: The device of the network.
    """
    attributions = word_attributions(bundle, [articles[mistake.row - 1] for mistake in mistakes], device)
    return tuple(replace(mistake, words=tuple(words)) for mistake, words in zip(mistakes, attributions, strict=True))
