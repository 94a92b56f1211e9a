"""Segmentation of texts at boundaries that no token crosses, so that each distinct segment is tokenized only once.

BERT's tokenizer splits at every Chinese character and every Chinese punctuation mark. Between them are runs of other
characters: a number, a name in Latin letters, a link. The tokens of a text are those of its segments, and a million
posts have few distinct segments.
"""

import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, normalizers

# None of these composes with a neighbor under normalization (as "＝" does with a combining stroke), and none is part of
# a link or a word. The space is not a token, and ends the run before it.
_MARKS = " 、。《》「」『』【】〔〕！（），：；？“”‘’"
_FIRST_CHINESE, _LAST_CHINESE = 0x4E00, 0x9FFF
_N_CODES = 0x10000  # code points of single-character segments; all others share the last code

_SINGLE = np.zeros(_N_CODES, np.bool_)
_SINGLE[_FIRST_CHINESE : _LAST_CHINESE + 1] = True
_SINGLE[[ord(mark) for mark in _MARKS]] = True
SINGLE = tuple(map(chr, np.flatnonzero(_SINGLE).tolist()))

_UNKNOWN = -1
_MAX_SEGMENTS, _MAX_CHARACTERS = 2**18, 2**22  # to cache, in some 100 MB with their tokens


def is_segmentable(backend: Tokenizer, *normalizations: normalizers.Normalizer) -> bool:
    """Return whether the tokens of a text are those of its segments.

    They are if the tokenizer pre-tokenizes as BERT, looks up each word separately, puts spaces around Chinese
    characters, and has no added tokens but special ones, which are read as ordinary text (see `TextTokenizer`).

    Args:
        backend: The tokenizer.
        normalizations: Normalizers that treat each character separately, in addition to BERT's.
    """
    parts = json.loads(backend.to_str())
    known = [json.loads(each.__getstate__()) for each in normalizations]
    normalizer = parts["normalizer"] or {}
    return (
        (parts["pre_tokenizer"] or {}).get("type") == "BertPreTokenizer"
        and parts["model"].get("type") in ("WordPiece", "WordLevel")
        and all(token["special"] for token in parts["added_tokens"])
        and (normalizer in known or (normalizer.get("type") == "BertNormalizer" and normalizer["handle_chinese_chars"]))
    )


@dataclass(frozen=True, slots=True)
class SegmentedTexts:
    """N texts as numbers of their segments.

    Attributes:
        numbers: Numbers of the segments, which index `Segments.names`, int64 [P].
        counts: Segments per text, int64 [N].
    """

    numbers: NDArray[np.int64]
    counts: NDArray[np.int64]


class Segments:
    """The distinct segments of all texts so far, numbered in the order of first occurrence.

    Attributes:
        names: The segments by their numbers.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self._numbers: dict[str, int] = {}
        self._characters = 0
        self._of_code = np.full(_N_CODES, _UNKNOWN, np.int64)

    def cut(self, texts: list[str]) -> SegmentedTexts:
        """Segment N texts: a segment is a character of `SINGLE`, or an unbroken run of other characters."""
        joined = "".join(texts)
        codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.int64)  # [C]
        np.minimum(codes, _N_CODES - 1, out=codes)
        ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)))  # [N]
        single = _SINGLE[codes]
        breaks = np.zeros(len(codes) + 1, np.bool_)  # whether a run ends before a character
        breaks[:-1] = single
        breaks[ends] = True
        in_run = ~single
        begins_run = in_run.copy()
        begins_run[1:] &= single[:-1] | breaks[1:-1]
        ends_run = in_run & breaks[1:]

        numbers = np.empty(len(codes), np.int64)
        numbers[single] = self._of_characters(codes[single])
        spans = zip(np.flatnonzero(begins_run).tolist(), (np.flatnonzero(ends_run) + 1).tolist(), strict=True)
        numbers[begins_run] = [self._number(joined[start:end]) for start, end in spans]
        begins = single | begins_run
        before = np.concatenate([[0], np.cumsum(begins)])  # segments that begin before each character, [C + 1]
        return SegmentedTexts(numbers[begins], np.diff(before[ends], prepend=0))

    @property
    def is_full(self) -> bool:
        """Whether to clear the segments: texts with many links have an unlimited number of distinct segments."""
        return len(self.names) > _MAX_SEGMENTS or self._characters > _MAX_CHARACTERS

    def clear(self) -> None:
        """Remove all segments."""
        self.names.clear()
        self._characters = 0
        self._numbers.clear()
        self._of_code.fill(_UNKNOWN)

    def _of_characters(self, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the numbers of single-character segments, [C]."""
        numbers = self._of_code[codes]
        if (numbers == _UNKNOWN).any():
            for code in np.flatnonzero(np.bincount(codes[numbers == _UNKNOWN])).tolist():
                self._of_code[code] = self._number(chr(code))
            numbers = self._of_code[codes]
        return numbers

    def _number(self, segment: str) -> int:
        number = self._numbers.setdefault(segment, len(self.names))
        if number == len(self.names):
            self.names.append(segment)
            self._characters += len(segment)
        return number
