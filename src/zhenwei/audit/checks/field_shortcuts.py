"""Fields, missing fields, and the text length that alone predict the label."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zhenwei.audit.dataset import AuditDataset
from zhenwei.audit.findings import Finding, Table
from zhenwei.audit.format import excerpt, make_finding, not_checked
from zhenwei.audit.shortcut_report import TOO_FEW_LABELS, shortcut_finding
from zhenwei.audit.significance import macro_f1
from zhenwei.audit.single_feature import (
    FeatureScore,
    FeatureSplit,
    ThresholdRule,
    confusion,
    presence_scores,
    score_feature,
    score_presence,
)
from zhenwei.audit.thresholds import MAX_VALUES

_MAX_CATEGORIES = 20  # distinct numbers up to which each one is a category; more are cut by a threshold
_MIN_VALUE_SUPPORT = 5  # articles of a value with a label of its own
_DIGITS = re.compile(r"\d+")
_ADVICE = (
    "the labels come from different sources, and the texts will reflect that, too: collect both labels in the same "
    "way, or evaluate on a source that has both"
)


def shortcut_fields(dataset: AuditDataset) -> Finding:
    """Test each field alone: its values, or a threshold of its numbers."""
    names = ("shortcut_fields", "A field predicts the label")
    split = dataset.holdout_split
    if split is None:
        return not_checked(*names, TOO_FEW_LABELS)
    columns = dict(_columns(dataset))
    scores = [
        score
        for name, values in columns.items()
        if (score := _score_field(dataset, split, name, values, len(columns))) is not None
    ]
    if not scores:
        return not_checked(*names, "no article has a field beside its text and label that could predict anything")
    best = max(scores, key=lambda score: score.lower_bound)
    table = _values_table(dataset, split, best.name, columns[best.name])
    return shortcut_finding(*names, scores, split, advice=_ADVICE, tables=[table])


def shortcut_missing_fields(dataset: AuditDataset) -> Finding:
    """Test whether the presence of a field predicts the label."""
    names = ("shortcut_missing_fields", "A missing field predicts the label")
    split = dataset.feature_split
    if split is None:
        return not_checked(*names, TOO_FEW_LABELS)
    varying = {name: has for name, has in _presence(dataset) if 0 < has[split.fit].sum() < len(split.fit)}
    if not varying:
        return make_finding(*names, "every field is present in all articles, or in none", None)
    n_real, n_fake = dataset.count_by_label(split.fit)
    real, fake = np.array([dataset.count_by_label(split.fit[has[split.fit]]) for has in varying.values()], float).T
    fit_scores, means_fake = presence_scores(fake, real, n_fake, n_real)
    targets, n_comparisons = dataset.targets[split.evaluate], (1 + split.same) * len(varying)
    scores = [
        score_presence(name, float(score), bool(is_fake), has[split.evaluate], targets, n_comparisons)
        for (name, has), score, is_fake in zip(varying.items(), fit_scores, means_fake, strict=True)
    ]
    return shortcut_finding(*names, scores, split, advice=_ADVICE)


def shortcut_length(dataset: AuditDataset) -> Finding:
    """Test the number of characters alone."""
    names = ("shortcut_length", "The length predicts the label")
    split = dataset.holdout_split
    if split is None:
        return not_checked(*names, TOO_FEW_LABELS)
    lengths = np.array([len(text) for text in dataset.texts], np.float64)
    score = _score_numbers(dataset, split, "characters", lengths, 1)
    targets = dataset.targets
    cells: list[tuple[str | int, ...]] = []
    for label, target in (("real", 0), ("fake", 1)):
        values = lengths[split.fit[targets[split.fit] == target]]
        quantiles = np.quantile(values, (0.05, 0.25, 0.5, 0.75, 0.95))
        cells.append((label, len(values), *(int(value) for value in quantiles)))
    table = Table("characters, by label", ("label", "articles", "5%", "25%", "median", "75%", "95%"), tuple(cells))
    advice = "find out why the texts of one label are longer: truncated by the source, or of another kind"
    return shortcut_finding(*names, [score], split, advice=advice, tables=[table])


def _columns(dataset: AuditDataset) -> Iterator[tuple[str, Sequence[Any]]]:
    """Yield each field with its N values or None, including features that are derived from ids and times."""
    yield "domain", dataset.domains
    yield "id without its digits", [None if id_ is None else _DIGITS.sub("#", id_) for id_ in dataset.ids]
    has_time = ~np.isnat(dataset.times)
    hours = dataset.times.astype("datetime64[h]").astype(np.int64) % 24
    yield "hour of time", [f"{hour:02d}:00" if has else None for hour, has in zip(hours, has_time, strict=True)]
    yield "number of entities", [None if names is None else len(names) for names in dataset.entities]
    for name, values in dataset.extra.items():
        yield name, [len(value) if isinstance(value, list | dict | tuple) else value for value in values]


def _presence(dataset: AuditDataset) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yield each optional field with [N] whether an article has it."""
    for name, values in (("id", dataset.ids), ("domain", dataset.domains), ("entity_list", dataset.entities)):
        yield name, np.array([value is not None for value in values], bool)
    yield "time", ~np.isnat(dataset.times)
    yield "emotion", dataset.emotion
    for name, column in dataset.extra.items():
        yield name, np.array([value is not None and value != "" for value in column], bool)


