"""Near-duplicates: exactly the pairs that brute force finds."""

import random
from itertools import combinations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from zhenwei.errors import DataError
from zhenwei.news.similarity.near_duplicates import GRAM, find_near_duplicates, jaccard, normalize

LETTERS = "水火木金土山abAB12😀é，。 "
POST = "记者今天从云溪市水务部门获悉，供水管网检修已按计划完成，请大家不必恐慌。"


def plain_jaccard(one: str, other: str) -> float:
    """Return the Jaccard similarity by its definition."""
    sets = [
        {text[i : i + GRAM] for i in range(len(text) - GRAM + 1)} or {text} for text in map(normalize, (one, other))
    ]
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def all_pairs(texts: list[str], threshold: float) -> set[tuple[int, int]]:
    return {
        (a, b) for a, b in combinations(range(len(texts)), 2) if plain_jaccard(texts[a], texts[b]) >= threshold - 1e-9
    }


def found_pairs(texts: list[str], threshold: float) -> set[tuple[int, int]]:
    """The pairs of texts, from those of distinct texts."""
    near = find_near_duplicates(texts, threshold)
    rows = [np.flatnonzero(near.distinct == number) for number in range(int(near.distinct.max(initial=-1)) + 1)]
    linked = [
        (a, b) for one, other in zip(near.first, near.second, strict=True) for a in rows[one] for b in rows[other]
    ]
    linked += [pair for equal in rows for pair in combinations(equal, 2)]
    pairs = [(int(min(pair)), int(max(pair))) for pair in linked]
    assert len(pairs) == len(set(pairs))  # each once
    return set(pairs)


def variants(seed: int, count: int) -> list[str]:
    """Return posts, many of which are excerpts, copies, and variants of others."""
    chance = random.Random(seed)
    texts: list[str] = []
    for _ in range(count):
        text = "".join(chance.choices(LETTERS, k=chance.randint(0, 40)))
        if texts and chance.random() < 0.7:
            old = chance.choice(texts)
            at = chance.randint(0, len(old))
            text = chance.choice([old, old[:at], old[at:] + text[:3], old[:at] + text[:2] + old[at:], old + text[:4]])
        texts.append(text)
    return texts


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.5, 0.75, 0.9, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_the_pairs_are_those_of_brute_force(seed: int, threshold: float) -> None:
    texts = variants(seed, 120)
    expected = all_pairs(texts, threshold)
    assert expected
    assert found_pairs(texts, threshold) == expected


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.text(alphabet=st.characters(codec="utf-8"), max_size=14), max_size=12), st.sampled_from([0.2, 0.5, 1])
)
@example(["", "\0"], 0.2)
@example(["", "\1"], 0.2)
@example(["a", "b\0", "\2"], 0.2)
@example(["水火", "水火\0\0", "水火\0"], 0.2)
def test_any_texts_give_the_pairs_of_brute_force(texts: list[str], threshold: float) -> None:
    assert found_pairs(texts, threshold) == all_pairs(texts, threshold)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(alphabet="水火ab", max_size=12), max_size=25))
def test_texts_of_few_letters_give_the_pairs_of_brute_force(texts: list[str]) -> None:
    assert found_pairs(texts, 0.5) == all_pairs(texts, 0.5)


def test_similarities_are_those_of_brute_force() -> None:
    texts = variants(7, 100)
    near = find_near_duplicates(texts, 0.3)
    row = {int(number): at for at, number in reversed(list(enumerate(near.distinct)))}
    expected = [
        plain_jaccard(texts[row[a]], texts[row[b]])
        for a, b in zip(near.first.tolist(), near.second.tolist(), strict=True)
    ]
    assert near.similarity == pytest.approx(expected)
    assert (near.similarity < 1).all()
    assert (near.first < near.second).all()


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("水，很 好！", "水很好", True),
        ("ＡＢＣ水", "abc水", True),
        (POST + " http://t.cn/abc", POST + " http://t.cn/xyz", True),
        (POST + "@某人", POST, True),
        ("😀😀", "😀", False),
        ("！！", "？", False),
        ("水", "火", False),
    ],
)
def test_punctuation_links_and_mentions_make_no_difference(one: str, other: str, equal: bool) -> None:
    assert (normalize(one) == normalize(other)) is equal
    assert (jaccard(one, other) == 1) is equal
    near = find_near_duplicates([one, other])
    assert (near.distinct[0] == near.distinct[1]) is np.bool_(equal)


def test_groups_link_through_others() -> None:
    chain = [
        POST,
        POST[6:] + "新的消息很快就到",
        POST[12:] + "新的消息很快就到请看",
        "完全是另外一回事的一个帖子",
        POST,
    ]
    assert plain_jaccard(chain[0], chain[1]) >= 0.5
    assert plain_jaccard(chain[1], chain[2]) >= 0.5
    assert plain_jaccard(chain[0], chain[2]) < 0.5
    assert find_near_duplicates(chain).groups.tolist() == [0, 0, 0, 1, 0]


def test_groups_are_the_connected_pairs() -> None:
    texts = variants(11, 150)
    leader = list(range(len(texts)))
    for a, b in sorted(all_pairs(texts, 0.5)):
        old, new = leader[b], leader[a]
        leader = [new if group == old else group for group in leader]
    groups = find_near_duplicates(texts).groups.tolist()
    assert len(set(zip(groups, leader, strict=True))) == len(set(groups)) == len(set(leader))
    assert list(dict.fromkeys(groups)) == list(range(len(set(groups))))  # numbered by first appearance


def test_the_nearest_is_the_most_similar_and_the_earliest_of_equals() -> None:
    texts = variants(13, 160)
    rows, among = np.arange(100, 160), np.arange(100)
    nearest, similarity = find_near_duplicates(texts).nearest(rows, among)
    assert (nearest >= 0).any()
    assert (nearest < 0).any()
    for row, other, value in zip(rows, nearest, similarity, strict=True):
        values = np.array([plain_jaccard(texts[row], texts[a]) for a in among])
        if values.max() < 0.5:
            assert (other, value) == (-1, 0)
        else:
            assert value == pytest.approx(values.max())
            assert other == np.flatnonzero(np.isclose(values, values.max()))[0]


@pytest.mark.parametrize("texts", [[], [""], ["", ""], ["水"], ["😀", "水水"]])
def test_few_texts_are_accepted(texts: list[str]) -> None:
    near = find_near_duplicates(texts)
    assert len(near.distinct) == len(near.groups) == len(texts)
    assert near.first.size == near.second.size == near.similarity.size == 0
    nearest, similarity = near.nearest(np.arange(len(texts)), np.empty(0, np.int64))
    assert (nearest == -1).all()
    assert (similarity == 0).all()


@pytest.mark.parametrize("threshold", [0, -0.1, 1.1, float("nan")])
def test_a_threshold_out_of_range_is_refused(threshold: float) -> None:
    with pytest.raises(DataError, match="threshold of near-duplicates: found"):
        find_near_duplicates(["水"], threshold)
