"""Words are deleted and masked by chance, but the chance is a pure function of seed, epoch, article and word."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zhenwei.errors import ConfigError
from zhenwei.tokens.augmentation import Augmentation

CLS, SEP, MASK = 2, 3, 4


def article(n_words: int, pieces: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Token ids 10, 11, ... between [CLS] and [SEP], and the words they belong to."""
    words = np.repeat(np.arange(n_words), pieces)
    ids = np.concatenate([[CLS], 10 + np.arange(len(words)), [SEP]]).astype(np.int32)
    return ids, np.concatenate([[-1], words, [-1]]).astype(np.int32)


def augment(
    rows: list[int], n_words: int = 1000, pieces: int = 1, *, rate: float = 0.2, seed: int = 1, epoch: int = 0
) -> list[list[int]]:
    """Augment a batch of equal articles under these row numbers."""
    ids, words = article(n_words, pieces)
    many = len(rows)
    left, lengths = Augmentation(rate, seed, MASK).apply(
        np.tile(ids, many), np.tile(words, many), np.array(rows), np.full(many, len(ids)), epoch
    )
    assert left.dtype == np.int32
    return [part.tolist() for part in np.split(left, np.cumsum(lengths)[:-1])]


def test_each_word_is_deleted_and_masked_with_the_chance_of_the_rate() -> None:
    (left,) = augment([0], n_words=100_000, rate=0.2)
    assert 1 - (len(left) - 2) / 100_000 == pytest.approx(0.2, abs=0.01)
    assert left.count(MASK) / 100_000 == pytest.approx(0.2, abs=0.01)


def test_special_tokens_are_left_alone() -> None:
    for left in augment(list(range(200)), n_words=3, rate=0.6):
        assert (left[0], left[-1]) == (CLS, SEP)


def test_all_tokens_of_a_word_share_its_fate() -> None:
    (left,) = augment([0], n_words=300, pieces=3)
    kept = {token for token in left if token >= 10}
    assert 0 < len(kept) < 900
    for word in range(300):
        pieces = {10 + 3 * word, 11 + 3 * word, 12 + 3 * word}
        assert pieces <= kept or not pieces & kept
    assert left.count(MASK) % 3 == 0


@pytest.mark.parametrize("n_words", [1, 2, 5])
def test_at_least_one_word_remains_as_it_is(n_words: int) -> None:
    for left in augment(list(range(500)), n_words, rate=0.99):
        assert any(token >= 10 for token in left)


def test_an_article_of_special_tokens_alone_stays_so() -> None:
    assert augment([0, 1], n_words=0, rate=0.9) == [[CLS, SEP], [CLS, SEP]]


def test_an_empty_batch_stays_empty() -> None:
    nothing = np.empty(0, np.int32)
    left, lengths = Augmentation(0.5, 1, MASK).apply(nothing, nothing, np.empty(0, np.int64), np.empty(0, np.int64), 0)
    assert (len(left), len(lengths)) == (0, 0)


def test_rate_zero_changes_nothing() -> None:
    ids, _ = article(50)
    assert augment([3, 4], n_words=50, rate=0.0) == [ids.tolist()] * 2


@given(
    rows=st.lists(st.integers(0, 10**9), min_size=1, max_size=6, unique=True),
    seed=st.integers(0, 2**63),
    epoch=st.integers(0, 1000),
)
def test_an_article_fares_the_same_whoever_its_batch_mates_are(rows: list[int], seed: int, epoch: int) -> None:
    together = augment(rows, n_words=20, seed=seed, epoch=epoch)
    alone = [augment([row], n_words=20, seed=seed, epoch=epoch)[0] for row in rows]
    assert together == alone


def test_seed_epoch_and_article_each_draw_anew() -> None:
    drawn = [
        augment([0]),
        augment([1]),
        augment([0], epoch=1),
        augment([0], seed=2),
        augment([0], seed=0, epoch=1),  # seed and epoch are mixed, not added
    ]
    assert len({tuple(left) for (left,) in drawn}) == 5


def test_a_run_of_today_draws_what_it_drew_before() -> None:
    left = augment([0, 1, 7], n_words=10, rate=0.2, seed=2021, epoch=5)
    assert left == [
        [2, 10, 11, 12, 4, 4, 16, 18, 19, 3],
        [2, 10, 11, 4, 13, 15, 17, 18, 4, 3],
        [2, 10, 11, 12, 13, 4, 15, 16, 17, 18, 19, 3],
    ]


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5, float("nan")])
def test_a_rate_that_is_no_chance_is_refused(rate: float) -> None:
    with pytest.raises(ConfigError, match="aug_prob"):
        Augmentation(rate, seed=1, mask_id=MASK)
