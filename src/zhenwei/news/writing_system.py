"""Detect the writing system of a text."""

import re

MIN_LETTERS = 10  # in fewer letters the language is not decidable
JAPANESE_KANA_SHARE = 0.15  # with this share of kana, the Chinese characters of a text are Japanese as well

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