def _score_field(
    dataset: AuditDataset, split: FeatureSplit, name: str, values: Sequence[Any], n_comparisons: int
) -> FeatureScore | None:
    """Score one field; None if it has a single value in all articles for fitting."""
    numbers = _as_numbers(values)
    if numbers is not None:
        return _score_numbers(dataset, split, name, numbers, n_comparisons)
    categories = [None if value is None else str(value) for value in values]
    if len({categories[row] for row in split.fit}) < 2:
        return None
    return _score_categories(dataset, split, name, categories, n_comparisons)


def _score_numbers(
    dataset: AuditDataset, split: FeatureSplit, name: str, numbers: NDArray[np.float64], n_comparisons: int
) -> FeatureScore:
    targets = dataset.targets
    rule = ThresholdRule.fit(numbers[split.fit], targets[split.fit])
    predictions = rule.predict(numbers[split.evaluate])
    return score_feature(name, str(rule), rule.score, predictions, targets[split.evaluate], n_comparisons)


def _score_categories(
    dataset: AuditDataset, split: FeatureSplit, name: str, categories: Sequence[str | None], n_comparisons: int
) -> FeatureScore:
    """Predict for each category the label that is over-represented in it; rare and missing values are one category."""
    targets = dataset.targets[split.fit]
    fake_share = float(targets.mean())
    fitted = [categories[row] for row in split.fit]
    counts = Counter(category for category in fitted if category is not None)
    frequent = {category for category, n in counts.most_common(MAX_VALUES) if n >= _MIN_VALUE_SUPPORT}
    keys = [category if category in frequent else None for category in fitted]
    fakes = Counter(key for key, target in zip(keys, targets, strict=True) if target)
    means_fake = {key: fakes[key] / n > fake_share for key, n in Counter(keys).items()}
    default = means_fake.get(None, fake_share > 0.5)

    def predict(rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        return np.array([means_fake.get(categories[row], default) for row in rows], bool)

    fit_score = float(macro_f1(*np.array(confusion(predict(split.fit), targets), float)))
    rule = f"each of {len(frequent):,} values as in train"
    targets = dataset.targets[split.evaluate]
    return score_feature(name, rule, fit_score, predict(split.evaluate), targets, n_comparisons)


def _as_numbers(values: Sequence[Any]) -> NDArray[np.float64] | None:
    """Return N numbers, missing ones below all others; None if the values are categories."""
    if len({str(value) for value in values if value is not None}) <= _MAX_CATEGORIES:
        return None
    try:
        numbers = np.array([math.nan if value is None or value == "" else float(value) for value in values])
    except (TypeError, ValueError):
        return None
    finite = np.isfinite(numbers)
    return np.where(finite, numbers, numbers[finite].min(initial=0.0) - 1)


def _values_table(dataset: AuditDataset, split: FeatureSplit, name: str, values: Sequence[Any]) -> Table:
    """Return the most frequent values of a field, with their share of fakes."""
    rows = split.fit
    categories = [str(values[row]) if values[row] is not None else None for row in rows]
    fakes = Counter(category for category, row in zip(categories, rows, strict=True) if dataset.targets[row] == 1)
    cells = tuple(
        ("(none)" if category is None else excerpt(category, 40), n, fakes[category] / n)
        for category, n in Counter(categories).most_common(24)
    )
    return Table(f"{name}: the most frequent values where fitted", ("value", "articles", "share of fakes"), cells)
