"""Batches of whole contents."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from zhenwei.tokens.content_batches import ContentBatches


@given(contents=st.lists(st.integers(0, 9), min_size=1, max_size=60), size=st.integers(1, 12), epoch=st.integers(0, 3))
def test_every_row_is_in_one_batch_and_contents_stay_whole(contents: list[int], size: int, epoch: int) -> None:
    groups = np.unique(contents, return_inverse=True)[1].astype(np.int64)
    lengths = np.arange(len(groups)) % 7 + 1
    batches = ContentBatches.build(groups, size)
    order = batches.order(lengths, seed=1, epoch=epoch)
    assert sorted(np.concatenate(order).tolist()) == list(range(len(groups)))
    assert len(order) == len(batches)  # in every epoch: the schedule counts on it
    for content in np.flatnonzero(np.bincount(groups) <= size):
        assert sum(bool((groups[batch] == content).any()) for batch in order) == 1


def test_the_order_is_a_pure_function_of_seed_and_epoch() -> None:
    groups = np.repeat(np.arange(40), 5)
    lengths = np.arange(200) % 37 + 1
    batches = ContentBatches.build(groups, 20)

    def flat(seed: int, epoch: int) -> list[int]:
        return np.concatenate(batches.order(lengths, seed=seed, epoch=epoch)).tolist()

    assert flat(1, 0) == flat(1, 0)
    assert flat(1, 0) != flat(1, 1)
    assert flat(1, 0) != flat(2, 0)
    assert [len(batch) for batch in batches.order(lengths, seed=1, epoch=0)] == [20] * 10
