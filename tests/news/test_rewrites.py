"""Content groups: an original and its rewrites are one content."""

import numpy as np
import pytest

from zhenwei.news import Article, read_articles, write_articles
from zhenwei.news.rewrites import (
    ContentGroups,
    content_groups,
    content_times,
    content_weights,
    joined_groups,
    originals,
    with_contents,
)


def articles(*pairs: tuple[str | None, str | None]) -> list[Article]:
    """Return articles with these values of `id` and `rewrite_of`."""
    return [
        Article(content=f"第{number}篇", id=own, rewrite_of=original) for number, (own, original) in enumerate(pairs)
    ]


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([("a", None), ("b", None), ("c", "a")], [0, 1, 0]),
        ([("c", "a"), ("b", None), ("a", None)], [0, 1, 0]),  # in any order
        ([("a", None), ("b", "a"), ("c", "b"), ("d", "c")], [0, 0, 0, 0]),  # a rewrite of a rewrite
        ([("x", "gone"), (None, "gone"), (None, None), (None, None)], [0, 0, 1, 2]),  # the original is not there
        ([("a", None), ("a", "a"), ("b", None), ("b", None)], [0, 0, 1, 2]),  # a rewrite has the id of its original
        ([("a", None), ("a", None), ("b", "a")], [0, 0, 0]),  # two articles have the named id
        ([("a", "b"), ("b", "a"), ("c", "a")], [0, 0, 0]),  # a circle
        ([("r", "a"), ("r", "b"), ("a", None), ("b", None)], [0, 1, 0, 1]),  # an id that no rewrite names
        ([], []),
    ],
)
def test_an_original_and_its_rewrites_are_one_group(
    pairs: list[tuple[str | None, str | None]], expected: list[int]
) -> None:
    assert content_groups(articles(*pairs)).tolist() == expected


def test_without_rewrites_there_are_no_groups() -> None:
    collected = ContentGroups()
    for article in articles(("a", None), ("a", None), (None, None)):
        collected.add(article)
    assert collected.groups() is None
    near = np.array([0, 1, 0])
    assert with_contents(near, articles(("a", None), ("b", None), ("c", None))) is near


def test_the_original_is_the_article_that_is_not_a_rewrite() -> None:
    found = articles(("b", "a"), ("a", None), ("y", "x"), ("z", "x"))
    assert originals(found, content_groups(found)).tolist() == [1, 1, 2, 2]


def test_a_rewrite_has_the_time_of_its_original() -> None:
    found = [
        Article(content="原文", id="a", time="2020-01-01"),
        Article(content="改写", rewrite_of="a", time="2024-05-05"),
        Article(content="又改写", rewrite_of="a"),
        Article(content="别的", rewrite_of="b", time="2021-01-01"),
    ]
    times = content_times(found, content_groups(found))
    assert [time.year if time else None for time in times] == [2020, 2020, 2020, 2021]


def test_the_articles_of_a_content_share_a_weight_of_one() -> None:
    groups, is_rewrite = np.array([0, 0, 0, 1, 2, 2, 0]), np.array([0, 1, 1, 0, 1, 1, 0], bool)
    weights = content_weights(groups, is_rewrite)
    np.testing.assert_allclose(np.bincount(groups, weights), 1)
    np.testing.assert_allclose(weights[[0, 3, 4, 5]], [weights[6], 1, 0.5, 0.5])
    assert weights[0] > weights[1] == weights[2]


def test_joined_groups_join_what_either_kind_joins() -> None:
    assert joined_groups(np.array([0, 0, 1, 2, 3]), np.array([0, 1, 1, 2, 3])).tolist() == [0, 0, 0, 1, 2]


@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".csv", ".parquet"])
def test_every_format_keeps_the_field(suffix: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("files") / f"articles{suffix}"
    written = [Article(content="原文", id=7), Article(content="改写", id=8, rewrite_of=7)]
    write_articles(file, written)
    assert read_articles(file) == written
    assert read_articles(file)[1].rewrite_of == "7"
