"""Plant each fault into clean articles: a check reports it from its threshold on, and not just under it."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from zhenwei.audit.audit import CHECKS
from zhenwei.audit.dataset import AuditDataset
from zhenwei.audit.findings import Finding
from zhenwei.audit.significance import macro_f1_lower_bound
from zhenwei.audit.thresholds import ALPHA, N_CANDIDATES, THRESHOLDS
from zhenwei.news import Article

pytestmark = pytest.mark.slow  # many simulations

Parts = dict[str, list[Article]]

TRAIN, VAL, TEST = 1000, 1000, 400  # articles of the clean parts, half of them fakes
ALL = TRAIN + VAL + TEST
GROUP = 200  # articles of the planted month or domain
SYMBOL, CHARACTER, PHRASE = "※", "龘", "壹貳"


def check(name: str, parts: Parts) -> Finding:
    (function,) = [function for function in CHECKS if function.__name__ == name]
    return function(AuditDataset.from_articles(parts))


def change(parts: Parts, part: str, rows: list[int], change_one: Callable[[Article], dict[str, Any]]) -> None:
    for row in rows:
        article = parts[part][row]
        parts[part][row] = replace(article, **change_one(article))


def of_label(parts: Parts, part: str, label: str) -> list[int]:
    return [row for row, article in enumerate(parts[part]) if article.label == label]


def every_row(parts: Parts, k: int) -> list[tuple[str, int]]:
    """Return the first k rows of all parts."""
    return [(part, row) for part, articles in parts.items() for row in range(len(articles))][:k]


def in_first(k: int, parts: Parts, change_one: Callable[[Article], dict[str, Any]]) -> None:
    for part, row in every_row(parts, k):
        change(parts, part, [row], change_one)


# Duplicates, near-duplicates, contradictions


def duplicates(suffix: str, part: str, source: str, offset: int) -> Callable[[Parts, int], None]:
    def plant(parts: Parts, k: int) -> None:
        for target in ("real", "fake"):
            rows, sources = of_label(parts, part, target), of_label(parts, source, target)
            n = (k + 1) // 2 if target == "real" else k // 2
            for row, original in zip(rows[offset:][:n], sources, strict=False):
                change(parts, part, [row], lambda _, text=parts[source][original].content: {"content": text + suffix})

    return plant


def contradicting(near: bool) -> Callable[[Parts, int], None]:
    def plant(parts: Parts, k: int) -> None:
        """Give k - 1 fakes the text of a real article."""
        text = parts["train"][of_label(parts, "train", "real")[0]].content
        for number, row in enumerate(of_label(parts, "train", "fake")[: k - 1]):
            change(parts, "train", [row], lambda _, n=number: {"content": text + (f"转{n}" if near else "")})

    return plant


# Shortcuts: k fakes of train and of val get a feature that no other article has


def in_fakes(parts: Parts, k: int, change_one: Callable[[Article], dict[str, Any]]) -> None:
    for part in ("train", "val"):
        change(parts, part, of_label(parts, part, "fake")[:k], change_one)


def inserted(text: str) -> Callable[[Parts, int], None]:
    return lambda parts, k: in_fakes(
        parts, k, lambda article: {"content": article.content[:5] + text + article.content[5:]}
    )


def with_field(article: Article, **extra: str) -> Article:
    return Article.from_row(article.to_row() | extra)


def source_field(parts: Parts, k: int) -> None:
    for part in ("train", "val"):
        fakes = set(of_label(parts, part, "fake")[:k])
        parts[part] = [
            with_field(article, source="a" if row in fakes else "b") for row, article in enumerate(parts[part])
        ]


def partial_field(parts: Parts, k: int) -> None:
    for part in ("train", "val"):
        for row in of_label(parts, part, "fake")[:k]:
            parts[part][row] = with_field(parts[part][row], verified="yes")


def lengthened(parts: Parts, k: int) -> None:
    in_fakes(parts, k, lambda article: {"content": article.content.ljust(400, "啊")})


def label_leak(parts: Parts, k: int) -> None:
    for part, n in (("train", 150), ("val", k)):
        change(parts, part, of_label(parts, part, "fake")[:n], lambda article: {"content": SYMBOL + article.content})


def needed_fakes(n_comparisons: int, lower_bound: float) -> int:
    """Return how many of 500 fakes must have a feature that no real article has, to reach a lower bound."""
    half = VAL // 2
    confusions = ((k, half - k, 0, half) for k in range(half + 1))
    return next(k for k, *rest in confusions if macro_f1_lower_bound((k, *rest), n_comparisons, ALPHA) >= lower_bound)


# Shares of fakes


def relabeled(parts: Parts, k: int) -> None:
    change(parts, "val", of_label(parts, "val", "real")[:k], lambda _: {"label": "fake"})


def group_of(parts: Parts, part: str) -> list[int]:
    """Return 200 rows of a part, half of them fakes."""
    return of_label(parts, part, "real")[: GROUP // 2] + of_label(parts, part, "fake")[: GROUP // 2]


def leaning_group(field: str, inside: Any, outside: Any) -> Callable[[Parts, int], None]:
    def plant(parts: Parts, k: int) -> None:
        """Give the group k more fakes and the rest k fewer, so that the total stays the same."""
        in_first(ALL, parts, lambda _: {field: outside})
        change(parts, "val", group_of(parts, "val"), lambda _: {field: inside})
        more, less = of_label(parts, "val", "real")[:k], of_label(parts, "train", "fake")[:k]
        change(parts, "val", more, lambda _: {"label": "fake"})
        change(parts, "train", less, lambda _: {"label": "real"})

    return plant


def drifting_domain(parts: Parts, k: int) -> None:
    in_first(ALL, parts, lambda _: {"domain": "其他"})
    for part in ("train", "val"):
        change(parts, part, group_of(parts, part), lambda _: {"domain": "健康"})
    relabeled(parts, k)


def flipping(parts: Parts, k: int) -> None:
    """Add k organizations to fakes of the past and real articles of the future, and one to fakes of both."""
    for number in range(k + 1):
        rows = slice(20 * number, 20 * number + 20)
        later = "real" if number < k else "fake"
        for part, label in (("train", "fake"), ("val", "fake"), ("test", later)):
            change(parts, part, of_label(parts, part, label)[rows], lambda _, n=number: {"entity_list": (f"机构{n}",)})


def leaking(parts: Parts, k: int) -> None:
    latest = parts["test"][-1].time
    assert latest is not None
    change(parts, "train", list(range(k)), lambda _: {"time": latest + timedelta(days=1)})


# Labels


def fakes_of_val(parts: Parts, k: int) -> None:
    change(parts, "val", of_label(parts, "val", "fake")[k:], lambda _: {"label": "real"})


def labels_of_val(parts: Parts, k: int) -> None:
    fakes_of_val(parts, {2: 1, 1: 0}[k])


def articles_of_val(parts: Parts, k: int) -> None:
    parts["val"] = parts["val"][:k]


@dataclass(frozen=True)
class Fault:
    """A fault that can be planted any number of times.

    Attributes:
        plant: Plants a number of faults.
        divisor: The value of the check is the number divided by this.
        minimum: Smallest number that is a fault.
    """

    plant: Callable[[Parts, int], None]
    divisor: int
    minimum: int = 1


def content(text: str) -> Callable[[Parts, int], None]:
    return lambda parts, k: in_first(k, parts, lambda _: {"content": text})


def added(text: str) -> Callable[[Parts, int], None]:
    return lambda parts, k: in_first(k, parts, lambda article: {"content": article.content + text})


JANUARY, MARCH = datetime(2020, 1, 15), datetime(2020, 3, 15)

FAULTS: dict[str, Fault] = {
    "duplicates_within": Fault(duplicates("", "val", "val", 300), VAL),
    "duplicates_across": Fault(duplicates("", "val", "train", 0), VAL),
    "near_duplicates_within": Fault(duplicates("转发了", "val", "val", 300), VAL),
    "near_duplicates_across": Fault(duplicates("转发了", "val", "train", 0), VAL),
    "contradictions": Fault(contradicting(near=False), ALL, minimum=2),
    "near_contradictions": Fault(contradicting(near=True), ALL),
    "label_leaks": Fault(label_leak, VAL // 2),
    "label_shift_parts": Fault(relabeled, VAL),
    "label_balance_months": Fault(leaning_group("time", JANUARY, MARCH), GROUP),
    "label_balance_domains": Fault(leaning_group("domain", "健康", "其他"), GROUP),
    "label_shift_domains": Fault(drifting_domain, GROUP),
    "entity_drift": Fault(flipping, 1),
    "temporal_leakage": Fault(leaking, TRAIN),
    "blank_texts": Fault(content("！！😀"), ALL),
    "short_texts": Fault(content("转发微博"), ALL),
    "long_texts": Fault(content("说" * 169), ALL),
    "encoding_errors": Fault(added("\ufffd"), ALL),
    "leftover_markup": Fault(added("&nbsp;"), ALL),
    "other_scripts": Fault(content("They say that the water of the river is not safe."), ALL),
    "duplicate_ids": Fault(lambda parts, k: change(parts, "val", list(range(1, k + 1)), lambda _: {"id": "a"})
                          or change(parts, "val", [0], lambda _: {"id": "a"}), ALL),
    "unlabeled": Fault(lambda parts, k: change(parts, "test", list(range(k)), lambda _: {"label": None}), TEST),
    "single_class": Fault(labels_of_val, 1),
    "small_parts": Fault(articles_of_val, 1),
    "class_imbalance": Fault(fakes_of_val, VAL),
}  # fmt: skip

# Checks of single features, with the number of features that are evaluated.
SINGLE_FEATURES: dict[str, tuple[Callable[[Parts, int], None], int]] = {
    "shortcut_symbols": (inserted(SYMBOL), N_CANDIDATES),
    "shortcut_characters": (inserted(CHARACTER), N_CANDIDATES),
    "shortcut_ngrams": (inserted(PHRASE), N_CANDIDATES),
    "shortcut_fields": (source_field, 5),
    "shortcut_missing_fields": (partial_field, 1),
    "shortcut_length": (lengthened, 1),
}

LEVELS = [
    (name, level)
    for name, threshold in THRESHOLDS.items()
    for level in ("warn", "fail")
    if threshold.fail is not None or level == "warn"
]


def numbers(name: str, level: str) -> tuple[int, int]:
    """Return the smallest number of faults that reaches the threshold, and the largest that does not."""
    threshold = THRESHOLDS[name]
    limit = threshold.warn if level == "warn" else threshold.fail
    assert limit is not None
    if name in SINGLE_FEATURES:
        at = needed_fakes(SINGLE_FEATURES[name][1], limit)
        return at, at - 1
    fault = FAULTS[name]
    if threshold.lower_is_worse:  # few articles are the fault
        enough = math.ceil(limit * fault.divisor - 1e-9)
        return enough - 1, enough
    at = max(math.ceil(limit * fault.divisor - 1e-9), fault.minimum)
    return at, at - 1


def test_every_check_has_a_threshold_and_a_planted_fault() -> None:
    names = [function.__name__ for function in CHECKS]
    assert sorted(names) == sorted(THRESHOLDS) == sorted([*FAULTS, *SINGLE_FEATURES])


@pytest.mark.parametrize("name", THRESHOLDS)
def test_clean_articles_raise_no_finding(clean: Parts, name: str) -> None:
    finding = check(name, clean)
    assert (finding.check, finding.status) == (name, "good"), finding.summary
    assert finding.advice == ""


@pytest.mark.parametrize(("name", "level"), LEVELS)
def test_a_fault_is_found_at_its_threshold_and_not_just_under_it(clean: Parts, name: str, level: str) -> None:
    plant = FAULTS[name].plant if name in FAULTS else SINGLE_FEATURES[name][0]
    reaching, under = numbers(name, level)
    threshold = THRESHOLDS[name]
    below_level = "warn" if level == "fail" and threshold.warn != threshold.fail else "good"
    at_level = "fail" if threshold.warn == threshold.fail else level
    untouched = {part: list(articles) for part, articles in clean.items()}

    plant(clean, reaching)
    finding = check(name, clean)
    assert (finding.status, finding.threshold) == (at_level, str(threshold)), (reaching, finding.summary)
    assert finding.advice

    plant(untouched, under)
    assert check(name, untouched).status == below_level, under


@pytest.mark.parametrize(
    ("name", "ngram"),
    [
        ("shortcut_symbols", SYMBOL),
        ("shortcut_characters", CHARACTER),
        ("shortcut_ngrams", PHRASE),
        ("label_leaks", SYMBOL),
    ],
)
def test_a_predictive_ngram_is_shown_with_its_articles(clean: Parts, name: str, ngram: str) -> None:
    plant = FAULTS[name].plant if name in FAULTS else SINGLE_FEATURES[name][0]
    plant(clean, 450)
    finding = check(name, clean)
    assert finding.status == "fail"
    assert f"'{ngram}'" in finding.summary
    texts = [row[-1] for table in finding.tables if table.columns[-1] == "text" for row in table.rows]
    assert texts
    assert all(ngram in str(text) for text in texts)
