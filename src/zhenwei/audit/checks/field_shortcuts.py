"""Fields, their absence, and the text's length: what of them alone decides the label."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zhenwei.audit.dataset import Collection
from zhenwei.audit.findings import Finding, Table
from zhenwei.audit.format import beginning, finding, unchecked
from zhenwei.audit.shortcut_report import NO_TRIAL, worded
from zhenwei.audit.significance import macro_f1
from zhenwei.audit.single_feature import Shortcut, ThresholdRule, Trial, judged, presence_scores
from zhenwei.audit.thresholds import MOST_VALUES

_FEW_VALUES = 20  # distinct numbers up to which each is a value of its own; more are cut in two
_LEAST_OF_VALUE = 5  # articles of a value, to say anything about it
_DIGITS = re.compile(r"\d+")
_ADVICE = (
    "the labels come from different places, and their texts will tell it, too: collect both labels alike, "
    "or judge on a source that has both"
)


def shortcut_fields(collection: Collection) -> Finding:
    """Try each field alone: its values, or a cut through its numbers."""
    names = ("shortcut_fields", "A field decides the label")
    trial = collection.halved_trial
    if trial is None:
        return unchecked(*names, NO_TRIAL)
    columns = dict(_columns(collection))
    tried = [
        shortcut
        for name, values in columns.items()
        if (shortcut := _try_field(collection, trial, name, values, len(columns))) is not None
    ]
    if not tried:
        return unchecked(*names, "no article has a field beside its text and label that could tell anything")
    best = max(tried, key=lambda shortcut: shortcut.low)
    table = _by_value(collection, trial, best.name, columns[best.name])
    return worded(*names, tried, trial, advice=_ADVICE, tables=[table])


def shortcut_missing_fields(collection: Collection) -> Finding:
    """Try whether it decides the label that a field is there or missing."""
    names = ("shortcut_missing_fields", "A missing field decides the label")
    trial = collection.trial
    if trial is None:
        return unchecked(*names, NO_TRIAL)
    present = {name: has for name, has in _presence(collection) if 0 < has[trial.fit].sum() < len(trial.fit)}
    if not present:
        return finding(*names, "every field is there in all articles, or in none", None)
    targets = collection.targets
    tried = []
    for name, has in present.items():
        fake, real = (float((has[trial.fit] & (targets[trial.fit] == target)).sum()) for target in (1, 0))
        n_fake = int((targets[trial.fit] == 1).sum())
        scores, means_fake = presence_scores(np.array(fake), np.array(real), n_fake, len(trial.fit) - n_fake)
        rule = "there: fake, else real" if means_fake else "there: real, else fake"
        verdicts = has[trial.judge] == bool(means_fake)
        tried.append(judged(name, rule, float(scores), verdicts, targets[trial.judge], (1 + trial.same) * len(present)))
    return worded(*names, tried, trial, advice=_ADVICE)


def shortcut_length(collection: Collection) -> Finding:
    """Try the number of characters alone."""
    names = ("shortcut_length", "The length decides the label")
    trial = collection.halved_trial
    if trial is None:
        return unchecked(*names, NO_TRIAL)
    lengths = np.array([len(text) for text in collection.texts], np.float64)
    shortcut = _try_numbers(collection, trial, "characters", lengths, 1)
    targets = collection.targets
    cells: list[tuple[str | int, ...]] = []
    for label, target in (("real", 0), ("fake", 1)):
        of = lengths[trial.fit[targets[trial.fit] == target]]
        cells.append((label, len(of), *(int(value) for value in np.quantile(of, (0.05, 0.25, 0.5, 0.75, 0.95)))))
    table = Table("characters, by label", ("label", "articles", "5%", "25%", "median", "75%", "95%"), tuple(cells))
    advice = "look at why one label's texts are longer: cut off by the source, or of another kind"
    return worded(*names, [shortcut], trial, advice=advice, tables=[table])


def _columns(collection: Collection) -> Iterator[tuple[str, Sequence[Any]]]:
    """The fields by their names, each with N values or None; what can be told from an id and a time beside them."""
    yield "domain", collection.domains
    yield "id without its digits", [None if one is None else _DIGITS.sub("#", one) for one in collection.ids]
    known = ~np.isnat(collection.times)
    hours = collection.times.astype("datetime64[h]").astype(np.int64) % 24
    yield "hour of time", [f"{hour:02d}:00" if has else None for hour, has in zip(hours, known, strict=True)]
    yield "number of entities", [None if names is None else len(names) for names in collection.entities]
    for name, values in collection.extra.items():
        yield name, [len(value) if isinstance(value, list | dict | tuple) else value for value in values]


def _presence(collection: Collection) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """By the name of each optional field, [N] whether the article has it."""
    for name, values in (("id", collection.ids), ("domain", collection.domains), ("entity_list", collection.entities)):
        yield name, np.array([value is not None for value in values], bool)
    yield "time", ~np.isnat(collection.times)
    yield "emotion", collection.emotion
    for name, column in collection.extra.items():
        yield name, np.array([value is not None and value != "" for value in column], bool)


def _try_field(collection: Collection, trial: Trial, name: str, values: Sequence[Any], looks: int) -> Shortcut | None:
    """Try one field; None where it has one value in all articles that rules are fitted on."""
    numbers = _as_numbers(values)
    if numbers is not None:
        return _try_numbers(collection, trial, name, numbers, looks)
    words = [None if value is None else str(value) for value in values]
    if len({words[row] for row in trial.fit}) < 2:
        return None
    return _try_values(collection, trial, name, words, looks)


def _try_numbers(collection: Collection, trial: Trial, name: str, numbers: NDArray[np.float64], looks: int) -> Shortcut:
    targets = collection.targets
    rule = ThresholdRule.fit(numbers[trial.fit], targets[trial.fit])
    return judged(name, str(rule), rule.score, rule.verdicts(numbers[trial.judge]), targets[trial.judge], looks)


def _try_values(collection: Collection, trial: Trial, name: str, words: Sequence[str | None], looks: int) -> Shortcut:
    """Let each value stand for the label that it goes with more than usual; rare ones and none are one value."""
    targets = collection.targets[trial.fit]
    usual = float(targets.mean())
    fitted = [words[row] for row in trial.fit]
    counts = Counter(word for word in fitted if word is not None)
    frequent = {word for word, n in counts.most_common(MOST_VALUES) if n >= _LEAST_OF_VALUE}
    fakes: Counter[str | None] = Counter()
    articles: Counter[str | None] = Counter()
    for word, target in zip(fitted, targets, strict=True):
        key = word if word in frequent else None
        fakes[key] += int(target)
        articles[key] += 1
    means_fake = {key: fakes[key] / n > usual for key, n in articles.items()}
    rest = means_fake.get(None, usual > 0.5)

    def verdicts(rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        return np.array([means_fake.get(words[row], rest) for row in rows], bool)

    here, fake = verdicts(trial.fit), targets == 1
    cells = [(here & fake), (~here & fake), (here & ~fake), (~here & ~fake)]
    score = float(macro_f1(*(np.array(float(cell.sum())) for cell in cells)))
    rule = f"each of {len(frequent):,} values as in train"
    return judged(name, rule, score, verdicts(trial.judge), collection.targets[trial.judge], looks)


def _as_numbers(values: Sequence[Any]) -> NDArray[np.float64] | None:
    """Return N numbers, those that are missing below all others; None where the values are not many numbers."""
    if len({str(value) for value in values if value is not None}) <= _FEW_VALUES:
        return None
    try:
        numbers = np.array([math.nan if value is None or value == "" else float(value) for value in values])
    except (TypeError, ValueError):
        return None
    finite = np.isfinite(numbers)
    return np.where(finite, numbers, numbers[finite].min(initial=0.0) - 1)


def _by_value(collection: Collection, trial: Trial, name: str, values: Sequence[Any]) -> Table:
    """The most frequent values of a field, with their share of fakes."""
    rows = trial.fit
    words = [str(values[row]) if values[row] is not None else None for row in rows]
    fakes = Counter(word for word, row in zip(words, rows, strict=True) if collection.targets[row] == 1)
    cells = tuple(
        ("(none)" if word is None else beginning(word, 40), n, fakes[word] / n)
        for word, n in Counter(words).most_common(24)
    )
    return Table(f"{name}: the most frequent values where fitted", ("value", "articles", "share of fakes"), cells)
