"""In which script a text is written."""

import re

FEWEST_LETTERS = 10  # fewer say nothing of the language
JAPANESE = 0.15  # of the letters are kana: then the Chinese characters beside them are Japanese, too

_CHINESE = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U000323af]")
_KANA = re.compile(r"[\u3041-\u3096\u30a1-\u30fa\uff66-\uff9d]")
_LETTER = re.compile(r"[^\W\d_]")


def chinese_share(text: str) -> float | None:
    """Return the share of Chinese characters among a text's letters; None where it has too few letters to tell.

    Japanese has none, though it writes with many of the same characters.
    """
    letters = len(_LETTER.findall(text))
    if letters < FEWEST_LETTERS:
        return None
    return 0.0 if len(_KANA.findall(text)) >= JAPANESE * letters else len(_CHINESE.findall(text)) / letters
