"""Training articles that are later than val or test."""

import pytest

from zhenwei.audit.checks.temporal_leakage import temporal_leakage
from zhenwei.audit.dataset import AuditDataset
from zhenwei.news import Article


def dated(*days: str | None) -> list[Article]:
    return [Article(content=f"{word}的水", time=day) for word, day in zip(("东河", "西塘", "北川"), days, strict=False)]


@pytest.mark.parametrize(
    ("train", "val", "value"),
    [
        (("2020-01-01", "2020-01-02"), ("2020-01-02", "2020-01-03"), 0.0),  # equal times are not a leak
        (("2020-01-01", "2020-01-02 00:00:01"), ("2020-01-02", "2020-01-03"), 0.5),
        (("2020-01-01", "2020-01-04"), (None, "2020-01-03"), 0.5),
        (("2020-01-01", "2020-01-04", None), ("2020-01-03",), 0.5),  # articles without a time do not count
        (("2020-01-05", "2020-01-04"), ("2020-01-03",), 1.0),
    ],
)
def test_train_articles_later_than_the_first_of_val_are_counted(
    train: tuple[str | None, ...], val: tuple[str | None, ...], value: float
) -> None:
    finding = temporal_leakage(AuditDataset.from_articles({"train": dated(*train), "val": dated(*val)}))
    assert finding.value == value


def test_val_articles_later_than_the_first_of_test_are_reported() -> None:
    parts = {"train": dated("2020-01-01"), "val": dated("2020-01-02", "2020-01-09"), "test": dated("2020-01-05")}
    finding = temporal_leakage(AuditDataset.from_articles(parts))
    assert "1 of 2 val articles (50.0%) are later than the start of test" in finding.summary


def test_a_val_later_than_test_fails() -> None:
    parts = {"train": dated("2020-01-01"), "val": dated("2020-03-02", "2020-03-09"), "test": dated("2020-02-05")}
    finding = temporal_leakage(AuditDataset.from_articles(parts))
    assert (finding.value, finding.status) == (1.0, "fail")
