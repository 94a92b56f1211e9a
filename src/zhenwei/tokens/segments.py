"""Texts cut where their tokens cannot hang together, so that each different piece is tokenized once and not each text.

A tokenizer of BERT's kind reads a Chinese character as a word of its own whatever stands around it, and so it does the
marks of Chinese writing. Between them stand runs of other characters: a number, a name in Latin letters, a link. The
tokens of a text are those of its pieces, one after the other, and a million posts have few different pieces.
"""

import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, normalizers

# None of these composes with a neighbour when it is normalised (as "＝" does with a stroke through it), and none is
# part of a link or a word. The space is one of them: it is no token, and ends whatever stands before it.
_MARKS = " 、。《》「」『』【】〔〕！（），：；？“”‘’"
_FIRST_CHINESE, _LAST_CHINESE = 0x4E00, 0x9FFF
_N_CODES = 0x10000  # of the characters that may stand alone; all beyond share the last place, which is none of them

_ALONE = np.zeros(_N_CODES, np.bool_)
_ALONE[_FIRST_CHINESE : _LAST_CHINESE + 1] = True
_ALONE[[ord(mark) for mark in _MARKS]] = True
ALONE = tuple(map(chr, np.flatnonzero(_ALONE).tolist()))

_UNSEEN = -1
_MOST_SEGMENTS, _MOST_CHARACTERS = 2**18, 2**22  # to remember at once, in some 100 MB with their tokens


def cuts_around_characters(backend: Tokenizer, *normalizations: normalizers.Normalizer) -> bool:
    """Tell whether a tokenizer gives a text the tokens of its segments, one after the other.

    It does where it splits as BERT's does, looks each word up by itself, puts spaces around Chinese characters, and
    looks for no further tokens across them. Special tokens are read as ordinary text, see `TextTokenizer`.

    Args:
        backend: The tokenizer.
        normalizations: Such as are known to treat each of the characters by itself; BERT's own is.
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
    """N texts as the numbers of their segments, one text after the other.

    Attributes:
        numbers: The segments, as `Segments.names` counts them, int64 [P].
        counts: Segments per text, int64 [N].
    """

    numbers: NDArray[np.int64]
    counts: NDArray[np.int64]


class Segments:
    """The different segments that texts were cut into so far, numbered in the order in which they were met.

    Attributes:
        names: Each of them, by its number.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self._numbers: dict[str, int] = {}
        self._characters = 0
        self._of_code = np.full(_N_CODES, _UNSEEN, np.int64)

    def cut(self, texts: list[str]) -> SegmentedTexts:
        """Cut N texts: an unbroken run of characters that cannot stand alone is a segment, and so is each that can."""
        joined = "".join(texts)
        codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.int64)  # [C]
        np.minimum(codes, _N_CODES - 1, out=codes)
        ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)))  # [N]
        alone = _ALONE[codes]
        breaks = np.zeros(len(codes) + 1, np.bool_)  # whether a run that reaches a character cannot go on with it
        breaks[:-1] = alone
        breaks[ends] = True
        in_run = ~alone
        begins_run = in_run.copy()
        begins_run[1:] &= alone[:-1] | breaks[1:-1]
        ends_run = in_run & breaks[1:]

        numbers = np.empty(len(codes), np.int64)
        numbers[alone] = self._of_characters(codes[alone])
        spans = zip(np.flatnonzero(begins_run).tolist(), (np.flatnonzero(ends_run) + 1).tolist(), strict=True)
        numbers[begins_run] = [self._number(joined[start:end]) for start, end in spans]
        begins = alone | begins_run
        before = np.concatenate([[0], np.cumsum(begins)])  # segments that begin before each character, [C + 1]
        return SegmentedTexts(numbers[begins], np.diff(before[ends], prepend=0))

    @property
    def are_many(self) -> bool:
        """Whether it is time to forget them: texts full of links have no end of different segments."""
        return len(self.names) > _MOST_SEGMENTS or self._characters > _MOST_CHARACTERS

    def forget(self) -> None:
        """Begin anew."""
        self.names.clear()
        self._characters = 0
        self._numbers.clear()
        self._of_code.fill(_UNSEEN)

    def _of_characters(self, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give the numbers of characters that stand alone, [C]."""
        numbers = self._of_code[codes]
        if (numbers == _UNSEEN).any():
            for code in np.flatnonzero(np.bincount(codes[numbers == _UNSEEN])).tolist():
                self._of_code[code] = self._number(chr(code))
            numbers = self._of_code[codes]
        return numbers

    def _number(self, segment: str) -> int:
        number = self._numbers.setdefault(segment, len(self.names))
        if number == len(self.names):
            self.names.append(segment)
            self._characters += len(segment)
        return number
