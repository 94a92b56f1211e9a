"""Word segmentation by jieba's dictionary, without its hidden Markov model.

jieba's own way to load its dictionary is not used: it keeps a cache in a file that everybody can write
(`/tmp/jieba.cache`), trusts that file when it reads it, and logs both. Here jieba is imported without its warnings, its
global tokenizer stays as it is, and nothing is written to the disk.

Segmentation itself is jieba's own.
"""

import importlib
import warnings
from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple


class NewWord(NamedTuple):
    """A word to add to jieba's dictionary.

    Attributes:
        word: A word of Chinese characters, or of these with Latin letters and digits.
        frequency: Its count in jieba's reference corpus; None: high enough that the word is not split.
    """

    word: str
    frequency: int | None = None


class JiebaSegmenter:
    """Segments text into the words of a dictionary, along the most probable path.

    Args:
        words: Words to add to jieba's. The frequency of a word without one depends on the words before it, so equal
            words in equal order give equal segmentations.
    """

    def __init__(self, words: Iterable[NewWord] = ()) -> None:
        self.backend = load_jieba().Tokenizer()
        frequencies, self.backend.total = _dictionary()
        self.backend.FREQ = dict(frequencies)
        self.backend.initialized = True
        for word, frequency in words:
            self.backend.add_word(word, frequency)

    def __contains__(self, word: str) -> bool:
        return bool(self.backend.FREQ.get(word))

    def cut(self, text: str) -> list[str]:
        """Return the words of a text; Latin letters and digits that form no known word stay together."""
        words: list[str] = self.backend.lcut(text, HMM=False)
        return words


def in_dictionary(word: str) -> bool:
    """Return whether jieba's dictionary has a word."""
    return bool(_dictionary()[0].get(word))


def load_jieba(module: str = "jieba") -> Any:
    """Import a module of jieba without its warnings.

    Args:
        module: `jieba`; or `jieba.posseg`, its tagger, with the tags of its dictionary and the tables of its hidden
            Markov model.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(module)


@cache
def _dictionary() -> tuple[dict[str, int], int]:
    """Return the frequency of each word and of each proper prefix of a word (0), and the sum of all frequencies."""
    tokenizer = load_jieba().Tokenizer()
    frequencies, total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
    return frequencies, total
