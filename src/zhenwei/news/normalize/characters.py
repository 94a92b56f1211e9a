"""Classes of characters that the steps of a normalization need."""

import re
import sys
import unicodedata
from collections.abc import Iterable, Mapping

# The body of a character class: Chinese characters and their punctuation, kana, full-width forms.
WIDE = "\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U000323af"
# Emoji and their parts, symbols that are used as such, private-use characters (emoji of old telephones).
EMOJI = (
    "\U0001f1e6-\U0001f1ff\u2600-\u27bf\u2b00-\u2bff\u2190-\u21ff\u2300-\u23ff\u25a0-\u25ff"
    "\U0001f000-\U0001faff\U000e0020-\U000e007f\ue000-\uf8ff\U000f0000-\U0010fffd\u20e3"
)
_WHITE_SPACE = frozenset("\t\n\r\x0b\x0c\x1c\x1d\x1e\x1f\x85")  # control characters that separate words
_FILLERS = frozenset({0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x2800, 0x3164, 0xFFA0})
_VARIATION_SELECTORS = (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))
# Blocks in which NFKC replaces a character by one that means the same.
_SAFE_BLOCKS = (
    (0x2E80, 0x2FD5), (0x3000, 0x3000), (0xF900, 0xFAFF), (0xFF01, 0xFFEE), (0x1D400, 0x1D7FF), (0x2F800, 0x2FA1F)
)  # fmt: skip


def invisible_characters() -> str:
    """Return the body of a character class: control and format characters, fillers, variation selectors."""
    codes = {*_FILLERS, *_VARIATION_SELECTORS}
    for code in range(sys.maxunicode + 1):
        if unicodedata.category(chr(code)) in ("Cf", "Cc") and chr(code) not in _WHITE_SPACE:
            codes.add(code)
    return "".join(f"{re.escape(chr(first))}-{re.escape(chr(last))}" for first, last in _ranges(sorted(codes)))


def _ranges(codes: Iterable[int]) -> list[tuple[int, int]]:
    """Return the runs of consecutive code points."""
    runs: list[tuple[int, int]] = []
    for code in codes:
        if runs and runs[-1][1] == code - 1:
            runs[-1] = (runs[-1][0], code)
        else:
            runs.append((code, code))
    return runs


def width_table() -> Mapping[int, str]:
    """Return the characters that NFKC replaces by one of the same meaning.

    These are full-width and half-width forms, the ideographic space, compatibility ideographs, radicals that look like
    Chinese characters, and mathematical letters. Others stay: NFKC would write ① as 1 and ² as 2.
    """
    table = {}
    for first, last in _SAFE_BLOCKS:
        for code in range(first, last + 1):
            new = unicodedata.normalize("NFKC", chr(code))
            if len(new) == 1 and ord(new) != code and not unicodedata.combining(new):
                table[code] = new
    return table
