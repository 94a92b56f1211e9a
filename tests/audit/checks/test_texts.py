"""Blank, short and long texts."""

import pytest

from zhenwei.audit.checks.texts import blank_texts, long_texts, short_texts
from zhenwei.audit.dataset import AuditDataset
from zhenwei.news import Article


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("！！😀…", "blank"),
        ("http://t.cn/abc @某人", "blank"),
        ("水", "short"),
        ("转发微博", "short"),
        ("转-发-微-博！http://t.cn/abcdefg", "short"),
        ("转发微博了", "good"),
        ("2020a", "good"),
        ("说" * 168, "good"),  # plus two special tokens
        ("说" * 169, "long"),
        ("word " * 168, "good"),
        ("word " * 169, "long"),
        ("，" * 100 + "说" * 69, "long"),
    ],
)
def test_texts_are_blank_short_or_long(text: str, kind: str) -> None:
    dataset = AuditDataset.from_articles({"train": [Article(content=text)]})
    checks = {"blank": blank_texts, "short": short_texts, "long": long_texts}
    assert [name for name, check in checks.items() if check(dataset).value] == ([] if kind == "good" else [kind])
