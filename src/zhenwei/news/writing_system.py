"""Detect the writing system of a text."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

MIN_LETTERS = 10  # in fewer letters the language is not decidable
JAPANESE_KANA_SHARE = 0.15  # with this share of kana, the Chinese characters of a text are Japanese as well

SCRIPTS = ("Chinese", "Japanese kana", "Korean", "Latin", "Cyrillic", "Greek", "Arabic", "Hebrew", "Indic", "Thai")
# First and last code point of a range, and its index in SCRIPTS; sorted.
_RANGES = (
    (0x41, 0x5A, 3), (0x61, 0x7A, 3), (0xC0, 0x24F, 3), (0x370, 0x3FF, 5), (0x400, 0x52F, 4), (0x590, 0x5FF, 7),
    (0x600, 0x77F, 6), (0x900, 0xDFF, 8), (0xE00, 0xE7F, 9), (0x1100, 0x11FF, 2), (0x1E00, 0x1EFF, 3),
    (0x3041, 0x30FF, 1), (0x3400, 0x4DBF, 0), (0x4E00, 0x9FFF, 0), (0xAC00, 0xD7AF, 2), (0xF900, 0xFAFF, 0),
    (0x20000, 0x323AF, 0),
)  # fmt: skip
_CHUNK_CHARACTERS = 10_000_000

_CHINESE = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U000323af]")
_KANA = re.compile(r"[\u3041-\u3096\u30a1-\u30fa\uff66-\uff9d]")
_LETTER = re.compile(r"[^\W\d_]")


def chinese_share(text: str) -> float | None:
    """Return the share of Chinese characters among a text's letters; None if it has too few letters.

    The share is 0 for Japanese, which uses many of the same characters.
    """
    letters = len(_LETTER.findall(text))
    if letters < MIN_LETTERS:
        return None
    return 0.0 if len(_KANA.findall(text)) >= JAPANESE_KANA_SHARE * letters else len(_CHINESE.findall(text)) / letters


def count_letters_by_script(texts: Sequence[str]) -> NDArray[np.int64]:
    """Return [N, S] the number of letters of each of S scripts in each of N texts."""
    firsts, lasts, scripts = np.array(_RANGES, np.uint32).T
    size = len(SCRIPTS)
    counts = np.zeros((len(texts), size), np.int64)
    lengths = np.array([len(text) for text in texts])
    chunk = np.cumsum(lengths) // _CHUNK_CHARACTERS
    for number in np.unique(chunk):
        rows = np.flatnonzero(chunk == number)
        joined = "".join(texts[int(row)] for row in rows).encode("utf-32-le", "surrogatepass")
        code_points = np.frombuffer(joined, np.uint32)
        index = np.maximum(np.searchsorted(firsts, code_points, side="right") - 1, 0)
        in_range = (code_points >= firsts[index]) & (code_points <= lasts[index])
        row = np.repeat(np.arange(len(rows)), lengths[rows])[in_range]
        cells = np.bincount(row * size + scripts[index[in_range]], minlength=len(rows) * size)
        counts[rows] = cells.reshape(-1, size)
    return counts
