"""Tokenization of many texts by their segments: each distinct segment is tokenized only once.

`benchmarks/batch_encoding.py` prints 7 times as fast as the library's `encode_batch` for 5,751 posts on two cores.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zhenwei.tokens.ragged import positions
from zhenwei.tokens.segments import Segments, is_segmentable
from zhenwei.tokens.tokenizer import TextTokenizer, TokenizedTexts
from zhenwei.tokens.vocabulary import text_normalizer

MIN_CHARACTERS = 20_000  # with fewer, tokenizing the texts themselves is faster than tokenizing their segments


class StreamEncoder:
    """Encode a stream of texts by the faster of two methods; not thread-safe.

    Args:
        tokenizer: The tokenizer.
    """

    def __init__(self, tokenizer: TextTokenizer) -> None:
        self._tokenizer = tokenizer
        self._chosen: TextTokenizer | SplicingEncoder | None = None

    def encode_batch(self, texts: list[str], max_len: int) -> TokenizedTexts:
        """Tokenize some of the texts, with the same result as `TextTokenizer.encode_batch`.

        Raises:
            ConfigError: `max_len` leaves no space for content.
        """
        if self._chosen is None:
            if sum(map(len, texts)) < MIN_CHARACTERS:
                return self._tokenizer.encode_batch(texts, max_len)
            segmentable = is_segmentable(self._tokenizer.backend, text_normalizer())
            self._chosen = SplicingEncoder(self._tokenizer) if segmentable else self._tokenizer
        return self._chosen.encode_batch(texts, max_len)


class SplicingEncoder:
    """Encode texts by concatenating the cached tokens of their segments.

    Args:
        tokenizer: A tokenizer for which `is_segmentable` is true.
    """

    def __init__(self, tokenizer: TextTokenizer) -> None:
        self._tokenizer = tokenizer
        self._segments = Segments()
        prefix, suffix = tokenizer.special_ids_around()
        self._prefix, self._suffix = np.array(prefix, np.int32), np.array(suffix, np.int32)
        self._cache = _EMPTY

    def encode_batch(self, texts: list[str], max_len: int) -> TokenizedTexts:
        """Tokenize texts, with the same result as `TextTokenizer.encode_batch`.

        Raises:
            ConfigError: `max_len` leaves no space for content.
        """
        self._tokenizer.check_max_len(max_len)
        if self._segments.is_full:
            self._segments.clear()
            self._cache = _EMPTY
        cut = self._segments.cut(texts)
        if new_segments := self._segments.names[len(self._cache.lengths) :]:
            self._cache = self._cache.extended(self._tokenizer.encode_content(new_segments))
        cache, ends = self._cache, np.cumsum(cut.counts)
        lengths, n_words = cache.lengths[cut.numbers], cache.n_words[cut.numbers]  # per segment, [P]
        text_words = _sums(n_words, ends)  # words per text, [N]
        text_starts = np.repeat(np.cumsum(text_words) - text_words, cut.counts)  # words before each segment's text
        first_words = np.cumsum(n_words) - n_words - text_starts  # first word of each segment within its text, [P]
        source = np.repeat(cache.starts[cut.numbers], lengths) + positions(lengths)  # [S]
        words = cache.words[source] + np.repeat(first_words, lengths)
        return self._add_special_tokens(cache.ids[source], words, _sums(lengths, ends), max_len)

    def _add_special_tokens(
        self, ids: NDArray[np.int32], words: NDArray[np.int64], full: NDArray[np.int64], max_len: int
    ) -> TokenizedTexts:
        """Truncate the tokens [S] of N texts, `full` [N] tokens of each, and add the special tokens."""
        special = len(self._prefix) + len(self._suffix)
        content = np.minimum(full, max_len - special)
        lengths = content + special
        starts = np.cumsum(lengths) - lengths
        joined = np.empty(lengths.sum(), np.int32)
        joined_words = np.full(len(joined), -1, np.int32)
        position = positions(content)
        source = np.repeat(np.cumsum(full) - full, content) + position
        target = np.repeat(starts + len(self._prefix), content) + position
        joined[target] = ids[source]
        joined_words[target] = words[source]
        for number, token in enumerate(self._prefix):
            joined[starts + number] = token
        for number, token in enumerate(self._suffix, start=-len(self._suffix)):
            joined[starts + lengths + number] = token
        return TokenizedTexts(joined, joined_words, lengths, full > content)


@dataclass(frozen=True, slots=True)
class _SegmentCache:
    """Tokens of K segments: ids and words within the segment, int32 [T]; number of tokens and words, int64 [K]."""

    ids: NDArray[np.int32]
    words: NDArray[np.int32]
    lengths: NDArray[np.int64]
    n_words: NDArray[np.int64]

    @property
    def starts(self) -> NDArray[np.int64]:
        """Index of the first token of each segment, int64 [K]."""
        return np.cumsum(self.lengths) - self.lengths

    def extended(self, texts: TokenizedTexts) -> "_SegmentCache":
        """Return the cache with further segments."""
        last = np.where(texts.lengths > 0, np.cumsum(texts.lengths) - 1, -1)  # last token of each segment, or -1
        return _SegmentCache(
            np.append(self.ids, texts.ids),
            np.append(self.words, texts.words),
            np.append(self.lengths, texts.lengths),
            np.append(self.n_words, np.append(texts.words, -1)[last] + 1),
        )


_EMPTY = _SegmentCache(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.int64))


def _sums(values: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the sums [N] of the values of N adjacent rows, which end before `ends` [N]."""
    return np.diff(np.append(0, np.cumsum(values))[ends], prepend=0)
