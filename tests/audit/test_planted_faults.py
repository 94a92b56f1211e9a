"""Each fault that the audit knows is planted into clean articles: found from the bound on, and not just under it."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from zhenwei.audit.audit import CHECKS
from zhenwei.audit.dataset import Collection
from zhenwei.audit.findings import Finding
from zhenwei.audit.significance import macro_f1_low
from zhenwei.audit.thresholds import ALPHA, BOUNDS, JUDGED
from zhenwei.news import Article

Parts = dict[str, list[Article]]

TRAIN, VAL, TEST = 1000, 1000, 400  # articles of the clean parts, half of them fakes
ALL = TRAIN + VAL + TEST
GROUP = 200  # articles of the month or domain that is planted
MARK, CHARACTER, PHRASE = "※", "龘", "壹貳"


def check(name: str, parts: Parts) -> Finding:
    (function,) = [function for function in CHECKS if function.__name__ == name]
    return function(Collection.of(parts))


def change(parts: Parts, part: str, rows: list[int], change_one: Callable[[Article], dict[str, Any]]) -> None:
    for row in rows:
        article = parts[part][row]
        parts[part][row] = replace(article, **change_one(article))


def of_label(parts: Parts, part: str, label: str) -> list[int]:
    return [row for row, article in enumerate(parts[part]) if article.label == label]


def every_row(parts: Parts, k: int) -> list[tuple[str, int]]:
    """The first k rows of all parts."""
    return [(part, row) for part, articles in parts.items() for row in range(len(articles))][:k]


def in_first(k: int, parts: Parts, change_one: Callable[[Article], dict[str, Any]]) -> None:
    for part, row in every_row(parts, k):
        change(parts, part, [row], change_one)


# Copies, near-duplicates, contradictions


def copies(suffix: str, part: str, source: str, offset: int) -> Callable[[Parts, int], None]:
    def plant(parts: Parts, k: int) -> None:
        for target in ("real", "fake"):
            rows, sources = of_label(parts, part, target), of_label(parts, source, target)
            n = (k + 1) // 2 if target == "real" else k // 2
            for row, original in zip(rows[offset:][:n], sources, strict=False):
                change(parts, part, [row], lambda _, text=parts[source][original].content: {"content": text + suffix})

    return plant


def contradicting(near: bool) -> Callable[[Parts, int], None]:
    def plant(parts: Parts, k: int) -> None:
        """One real article, and k - 1 fakes of its text."""
        text = parts["train"][of_label(parts, "train", "real")[0]].content
        for number, row in enumerate(of_label(parts, "train", "fake")[: k - 1]):
            change(parts, "train", [row], lambda _, n=number: {"content": text + (f"转{n}" if near else "")})

    return plant


# Shortcuts: k fakes of train and of val get what no other article has


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


def telling(parts: Parts, k: int) -> None:
    for part, n in (("train", 150), ("val", k)):
        change(parts, part, of_label(parts, part, "fake")[:n], lambda article: {"content": MARK + article.content})


def alone(looks: int, level: float) -> int:
    """How many fakes of 500 must have a feature that no real article has, for it to score at least the level."""
    half = VAL // 2
    return next(k for k in range(half + 1) if macro_f1_low((k, half - k, 0, half), looks, ALPHA) >= level)


# Shares of fakes


def relabelled(parts: Parts, k: int) -> None:
    change(parts, "val", of_label(parts, "val", "real")[:k], lambda _: {"label": "fake"})


def group_of(parts: Parts, part: str) -> list[int]:
    """200 rows of a part, half of them fakes."""
    return of_label(parts, part, "real")[: GROUP // 2] + of_label(parts, part, "fake")[: GROUP // 2]


def leaning_group(field: str, inside: Any, outside: Any) -> Callable[[Parts, int], None]:
    def plant(parts: Parts, k: int) -> None:
        """The group gets k fakes more, the rest k less: the whole stays as it is."""
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
    relabelled(parts, k)


def flipping(parts: Parts, k: int) -> None:
    """Name k organisations that are in fakes of the past and in real articles of the future, and one that stays."""
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
    """A fault of which any number can be planted.

    Attributes:
        plant: Plants so many of them.
        among: The check's value is their number divided by this.
        least: The smallest number that is a fault at all.
    """

    plant: Callable[[Parts, int], None]
    among: int
    least: int = 1


def content(text: str) -> Callable[[Parts, int], None]:
    return lambda parts, k: in_first(k, parts, lambda _: {"content": text})


def added(text: str) -> Callable[[Parts, int], None]:
    return lambda parts, k: in_first(k, parts, lambda article: {"content": article.content + text})


JANUARY, MARCH = datetime(2020, 1, 15), datetime(2020, 3, 15)

FAULTS: dict[str, Fault] = {
    "copies_within": Fault(copies("", "val", "val", 300), VAL),
    "copies_across": Fault(copies("", "val", "train", 0), VAL),
    "near_duplicates_within": Fault(copies("转发了", "val", "val", 300), VAL),
    "near_duplicates_across": Fault(copies("转发了", "val", "train", 0), VAL),
    "contradictions": Fault(contradicting(near=False), ALL, least=2),
    "near_contradictions": Fault(contradicting(near=True), ALL),
    "tell_tales": Fault(telling, VAL // 2),
    "label_share_parts": Fault(relabelled, VAL),
    "label_share_months": Fault(leaning_group("time", JANUARY, MARCH), GROUP),
    "label_share_domains": Fault(leaning_group("domain", "健康", "其他"), GROUP),
    "label_drift_domains": Fault(drifting_domain, GROUP),
    "flipped_entities": Fault(flipping, 1),
    "time_leaks": Fault(leaking, TRAIN),
    "blank_texts": Fault(content("！！😀"), ALL),
    "short_texts": Fault(content("转发微博"), ALL),
    "long_texts": Fault(content("说" * 169), ALL),
    "wrong_encoding": Fault(added("\ufffd"), ALL),
    "markup_left": Fault(added("&nbsp;"), ALL),
    "other_languages": Fault(content("They say that the water of the river is not safe."), ALL),
    "repeated_ids": Fault(lambda parts, k: change(parts, "val", list(range(1, k + 1)), lambda _: {"id": "a"})
                          or change(parts, "val", [0], lambda _: {"id": "a"}), ALL),
    "unlabelled": Fault(lambda parts, k: change(parts, "test", list(range(k)), lambda _: {"label": None}), TEST),
    "one_class": Fault(labels_of_val, 1),
    "small_parts": Fault(articles_of_val, 1),
    "imbalance": Fault(fakes_of_val, VAL),
}  # fmt: skip

# Features of which the cautious score decides, and how many are judged beside each.
ALONE: dict[str, tuple[Callable[[Parts, int], None], int]] = {
    "shortcut_marks": (inserted(MARK), JUDGED),
    "shortcut_characters": (inserted(CHARACTER), JUDGED),
    "shortcut_ngrams": (inserted(PHRASE), JUDGED),
    "shortcut_fields": (source_field, 5),
    "shortcut_missing_fields": (partial_field, 1),
    "shortcut_length": (lengthened, 1),
}

LEVELS = [
    (name, level)
    for name, bound in BOUNDS.items()
    for level in ("warn", "fail")
    if bound.fail is not None or level == "warn"
]


def numbers(name: str, level: str) -> tuple[int, int]:
    """How many faults reach the bound, and how many just do not."""
    bound = BOUNDS[name]
    limit = bound.warn if level == "warn" else bound.fail
    assert limit is not None
    if name in ALONE:
        at = alone(ALONE[name][1], limit)
        return at, at - 1
    fault = FAULTS[name]
    if bound.below:  # few are the fault
        free = math.ceil(limit * fault.among - 1e-9)
        return free - 1, free
    at = max(math.ceil(limit * fault.among - 1e-9), fault.least)
    return at, at - 1


def test_every_check_has_a_bound_and_a_planted_fault() -> None:
    names = [function.__name__ for function in CHECKS]
    assert sorted(names) == sorted(BOUNDS) == sorted([*FAULTS, *ALONE])


@pytest.mark.parametrize("name", BOUNDS)
def test_clean_articles_raise_no_finding(clean: Parts, name: str) -> None:
    found = check(name, clean)
    assert (found.check, found.status) == (name, "good"), found.found
    assert found.advice == ""


@pytest.mark.parametrize(("name", "level"), LEVELS)
def test_a_fault_is_found_at_its_bound_and_not_just_under_it(clean: Parts, name: str, level: str) -> None:
    plant = FAULTS[name].plant if name in FAULTS else ALONE[name][0]
    at, under = numbers(name, level)
    bound = BOUNDS[name]
    below_level = "warn" if level == "fail" and bound.warn != bound.fail else "good"
    at_level = "fail" if bound.warn == bound.fail else level
    untouched = {part: list(articles) for part, articles in clean.items()}

    plant(clean, at)
    found = check(name, clean)
    assert (found.status, found.bound) == (at_level, str(bound)), (at, found.found)
    assert found.advice

    plant(untouched, under)
    assert check(name, untouched).status == below_level, under


@pytest.mark.parametrize(
    ("name", "shown"),
    [("shortcut_marks", MARK), ("shortcut_characters", CHARACTER), ("shortcut_ngrams", PHRASE), ("tell_tales", MARK)],
)
def test_what_decides_the_label_is_named_with_its_articles(clean: Parts, name: str, shown: str) -> None:
    plant = FAULTS[name].plant if name in FAULTS else ALONE[name][0]
    plant(clean, 450)
    found = check(name, clean)
    assert found.status == "fail"
    assert f"'{shown}'" in found.found
    texts = [row[-1] for table in found.tables if table.columns[-1] == "text" for row in table.rows]
    assert texts
    assert all(shown in str(text) for text in texts)
