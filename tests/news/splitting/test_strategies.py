"""What every split must hold."""

from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zhenwei.errors import ConfigError, DataError
from zhenwei.news import Split, chronological_split, grouped_split, random_split

DAY = datetime(2021, 1, 1)


def days(*numbers: int) -> list[datetime]:
    return [DAY + timedelta(days=number) for number in numbers]


def assert_parts_all_rows(split: Split, count: int) -> None:
    parts = (split.train, split.val, split.test)
    assert all(part.dtype == np.int64 and len(part) > 0 for part in parts)
    assert sorted(np.concatenate(parts).tolist()) == list(range(count))


def test_the_future_is_later_than_everything_before() -> None:
    split = chronological_split(days(9, 0, 8, 1, 7, 2, 6, 3, 5, 4))
    assert split.train.tolist() == [1, 3, 5, 7, 9, 8]
    assert split.val.tolist() == [6, 4]
    assert split.test.tolist() == [2, 0]


def test_rows_of_equal_time_are_never_parted() -> None:
    split = chronological_split(days(0, 0, 0, 0, 0, 0, 0, 1, 2, 2))
    assert split.train.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert split.val.tolist() == [7]
    assert split.test.tolist() == [8, 9]


@given(st.lists(st.integers(0, 8), min_size=3, max_size=60).filter(lambda numbers: len(set(numbers)) >= 3))
def test_a_chronological_split_holds_for_any_times(numbers: list[int]) -> None:
    times = np.array(numbers)
    split = chronological_split(days(*numbers))
    assert_parts_all_rows(split, len(numbers))
    assert times[split.train].max() < times[split.val].min()
    assert times[split.val].max() < times[split.test].min()


def test_articles_without_time_are_counted() -> None:
    with pytest.raises(DataError, match="2 of 4 articles have no time"):
        chronological_split([DAY, None, None, DAY])


@pytest.mark.parametrize("numbers", [[], [1], [1, 1, 1, 1], [1, 1, 2, 2]])
def test_fewer_than_three_times_cannot_be_split(numbers: list[int]) -> None:
    with pytest.raises(DataError, match=f"found {len(set(numbers))} distinct times"):
        chronological_split(days(*numbers))


@given(st.integers(3, 200), st.integers(0, 5))
def test_a_random_split_parts_all_rows(count: int, seed: int) -> None:
    split = random_split(count, seed=seed)
    assert_parts_all_rows(split, count)
    assert abs(len(split.train) - 0.6 * count) <= 1


def test_a_random_split_is_a_pure_function_of_its_seed() -> None:
    first, again, other = (random_split(50, seed=seed) for seed in (1, 1, 2))
    assert first.train.tolist() == again.train.tolist() != other.train.tolist()


def test_a_stratified_split_keeps_the_share_of_fakes() -> None:
    labels = ["fake"] * 30 + ["real"] * 70
    split = random_split(100, seed=3, labels=labels)
    assert_parts_all_rows(split, 100)
    assert [sum(part < 30) for part in (split.train, split.val, split.test)] == [18, 6, 6]


def test_labels_must_be_as_many_as_rows() -> None:
    with pytest.raises(DataError, match="found 2 labels; expected 3"):
        random_split(3, seed=0, labels=["fake", "real"])


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_rows_cannot_be_split(count: int) -> None:
    with pytest.raises(DataError, match=f"found {count} articles"):
        random_split(count, seed=0)


@given(st.lists(st.integers(0, 9), min_size=3, max_size=60).filter(lambda ids: len(set(ids)) >= 3), st.integers(0, 3))
def test_groups_stay_whole(groups: list[int], seed: int) -> None:
    split = grouped_split(groups, seed=seed)
    assert_parts_all_rows(split, len(groups))
    places = np.array(groups)
    parts = [set(places[part].tolist()) for part in (split.train, split.val, split.test)]
    assert sum(map(len, parts)) == len(set(groups))


def test_groups_of_one_come_as_near_to_the_fractions_as_rows() -> None:
    split = grouped_split(range(100), seed=0)
    assert [len(part) for part in (split.train, split.val, split.test)] == [60, 20, 20]
    assert split.train.tolist() != grouped_split(range(100), seed=1).train.tolist()


def test_two_groups_cannot_make_three_parts() -> None:
    with pytest.raises(DataError, match="found 2 groups"):
        grouped_split(["a", "b", "a", "b"], seed=0)


@pytest.mark.parametrize(
    "fractions", [(0.5, 0.5, 0.5), (1.0, 0.0, 0.0), (1.2, -0.1, -0.1), (0.8, 0.2), (float("nan"),) * 3]
)
def test_fractions_are_three_positive_numbers_that_sum_to_one(fractions: tuple[float, ...]) -> None:
    for split in (
        lambda: chronological_split(days(1, 2, 3), fractions),  # type: ignore[arg-type]
        lambda: random_split(3, fractions, seed=0),  # type: ignore[arg-type]
        lambda: grouped_split([1, 2, 3], fractions, seed=0),  # type: ignore[arg-type]
    ):
        with pytest.raises(ConfigError, match="sum to 1"):
            split()
