"""Batches: every row once, like lengths together, and the same tensors as an obvious slow version cuts."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from zhenwei.errors import ConfigError
from zhenwei.tokens.augmentation import Augmentation
from zhenwei.tokens.batches import Batch, batch_order, collate, default_widths, shard_rows
from zhenwei.tokens.encoding import EncodedArticles
from zhenwei.tokens.ragged import RaggedInts

PAD = 9

length_lists = st.lists(st.integers(1, 40), max_size=60)


def ragged(rows: list[list[int]]) -> RaggedInts:
    flat = [value for row in rows for value in row]
    return RaggedInts(np.array(flat, np.int32), np.cumsum([0, *(len(row) for row in rows)], dtype=np.int64))


def encoded_articles(rows: list[list[int]], **optional: object) -> EncodedArticles:
    words = [
        word for row in rows for word in [-1, *range(len(row) - 2), -1][: len(row)]
    ]  # [CLS] and [SEP] around one-token words
    labels = np.arange(len(rows), dtype=np.float32) % 2
    return EncodedArticles(ragged(rows), np.array(words, np.int32), labels, np.zeros(len(rows), np.bool_), **optional)  # type: ignore[arg-type]


ROWS = [[2, 10, 11, 3], [2, 12, 3], [2, 13, 14, 15, 16, 3], [2, 3]]


class TestOrder:
    @given(
        lengths=length_lists,
        size=st.integers(1, 9),
        shuffle=st.booleans(),
        pool=st.integers(1, 4),
        epoch=st.integers(0, 5),
    )
    def test_every_row_is_dealt_exactly_once(
        self, lengths: list[int], size: int, shuffle: bool, pool: int, epoch: int
    ) -> None:
        order = batch_order(
            np.array(lengths, np.int64), size, seed=1, epoch=epoch, shuffle=shuffle, bucket_batches=pool
        )
        assert sorted(row for batch in order for row in batch) == list(range(len(lengths)))
        assert len(order) == -(-len(lengths) // size)
        assert sum(len(batch) < size for batch in order) <= 1

    def test_the_order_is_a_pure_function_of_seed_and_epoch(self) -> None:
        lengths = np.arange(500) % 37 + 1

        def flat(seed: int, epoch: int) -> tuple[int, ...]:
            return tuple(np.concatenate(batch_order(lengths, 8, seed=seed, epoch=epoch)).tolist())

        assert flat(1, 0) == flat(1, 0)
        assert len({flat(1, 0), flat(1, 1), flat(2, 0), flat(0, 1)}) == 4

    def test_articles_of_like_length_share_a_batch(self) -> None:
        lengths = np.random.default_rng(0).integers(1, 171, 6400)
        order = batch_order(lengths, 64, seed=1, epoch=0)
        spread = np.mean([np.ptp(lengths[batch]) for batch in order])
        assert spread < 10

    def test_short_and_long_batches_are_mixed(self) -> None:
        lengths = np.arange(1000)
        longest = [lengths[batch].max() for batch in batch_order(lengths, 10, seed=1, epoch=0)]
        assert longest != sorted(longest)

    def test_unshuffled_the_longest_come_first_and_ties_keep_their_order(self) -> None:
        order = batch_order(np.array([2, 5, 2, 5, 9]), 2, seed=1, epoch=0, shuffle=False)
        assert [batch.tolist() for batch in order] == [[4, 1], [3, 0], [2]]

    @pytest.mark.parametrize(("size", "pool"), [(0, 50), (8, 0)])
    def test_sizes_below_one_are_refused(self, size: int, pool: int) -> None:
        with pytest.raises(ConfigError):
            batch_order(np.array([1]), size, seed=1, epoch=0, bucket_batches=pool)


class TestShards:
    @given(size=st.integers(1, 40), world=st.integers(1, 9))
    def test_each_row_weighs_one_over_all_processes(self, size: int, world: int) -> None:
        rows = np.random.default_rng(size).permutation(100)[:size]
        total = dict.fromkeys(rows.tolist(), 0.0)
        for rank in range(world):
            share, weights = shard_rows(rows, rank, world)
            assert len(share) == len(weights) == -(-size // world)
            assert (share.dtype, weights.dtype) == (np.int64, np.float32)
            for row, weight in zip(share.tolist(), weights.tolist(), strict=True):
                total[row] += weight
        assert set(total.values()) == {1.0}

    def test_one_process_gets_the_batch_as_it_is(self) -> None:
        share, weights = shard_rows(np.array([5, 3, 4]), 0, 1)
        assert share.tolist() == [5, 3, 4]
        assert weights.tolist() == [1, 1, 1]

    def test_a_process_without_rows_gets_one_that_weighs_nothing(self) -> None:
        share, weights = shard_rows(np.array([7]), 2, 3)
        assert (share.tolist(), weights.tolist()) == ([7], [0])


class TestWidths:
    @pytest.mark.parametrize(
        ("max_len", "widths"),
        [(170, (32, 64, 96, 128, 170)), (20, (20,)), (64, (32, 64)), (256, (32, 64, 96, 128, 192, 256))],
    )
    def test_a_few_widths_end_with_the_longest(self, max_len: int, widths: tuple[int, ...]) -> None:
        assert default_widths(max_len) == widths

    def test_a_batch_is_padded_to_the_smallest_width_that_holds_it(self) -> None:
        encoded = encoded_articles(ROWS)
        assert collate(encoded, np.array([0, 2]), pad_id=PAD, widths=(4, 8, 16)).tokens.shape == (2, 8)
        assert collate(encoded, np.array([0, 1]), pad_id=PAD, widths=(4, 8, 16)).tokens.shape == (2, 4)

    def test_a_row_that_no_width_holds_is_not_cut(self) -> None:
        batch = collate(encoded_articles(ROWS), np.array([2]), pad_id=PAD, widths=(4, 5))
        assert batch.tokens.tolist() == [ROWS[2]]


class TestCollate:
    @given(data=st.data(), rows=st.lists(st.lists(st.integers(0, 99), max_size=12), min_size=1, max_size=12))
    def test_the_batch_is_what_an_obvious_slow_version_cuts(self, data: st.DataObject, rows: list[list[int]]) -> None:
        picked = data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1, max_size=12))
        batch = collate(encoded_articles(rows), np.array(picked), pad_id=PAD)
        width = max(1, *(len(rows[row]) for row in picked))
        assert batch.tokens.tolist() == [rows[row] + [PAD] * (width - len(rows[row])) for row in picked]
        assert batch.mask.tolist() == [[place < len(rows[row]) for place in range(width)] for row in picked]
        assert batch.lengths.tolist() == [len(rows[row]) for row in picked]
        assert batch.labels is not None
        assert batch.labels.tolist() == [row % 2 for row in picked]
        assert batch.rows.tolist() == picked

    def test_tensors_have_the_types_that_the_docstring_names(self) -> None:
        batch = full_batch()
        assert len(batch) == 2
        assert batch.tokens.dtype == batch.lengths.dtype == torch.int64
        assert batch.mask.dtype == torch.bool
        assert batch.weights.dtype == torch.float32
        assert batch.labels is not None
        assert batch.labels.dtype == torch.float32
        assert batch.entity_tokens is not None
        assert batch.entity_tokens.dtype == torch.int64
        assert batch.domains is not None
        assert batch.domains.dtype == torch.int64
        assert batch.emotion is not None
        assert batch.emotion.dtype == torch.float32
        assert batch.rows.dtype == np.int64

    def test_optional_fields_come_with_their_rows(self) -> None:
        batch = full_batch()
        assert batch.entity_tokens is not None
        assert batch.entity_tokens.tolist() == [[PAD, PAD, PAD], [2, 13, 3]]
        assert batch.entity_mask is not None
        assert batch.entity_mask.tolist() == [[False] * 3, [True] * 3]
        assert batch.domains is not None
        assert batch.domains.tolist() == [-1, 2]
        assert batch.emotion is not None
        assert batch.emotion.tolist() == [[2, 3], [4, 5]]

    def test_entities_may_be_missing_in_the_whole_batch(self) -> None:
        encoded = encoded_articles(ROWS, entity_tokens=ragged([[], [], [2, 13, 3], []]))
        batch = collate(encoded, np.array([0, 1]), pad_id=PAD)
        assert batch.entity_tokens is not None
        assert batch.entity_tokens.tolist() == [[PAD], [PAD]]
        assert batch.entity_mask is not None
        assert not batch.entity_mask.any()

    def test_what_was_not_encoded_is_none(self) -> None:
        batch = collate(encoded_articles(ROWS), np.array([0]), pad_id=PAD)
        assert batch.entity_tokens is batch.entity_mask is batch.domains is batch.emotion is None

    def test_a_missing_label_leaves_the_batch_without_labels(self) -> None:
        encoded = encoded_articles(ROWS)
        encoded.labels[1] = np.nan
        assert collate(encoded, np.array([0, 1]), pad_id=PAD).labels is None
        assert collate(encoded, np.array([0, 2]), pad_id=PAD).labels is not None

    def test_weights_are_one_unless_given(self) -> None:
        rows = np.array([0, 1])
        assert collate(encoded_articles(ROWS), rows, pad_id=PAD).weights.tolist() == [1, 1]
        given_weights = np.array([1, 0], np.float32)
        batch = collate(encoded_articles(ROWS), rows, pad_id=PAD, weights=given_weights)
        assert batch.weights.tolist() == [1, 0]

    def test_augmentation_shortens_rows_and_is_drawn_anew_each_epoch(self) -> None:
        encoded = encoded_articles([[2, *range(10, 60), 3]] * 4)
        augmentation = Augmentation(0.3, seed=1, mask_id=4)
        rows = np.array([3, 1])
        first, again, later = (
            collate(encoded, rows, pad_id=PAD, augmentation=augmentation, epoch=epoch) for epoch in (0, 0, 1)
        )
        assert first.lengths.max() < 52
        assert first.tokens.shape[1] == first.lengths.max()
        assert torch.equal(first.mask.sum(1), first.lengths)
        assert torch.equal(first.tokens, again.tokens)
        assert first.tokens.tolist() != later.tokens.tolist()

    def test_augmentation_does_not_touch_the_encoded_articles(self) -> None:
        encoded = encoded_articles([[2, *range(10, 60), 3]])
        before = encoded.fingerprint()
        collate(encoded, np.array([0]), pad_id=PAD, augmentation=Augmentation(0.4, 1, 4))
        assert encoded.fingerprint() == before


class TestMoving:
    def test_everything_moves_but_lengths_and_rows(self) -> None:
        moved = full_batch().to("meta", non_blocking=True)
        tensors = (moved.tokens, moved.mask, moved.weights, moved.labels, moved.entity_tokens)
        for tensor in (*tensors, moved.entity_mask, moved.domains, moved.emotion):
            assert tensor is not None
            assert tensor.device.type == "meta"
        assert moved.lengths.device.type == "cpu"
        assert moved.rows.tolist() == [1, 2]

    def test_absent_fields_stay_absent(self) -> None:
        moved = collate(encoded_articles(ROWS), np.array([0]), pad_id=PAD).to("meta")
        assert moved.domains is moved.emotion is moved.entity_tokens is None


def full_batch() -> Batch:
    encoded = encoded_articles(
        ROWS,
        entity_tokens=ragged([[2, 10, 3], [], [2, 13, 3], []]),
        domains=np.array([0, -1, 2, 1]),
        emotion=np.arange(8, dtype=np.float32).reshape(4, 2),
    )
    return collate(encoded, np.array([1, 2]), pad_id=PAD)
