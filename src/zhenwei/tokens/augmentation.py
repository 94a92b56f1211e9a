"""ENDEF's word augmentation: while training, some words of each article are deleted and some are masked."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zhenwei.errors import ConfigError

_LOW_64 = 2**64 - 1


@dataclass(frozen=True, slots=True)
class WordAugmentation:
    """Deletes each word with chance ``rate``, and masks it with chance ``rate`` (Zhu et al., ENDEF, SIGIR 2022).

    A word is what the tokenizer's pre-tokenizer cuts: with BERT's, as in a vocabulary trained here, a single Chinese
    character, or a whole word of a script that puts spaces between words, or a punctuation mark. Chinese is not
    segmented into words. The tokens of one word share its fate; special tokens are left alone; and each article keeps
    at least one word as it is. There is no state: the fate of a word is a hash of (seed, epoch, article, word), so
    that it depends neither on the batch that the article is in nor on the process that reads it.

    Args:
        rate: the chance of each of the two, in [0, 1); from 0.5 on all words but one are hidden.
        seed: the run's seed.
        mask_id: the token that a masked word's tokens become.

    Raises:
        ConfigError: ``rate`` is outside [0, 1).
    """

    rate: float
    seed: int
    mask_id: int

    def __post_init__(self) -> None:
        if not 0 <= self.rate < 1:
            raise ConfigError(f"aug_prob is {self.rate}: a chance of at least 0 and below 1 is needed.")

    def apply(
        self,
        ids: NDArray[np.int32],
        words: NDArray[np.int32],
        rows: NDArray[np.int64],
        lengths: NDArray[np.int64],
        epoch: int,
    ) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Augment B articles at once.

        Args:
            ids: their token ids, one article after the other, int32 [S].
            words: each token's word within its article, -1 for special tokens, int32 [S].
            rows: the articles' row numbers, int64 [B].
            lengths: tokens per article, int64 [B].
            epoch: each epoch draws anew.

        Returns:
            The token ids that are left, int32 [S'], and how many of each article, int64 [B].
        """
        if self.rate == 0 or not len(ids):
            return ids, lengths
        article = np.repeat(np.arange(len(rows)), lengths)  # [S]
        draws = self._draws(words, rows, article, epoch)
        luckiest = np.full(len(rows), -1.0)
        np.maximum.at(luckiest, article, draws)
        spared = (words < 0) | (draws == luckiest[article])
        deleted = (draws < self.rate) & ~spared
        masked = (draws < 2 * self.rate) & ~spared
        kept = ~deleted
        left = np.where(masked, np.int32(self.mask_id), ids)[kept]
        return left, np.bincount(article[kept], minlength=len(rows)).astype(np.int64)

    def _draws(
        self, words: NDArray[np.int32], rows: NDArray[np.int64], article: NDArray[np.int64], epoch: int
    ) -> NDArray[np.float64]:
        """Draw a number in [0, 1) for each token, the same for all of a word; -1 for special tokens; [S]."""
        run = _mix(np.array([self.seed & _LOW_64], np.uint64))
        key = _mix(run + np.uint64(epoch & _LOW_64))
        article_keys = _mix(key + rows.astype(np.uint64))  # [B]
        bits = _mix(article_keys[article] + words.astype(np.uint64))  # [S]
        draws = (bits >> np.uint64(11)) * 2.0**-53  # the 53 bits that a double holds
        return np.where(words < 0, -1.0, draws)


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64 (Steele et al., OOPSLA 2014), element by element; overflow wraps, as it is meant to."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
