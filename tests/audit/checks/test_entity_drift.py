"""Entities that change sides."""

import pytest

from zhenwei.audit.checks.entity_drift import entity_drift
from zhenwei.audit.dataset import AuditDataset
from zhenwei.news import Article


def articles_about(entity: str, fakes: int, real: int) -> list[Article]:
    labels = ["fake"] * fakes + ["real"] * real
    return [Article(content=f"第{number}号", label=label, entity_list=[entity]) for number, label in enumerate(labels)]


@pytest.mark.parametrize(
    ("past", "future", "flipped"),
    [
        ((90, 10), (10, 90), True),
        ((90, 10), (60, 40), False),  # significantly weaker, but still towards fakes
        ((90, 10), (45, 55), True),
        ((4, 0), (0, 90), False),  # too few articles
        ((6, 2), (2, 6), False),  # may be chance
    ],
)
def test_an_entity_changes_sides_if_its_leaning_changes_sign(
    past: tuple[int, int], future: tuple[int, int], flipped: bool
) -> None:
    others = {part: articles_about("大众", 2000, 2000) for part in ("train", "test")}
    parts = {
        "train": others["train"] + articles_about("云溪水务", *past),
        "test": others["test"] + articles_about("云溪水务", *future),
    }
    finding = entity_drift(AuditDataset.from_articles(parts))
    listed = [row[0] for table in finding.tables for row in table.rows]
    assert listed == (["云溪水务"] if flipped else [])
    if flipped:
        assert finding.tables[0].rows[0][1:5] == (100, past[0] / 100, 100, future[0] / 100)
