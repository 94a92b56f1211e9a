"""ENDEF's augmentation: while training, some words or some entities of each article are deleted, and some masked."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zhenwei.errors import ConfigError

_LOW_64 = 2**64 - 1
# What is drawn for an article is numbered: its words from 0, its entities from here on, and the coin that chooses.
_FIRST_ENTITY = np.uint64(2**32)
_COIN = np.uint64(2**33)
_NEVER = np.inf  # a token that is nothing which could be hidden
_SPECIAL = -1.0


@dataclass(frozen=True, slots=True)
class CutEntities:
    """The entities of a batch's B articles, as ``EncodedArticles`` numbers them.

    Attributes:
        of_token: the entity that each token of the contents belongs to, -1 for none, int32 [S].
        ids: the tokens of the entity lists, one article after the other, int32 [E].
        numbers: the entity that each of them belongs to, -1 for [CLS], int32 [E].
        lengths: tokens of the entity list per article, int64 [B].
    """

    of_token: NDArray[np.int32]
    ids: NDArray[np.int32]
    numbers: NDArray[np.int32]
    lengths: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Deletes with chance ``rate``, and masks with chance ``rate`` (Zhu et al., ENDEF, SIGIR 2022).

    Each article, in each epoch, acts with chance 1/2 on its entities and else on its words; on words always where
    entities are not encoded.

    - An entity that is deleted, or masked, is so wherever it stands in the content, and leaves the entity list; else it
      stays in both.
    - A word is what the tokenizer's pre-tokenizer cuts: with BERT's, as in a vocabulary trained here, a single Chinese
      character, or a whole word of a script that puts spaces between words, or a punctuation mark. Chinese is not
      segmented into words. The entity list stays whole.

    The tokens of one word or entity share its fate; each token of a masked one becomes a mask of its own; special
    tokens are left alone; and at least one word of each content, or one entity where it is nothing but entities, is
    left as it is. There is no state: each fate is a hash of (seed, epoch, article, word or entity), so that it depends
    neither on the batch that the article is in nor on the process that reads it.

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
        """Augment B articles at once, all of them on their words.

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
        draws = _word_draws(self._article_keys(rows, epoch)[article], words)
        return self._hide(ids, draws, _largest(draws, article, len(rows)), article)

    def apply_with_entities(
        self,
        ids: NDArray[np.int32],
        words: NDArray[np.int32],
        rows: NDArray[np.int64],
        lengths: NDArray[np.int64],
        epoch: int,
        entities: CutEntities,
    ) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int32], NDArray[np.int64]]:
        """Augment B articles at once, each on its entities or on its words; see ``apply`` for what it shares with it.

        Returns:
            The token ids that are left, int32 [S'], and how many of each article, int64 [B]; those of the entity lists
            that are left, int32 [E'], and how many of each article, int64 [B].
        """
        if self.rate == 0:
            return ids, lengths, entities.ids, entities.lengths
        keys = self._article_keys(rows, epoch)  # [B]
        on_entities = _mix(keys + _COIN) >> np.uint64(63) == 1  # [B], the hash's first bit
        article = np.repeat(np.arange(len(rows)), lengths)  # [S]
        draws = np.where(
            on_entities[article],
            np.where(words < 0, _SPECIAL, _entity_draws(keys[article], entities.of_token)),
            _word_draws(keys[article], words),
        )
        spared = _largest(draws, article, len(rows))
        left, left_lengths = self._hide(ids, draws, spared, article)

        article = np.repeat(np.arange(len(rows)), entities.lengths)  # [E]
        draws = _entity_draws(keys[article], entities.numbers)
        kept = ~on_entities[article] | (draws >= 2 * self.rate) | (draws == spared[article])
        named = np.bincount(article[kept & (entities.numbers >= 0)], minlength=len(rows))
        kept &= named[article] > 0  # a list without entities is empty: its [CLS] goes too
        return left, left_lengths, entities.ids[kept], _counts(article[kept], len(rows))

    def _hide(
        self,
        ids: NDArray[np.int32],
        draws: NDArray[np.float64],
        spared: NDArray[np.float64],
        article: NDArray[np.int64],
    ) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Delete the tokens [S] with the least draws [S] and mask the next; what drew ``spared`` [B] is left alone."""
        open_to_change = (draws >= 0) & (draws != spared[article])
        masked = open_to_change & (draws < 2 * self.rate)
        kept = ~(open_to_change & (draws < self.rate))
        left = np.where(masked, np.int32(self.mask_id), ids)[kept]
        return left, _counts(article[kept], len(spared))

    def _article_keys(self, rows: NDArray[np.int64], epoch: int) -> NDArray[np.uint64]:
        """Give the number from which all of an article's draws in this epoch follow, [B]."""
        run = _mix(np.array([self.seed & _LOW_64], np.uint64))
        key = _mix(run + np.uint64(epoch & _LOW_64))
        return _mix(key + rows.astype(np.uint64))


def _word_draws(keys: NDArray[np.uint64], words: NDArray[np.int32]) -> NDArray[np.float64]:
    """Draw a number in [0, 1) for each token, the same for all of a word; -1 for special tokens; [S]."""
    return np.where(words < 0, _SPECIAL, _fraction(_mix(keys + words.astype(np.uint64))))


def _entity_draws(keys: NDArray[np.uint64], numbers: NDArray[np.int32]) -> NDArray[np.float64]:
    """Draw a number in [0, 1) for each token, the same for all of an entity; infinity for a token of none; [S]."""
    return np.where(numbers < 0, _NEVER, _fraction(_mix(keys + numbers.astype(np.uint64) + _FIRST_ENTITY)))


def _fraction(bits: NDArray[np.uint64]) -> NDArray[np.float64]:
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53  # the 53 bits that a double holds


def _largest(draws: NDArray[np.float64], article: NDArray[np.int64], n_articles: int) -> NDArray[np.float64]:
    """Give each article's largest draw, [B]; -1 for one without tokens."""
    largest = np.full(n_articles, _SPECIAL)
    np.maximum.at(largest, article, draws)
    return largest


def _counts(article: NDArray[np.int64], n_articles: int) -> NDArray[np.int64]:
    return np.bincount(article, minlength=n_articles).astype(np.int64)


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64 (Steele et al., OOPSLA 2014), element by element; overflow wraps, as it is meant to."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
