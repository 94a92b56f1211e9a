"""Many texts to tokens: each different segment is tokenized once, and the texts' tokens are spliced from theirs."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from zhenwei.tokens.ragged import places
from zhenwei.tokens.segments import Segments, cuts_around_characters
from zhenwei.tokens.tokenizer import TextTokenizer, TokenizedTexts
from zhenwei.tokens.vocabulary import text_normalizer

FEW_CHARACTERS = 20_000  # of texts that are tokenized whole sooner than their segments have been learned


class BatchEncoder(Protocol):
    """What turns texts into tokens: a `TextTokenizer`, or what gives the same in less time."""

    def encode_batch(self, texts: list[str], max_len: int) -> TokenizedTexts:
        """See `TextTokenizer.encode_batch`."""


class StreamEncoder:
    """Encodes a stream of texts, in the way that takes the least time; for one thread.

    Args:
        tokenizer: Whose tokens they get.
    """

    def __init__(self, tokenizer: TextTokenizer) -> None:
        self._tokenizer = tokenizer
        self._chosen: BatchEncoder | None = None

    def encode_batch(self, texts: list[str], max_len: int) -> TokenizedTexts:
        """Turn some of the texts into tokens; equal to `TextTokenizer.encode_batch`.

        Raises:
            ConfigError: `max_len` leaves no room for content.
        """
        if self._chosen is None:
            if sum(map(len, texts)) < FEW_CHARACTERS:
                return self._tokenizer.encode_batch(texts, max_len)
            splices = cuts_around_characters(self._tokenizer.backend, text_normalizer())
            self._chosen = SplicingEncoder(self._tokenizer) if splices else self._tokenizer
        return self._chosen.encode_batch(texts, max_len)


class SplicingEncoder:
    """Encodes texts as a tokenizer does that cuts around characters; a million posts in seconds.

    It remembers the tokens of the segments that it has met.

    Args:
        tokenizer: One of which `cuts_around_characters` is true.
    """

    def __init__(self, tokenizer: TextTokenizer) -> None:
        self._tokenizer = tokenizer
        self._segments = Segments()
        opening, closing = tokenizer.surroundings()
        self._opening, self._closing = np.array(opening, np.int32), np.array(closing, np.int32)
        self._known = _NONE_KNOWN

    def encode_batch(self, texts: list[str], max_len: int) -> TokenizedTexts:
        """Turn texts into token ids, special tokens added; equal to `TextTokenizer.encode_batch`.

        Raises:
            ConfigError: `max_len` leaves no room for content.
        """
        self._tokenizer.check_max_len(max_len)
        if self._segments.are_many:
            self._forget()
        cut = self._segments.cut(texts)
        self._learn()
        known, ends = self._known, np.cumsum(cut.counts)
        lengths, n_words = known.lengths[cut.numbers], known.n_words[cut.numbers]  # per segment, [P]
        text_words = _sums(n_words, ends)  # words per text, [N]
        text_starts = np.repeat(np.cumsum(text_words) - text_words, cut.counts)  # words before each segment's text
        first_words = np.cumsum(n_words) - n_words - text_starts  # of each segment, within its text, [P]
        source = np.repeat(known.starts[cut.numbers], lengths) + places(lengths)  # [S]
        words = known.words[source] + np.repeat(first_words, lengths)
        return self._joined(known.ids[source], words, _sums(lengths, ends), max_len)

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
        fresh = self._segments.names[len(self._known.lengths) :]
        if fresh:
            self._known = self._known.joined(self._tokenizer.encode_bare(fresh))

    def _forget(self) -> None:
        self._segments.forget()
        self._known = _NONE_KNOWN


@dataclass(frozen=True, slots=True)
class _KnownSegments:
    """The tokens of K segments: ids and words within the segment, int32 [T]; tokens and words of each, int64 [K]."""

    ids: NDArray[np.int32]
    words: NDArray[np.int32]
    lengths: NDArray[np.int64]
    n_words: NDArray[np.int64]

    @property
    def starts(self) -> NDArray[np.int64]:
        """Where each segment's tokens begin, int64 [K]."""
        return np.cumsum(self.lengths) - self.lengths

    def joined(self, texts: TokenizedTexts) -> "_KnownSegments":
        """Give these and further segments."""
        last = np.where(texts.lengths > 0, np.cumsum(texts.lengths) - 1, -1)  # each segment's last token; -1: none
        return _KnownSegments(
            np.append(self.ids, texts.ids),
            np.append(self.words, texts.words),
            np.append(self.lengths, texts.lengths),
            np.append(self.n_words, np.append(texts.words, -1)[last] + 1),
        )


_NONE_KNOWN = _KnownSegments(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.int64))


def _sums(values: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sum the values of each of N rows, [N]; row n ends before `ends[n]`, and begins where the one before ends."""
    return np.diff(np.append(0, np.cumsum(values))[ends], prepend=0)
