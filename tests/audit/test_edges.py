"""Where the line runs: the shortest text that is long enough, the latest time that is no leak, a leaning that stays."""

import pytest

from zhenwei.audit.checks.duplicates import copies_across, near_duplicates_across
from zhenwei.audit.checks.entity_drift import flipped_entities
from zhenwei.audit.checks.temporal_leakage import time_leaks
from zhenwei.audit.checks.texts import blank_texts, long_texts, short_texts
from zhenwei.audit.dataset import Collection
from zhenwei.news import Article
from zhenwei.news.sources.synthetic import SyntheticDataset


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("！！😀…", "blank"),
        ("http://t.cn/abc @某人", "blank"),
        ("水", "short"),
        ("转发微博", "short"),
        ("转-发-微-博！http://t.cn/abcdefg", "short"),
        ("转发微博了", "right"),
        ("2020a", "right"),
        ("说" * 168, "right"),  # and the two special tokens
        ("说" * 169, "long"),
        ("word " * 168, "right"),
        ("word " * 169, "long"),
        ("，" * 100 + "说" * 69, "long"),
    ],
)
def test_texts_are_blank_short_or_long(text: str, kind: str) -> None:
    collection = Collection.of({"train": [Article(content=text)]})
    checks = {"blank": blank_texts, "short": short_texts, "long": long_texts}
    assert [name for name, check in checks.items() if check(collection).value] == ([] if kind == "right" else [kind])


def dated(*days: str | None) -> list[Article]:
    return [Article(content=f"{word}的水", time=day) for word, day in zip(("东河", "西塘", "北川"), days, strict=False)]


@pytest.mark.parametrize(
    ("train", "val", "value"),
    [
        (("2020-01-01", "2020-01-02"), ("2020-01-02", "2020-01-03"), 0.0),  # equal times are no leak
        (("2020-01-01", "2020-01-02 00:00:01"), ("2020-01-02", "2020-01-03"), 0.5),
        (("2020-01-01", "2020-01-04"), (None, "2020-01-03"), 0.5),
        (("2020-01-01", "2020-01-04", None), ("2020-01-03",), 0.5),  # of those that have a time
        (("2020-01-05", "2020-01-04"), ("2020-01-03",), 1.0),
    ],
)
def test_train_articles_after_the_first_one_of_val_are_leaks(
    train: tuple[str | None, ...], val: tuple[str | None, ...], value: float
) -> None:
    found = time_leaks(Collection.of({"train": dated(*train), "val": dated(*val)}))
    assert found.value == value


def test_a_val_that_reaches_into_test_is_told() -> None:
    parts = {"train": dated("2020-01-01"), "val": dated("2020-01-02", "2020-01-09"), "test": dated("2020-01-05")}
    assert "1 of 2 val articles (50.0%) are later than test begins" in time_leaks(Collection.of(parts)).found


def about(entity: str, fakes: int, real: int) -> list[Article]:
    labels = ["fake"] * fakes + ["real"] * real
    return [Article(content=f"第{number}号", label=label, entity_list=[entity]) for number, label in enumerate(labels)]


@pytest.mark.parametrize(
    ("past", "future", "flipped"),
    [
        ((90, 10), (10, 90), True),
        ((90, 10), (60, 40), False),  # weaker by far more than chance, yet still to fakes
        ((90, 10), (45, 55), True),
        ((4, 0), (0, 90), False),  # too few to say
        ((6, 2), (2, 6), False),  # may be chance
    ],
)
def test_an_entity_flips_when_its_leaning_turns_round(
    past: tuple[int, int], future: tuple[int, int], flipped: bool
) -> None:
    usual = {part: about("大众", 2000, 2000) for part in ("train", "test")}
    parts = {
        "train": usual["train"] + about("云溪水务", *past),
        "test": usual["test"] + about("云溪水务", *future),
    }
    found = flipped_entities(Collection.of(parts))
    named = [row[0] for table in found.tables for row in table.rows]
    assert named == (["云溪水务"] if flipped else [])
    if flipped:
        assert found.tables[0].rows[0][1:5] == (100, past[0] / 100, 100, future[0] / 100)


def test_what_val_and_test_have_in_common_is_found_too() -> None:
    """The epoch and the threshold are chosen on val: test must be new to it as well."""
    world = SyntheticDataset(n_train=60, n_val=20, n_test=20).generate()
    parts = {**world, "test": [*world["test"][:19], world["val"][0]]}
    for check in (copies_across, near_duplicates_across):
        found = check(Collection.of(parts))
        assert found.value == 0.05
        assert "test: 1 of 20 articles (5.0%)" in found.found
        assert "val" in found.found.split("test: 1 of 20")[1]


def test_a_val_later_than_test_is_a_leak_of_time() -> None:
    parts = {"train": dated("2020-01-01"), "val": dated("2020-03-02", "2020-03-09"), "test": dated("2020-02-05")}
    found = time_leaks(Collection.of(parts))
    assert (found.value, found.status) == (1.0, "fail")
