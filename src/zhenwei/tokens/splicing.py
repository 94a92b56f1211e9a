"""Many texts to tokens: each different segment is tokenized once, and the texts' tokens are spliced from theirs."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from zhenwei.tokens.ragged import places
from zhenwei.tokens.segments import MOST_SEGMENTS, Segments, cuts_around_characters
from zhenwei.tokens.tokenizer import TextTokenizer, TokenizedTexts
from zhenwei.tokens.vocabulary import text_normalizer

FEW_CHARACTERS = 20_000  # texts that are tokenized one by one sooner than their segments have been learned


class BatchEncoder(Protocol):
    """What turns texts into tokens: a `TextTokenizer`, or what gives the same in less time."""

    def encode_batch(self, texts: list[str], max_len: int) -> TokenizedTexts:
        """See `TextTokenizer.encode_batch`."""


def encoder_of_many(tokenizer: TextTokenizer) -> BatchEncoder:
    """Return what turns many texts into the tokens that the tokenizer gives them, in the least time."""
    if cuts_around_characters(tokenizer.backend, text_normalizer()):
        return SplicingEncoder(tokenizer)
    return tokenizer


class SplicingEncoder:
    """Encodes texts as a tokenizer does that cuts around characters; a million posts in seconds.

    It remembers the tokens of the segments that it has met; so, other than its tokenizer, it is not for several threads.

    Args:
        tokenizer: One of which `cuts_around_characters` is true.
        few: Fewer characters than these, where nothing is remembered yet, are left to the tokenizer.
    """

    def __init__(self, tokenizer: TextTokenizer, few: int = FEW_CHARACTERS) -> None:
        self._tokenizer, self._few = tokenizer, few
        self._segments = Segments()
        opening, closing = tokenizer.surroundings()
        self._opening, self._closing = np.array(opening, np.int32), np.array(closing, np.int32)
        self._forget()

    def encode_batch(self, texts: list[str], max_len: int) -> TokenizedTexts:
        """Turn texts into token ids, special tokens added; equal to `TextTokenizer.encode_batch`.

        Raises:
            ConfigError: `max_len` leaves no room for content.
        """
        self._tokenizer.check_max_len(max_len)
        if sum(map(len, texts)) < self._few and not self._segments.names:
            return self._tokenizer.encode_batch(texts, max_len)
        if len(self._segments.names) > MOST_SEGMENTS:
            self._forget()
        cut = self._segments.cut(texts)
        self._learn()
        lengths = self._lengths[cut.numbers]  # tokens per segment, [P]
        words = self._n_words[cut.numbers]
        ends = np.cumsum(cut.counts)
        full = _sums(lengths, ends)  # tokens per text, special ones left out, [N]
        words_before = np.cumsum(words) - words
        first_word = _sums(words, ends).cumsum() - _sums(words, ends)  # of all words, that which begins each text
        words_before -= np.repeat(first_word, cut.counts)

        source = np.repeat(self._starts[cut.numbers], lengths) + places(lengths)  # [S]
        ids = self._ids[source]
        word = self._words[source] + np.repeat(words_before, lengths)
        return self._joined(ids, word, full, max_len)

    def _joined(
        self, ids: NDArray[np.int32], words: NDArray[np.int64], full: NDArray[np.int64], max_len: int
    ) -> TokenizedTexts:
        """Cut the texts' tokens [S], `full` [N] of each, and put the special tokens around them."""
        special = len(self._opening) + len(self._closing)
        kept = np.minimum(full, max_len - special)
        lengths = kept + special
        starts = np.cumsum(lengths) - lengths
        joined = np.empty(lengths.sum(), np.int32)
        joined_words = np.full(len(joined), -1, np.int32)
        place = places(kept)
        source = np.repeat(np.cumsum(full) - full, kept) + place
        target = np.repeat(starts + len(self._opening), kept) + place
        joined[target] = ids[source]
        joined_words[target] = words[source]
        for number, token in enumerate(self._opening):
            joined[starts + number] = token
        for number, token in enumerate(self._closing, start=-len(self._closing)):
            joined[starts + lengths + number] = token
        return TokenizedTexts(joined, joined_words, lengths, full > kept)

    def _learn(self) -> None:
        """Tokenize the segments that were met for the first time."""
        fresh = self._segments.names[len(self._lengths) :]
        if not fresh:
            return
        texts = self._tokenizer.encode_bare(fresh)
        self._lengths = np.append(self._lengths, texts.lengths)
        self._starts = np.cumsum(self._lengths) - self._lengths
        self._ids = np.append(self._ids, texts.ids)
        self._words = np.append(self._words, texts.words)
        ends = np.cumsum(texts.lengths)
        last = np.append(texts.words, -1)[np.where(texts.lengths > 0, ends - 1, -1)]  # each segment's last word
        self._n_words = np.append(self._n_words, last.astype(np.int64) + 1)

    def _forget(self) -> None:
        self._segments.forget()
        self._ids, self._words = np.empty(0, np.int32), np.empty(0, np.int32)
        self._lengths, self._starts, self._n_words = (np.empty(0, np.int64) for _ in range(3))


def _sums(values: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sum the values of each of N rows, [N]; row n ends before `ends[n]`, and begins where the one before ends."""
    return np.diff(np.append(0, np.cumsum(values))[ends], prepend=0)
