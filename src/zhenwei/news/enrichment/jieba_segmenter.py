"""jieba's dictionary and its way to cut a text into words, without its Markov model: the same words, sooner.

jieba is imported without its warnings, its global tokenizer stays as it is, and nothing goes to the disk: left to
itself, jieba keeps its dictionary in a file that everybody can write (`/tmp/jieba.cache`), trusts that file when it
reads it, and logs both.
"""

import math
import re
import warnings
from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple

_LATIN = re.compile("[a-zA-Z0-9]")
_ABSENT = object()


class NewWord(NamedTuple):
    """A word to know besides those of jieba's dictionary.

    Attributes:
        word: Of Chinese characters, or of these with Latin letters and digits.
        frequency: How often it stands in jieba's imagined corpus; None: often enough that it is not taken apart.
    """

    word: str
    frequency: int | None = None


class WordCutter:
    """Cuts stretches of text where the product of the words' probabilities is highest, as jieba does.

    Args:
        words: Words to know besides jieba's. Of a word without a frequency the frequency depends on the words
            before it, so equal words in equal order give equal cuts.
    """

    def __init__(self, words: Iterable[NewWord] = ()) -> None:
        tokenizer = load_jieba().Tokenizer()
        frequencies, tokenizer.total = _dictionary()
        tokenizer.FREQ = dict(frequencies)
        tokenizer.initialized = True
        for word, frequency in words:
            tokenizer.add_word(word, frequency)
        self._total = math.log(tokenizer.total)
        # The log-probability of each word; None for what only begins words.
        self._words: dict[str, float | None] = {
            word: math.log(frequency) - self._total if frequency else None for word, frequency in tokenizer.FREQ.items()
        }

    def __contains__(self, word: str) -> bool:
        return self._words.get(word) is not None

    def cut(self, block: str) -> list[str]:
        """The words of a stretch of text, which is best without marks and white space.

        Latin letters and digits that are in no word of the dictionary stay together.
        """
        ends = self._best_ends(block)
        words: list[str] = []
        begin = 0
        glue = False
        while begin < len(block):
            word = block[begin : ends[begin]]
            latin = len(word) == 1 and _LATIN.match(word) is not None
            if latin and glue:
                words[-1] += word
            else:
                words.append(word)
            glue = latin
            begin = ends[begin]
        return words

    def _best_ends(self, block: str) -> list[int]:
        """For each place, where a word that begins there best ends; the sums are jieba's to the last bit."""
        length = len(block)
        best = [0.0] * (length + 1)
        ends = [0] * length
        known = self._words
        for begin in range(length - 1, -1, -1):
            top, at = -math.inf, 0
            end = begin + 1
            piece = block[begin]
            while (probability := known.get(piece, _ABSENT)) is not _ABSENT:
                if probability is not None:
                    sum_of_logs = probability + best[end]  # type: ignore[operator]
                    if sum_of_logs >= top:
                        top, at = sum_of_logs, end
                if end == length:
                    break
                end += 1
                piece = block[begin:end]
            if not at:
                top, at = -self._total + best[begin + 1], begin + 1
            best[begin], ends[begin] = top, at
        return ends


def is_known(word: str) -> bool:
    """Whether jieba's dictionary has a word."""
    return bool(_dictionary()[0].get(word))


def load_jieba() -> Any:
    """Import jieba; what it says on the way is not for the user."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import jieba  # noqa: PLC0415 - of use where texts are cut
    return jieba


def load_posseg() -> Any:
    """Import jieba's tagger, with the tags of its dictionary and the tables of its Markov model."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from jieba import posseg  # noqa: PLC0415 - takes a second
    return posseg


@cache
def _dictionary() -> tuple[dict[str, int], int]:
    """The frequency of each word and of what begins words (0), and the sum of all, as jieba's `gen_pfdict`."""
    with load_jieba().Tokenizer().get_dict_file() as file:
        cells = file.read().decode("utf-8").split()  # word, frequency, tag, word, frequency, tag ...
    words = cells[::3]
    frequencies = dict.fromkeys((word[:end] for word in words for end in range(1, len(word))), 0)
    frequencies.update(zip(words, map(int, cells[1::3]), strict=True))
    return frequencies, sum(map(int, cells[1::3]))
