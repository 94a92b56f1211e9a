"""In which script a text is written."""

import re

FEWEST_LETTERS = 10  # fewer say nothing of the language

_CHINESE = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U000323af]")
_LETTER = re.compile(r"[^\W\d_]")


def chinese_share(text: str) -> float | None:
    """Return the share of Chinese characters among a text's letters; None where it has too few letters to tell."""
    letters = len(_LETTER.findall(text))
    return len(_CHINESE.findall(text)) / letters if letters >= FEWEST_LETTERS else None
