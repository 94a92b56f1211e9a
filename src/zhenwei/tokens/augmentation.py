"""Augmentation of ENDEF: delete and mask some words or entities of each training article."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zhenwei.errors import ConfigError
from zhenwei.news.similarity.shingles import splitmix64

_LOW_64 = 2**64 - 1
# Keys of an article's random draws: its words from 0, its entities from _FIRST_ENTITY, and the choice of both.
_FIRST_ENTITY = np.uint64(2**32)
_CHOICE = np.uint64(2**33)
_NEVER = np.inf  # draw of a token that cannot be hidden
_SPECIAL = -1.0


@dataclass(frozen=True, slots=True)
class BatchEntities:
    """The entities of B articles, numbered as in ``EncodedArticles``.

    Attributes:
        of_token: entity of each token of the contents, -1 for none, int32 [S].
        ids: token ids of the entity lists, int32 [E].
        numbers: entity of each of these tokens, -1 for [CLS], int32 [E].
        lengths: tokens of the entity list per article, int64 [B].
    """

    of_token: NDArray[np.int32]
    ids: NDArray[np.int32]
    numbers: NDArray[np.int32]
    lengths: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Delete with probability ``rate``, and mask with probability ``rate`` (Zhu et al., ENDEF, SIGIR 2022).

    In each epoch, an article is augmented either on its entities or on its words, each with probability 1/2; always on
    its words if entities are not encoded.

    - An entity is deleted or masked at every occurrence in the content, and is removed from the entity list.
    - A word is a unit of the pre-tokenizer: with BERT's, and with a vocabulary trained here, a single Chinese
      character, a whole word of a script with spaces between words, or a punctuation mark. Chinese is not segmented
      into words. The entity list does not change.

    All tokens of a word or entity are treated in the same way, and each token of a masked one becomes a mask token.
    Special tokens do not change, and at least one word of each content (or one entity, if there is nothing else) stays.
    The augmentation has no state: each draw is a hash of (seed, epoch, article, word or entity), so it does
    not depend on batches or processes.

    Args:
        rate: probability of each of the two, in [0, 1); from 0.5 on all words but one are hidden.
        seed: the run's seed.
        mask_id: id of the mask token.

    Raises:
        ConfigError: ``rate`` is outside [0, 1).
    """

    rate: float
    seed: int
    mask_id: int

    def __post_init__(self) -> None:
        if not 0 <= self.rate < 1:
            raise ConfigError(f"aug_prob is {self.rate}: expected a probability of at least 0 and below 1.")

    def apply(
        self,
        ids: NDArray[np.int32],
        words: NDArray[np.int32],
        rows: NDArray[np.int64],
        lengths: NDArray[np.int64],
        epoch: int,
    ) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Augment the words of B articles.

        Args:
            ids: their token ids, int32 [S].
            words: word of each token within its article, -1 for special tokens, int32 [S].
            rows: row numbers of the articles, int64 [B].
            lengths: tokens per article, int64 [B].
            epoch: each epoch has its own draws.

        Returns:
            The remaining token ids, int32 [S'], and their number per article, int64 [B].
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
        entities: BatchEntities,
    ) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int32], NDArray[np.int64]]:
        """Augment the entities or the words of each of B articles; see ``apply`` for the shared arguments.

        Returns:
            The remaining token ids, int32 [S'], and their number per article, int64 [B]; the same of the entity lists,
            int32 [E'] and int64 [B].
        """
        if self.rate == 0:
            return ids, lengths, entities.ids, entities.lengths
        keys = self._article_keys(rows, epoch)  # [B]
        on_entities = splitmix64(keys + _CHOICE) >> np.uint64(63) == 1  # [B], the hash's first bit
        article = np.repeat(np.arange(len(rows)), lengths)  # [S]
        draws = np.where(
            on_entities[article],
            np.where(words < 0, _SPECIAL, _entity_draws(keys[article], entities.of_token)),
            _word_draws(keys[article], words),
        )
        unchanged = _largest(draws, article, len(rows))
        remaining, lengths = self._hide(ids, draws, unchanged, article)

        article = np.repeat(np.arange(len(rows)), entities.lengths)  # [E]
        draws = _entity_draws(keys[article], entities.numbers)
        keep = ~on_entities[article] | (draws >= 2 * self.rate) | (draws == unchanged[article])
        n_entity_tokens = np.bincount(article[keep & (entities.numbers >= 0)], minlength=len(rows))
        keep &= n_entity_tokens[article] > 0  # a list without entities has no [CLS] either
        return remaining, lengths, entities.ids[keep], _counts(article[keep], len(rows))

    def _hide(
        self,
        ids: NDArray[np.int32],
        draws: NDArray[np.float64],
        unchanged: NDArray[np.float64],
        article: NDArray[np.int64],
    ) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Delete the tokens [S] with the smallest draws [S], mask the next; draws equal to ``unchanged`` [B] stay."""
        changeable = (draws >= 0) & (draws != unchanged[article])
        masked = changeable & (draws < 2 * self.rate)
        keep = ~(changeable & (draws < self.rate))
        remaining = np.where(masked, np.int32(self.mask_id), ids)[keep]
        return remaining, _counts(article[keep], len(unchanged))

    def _article_keys(self, rows: NDArray[np.int64], epoch: int) -> NDArray[np.uint64]:
        """Return the keys of the articles' draws in this epoch, [B]."""
        run = splitmix64(np.array([self.seed & _LOW_64], np.uint64))
        key = splitmix64(run + np.uint64(epoch & _LOW_64))
        return splitmix64(key + rows.astype(np.uint64))


def _word_draws(keys: NDArray[np.uint64], words: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return a draw in [0, 1) for each token, equal within a word; -1 for special tokens; [S]."""
    return np.where(words < 0, _SPECIAL, _fraction(splitmix64(keys + words.astype(np.uint64))))


def _entity_draws(keys: NDArray[np.uint64], numbers: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return a draw in [0, 1) for each token, equal within an entity; infinity outside entities; [S]."""
    return np.where(numbers < 0, _NEVER, _fraction(splitmix64(keys + numbers.astype(np.uint64) + _FIRST_ENTITY)))


def _fraction(bits: NDArray[np.uint64]) -> NDArray[np.float64]:
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53  # the 53 bits of a double


def _largest(draws: NDArray[np.float64], article: NDArray[np.int64], n_articles: int) -> NDArray[np.float64]:
    """Return the largest draw of each article, [B]; -1 for an article without tokens."""
    largest = np.full(n_articles, _SPECIAL)
    np.maximum.at(largest, article, draws)
    return largest


def _counts(article: NDArray[np.int64], n_articles: int) -> NDArray[np.int64]:
    return np.bincount(article, minlength=n_articles).astype(np.int64)
