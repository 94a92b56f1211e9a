"""Edits of how the characters of a text are written: blanks, HTML, script, width; and its first 140 characters."""

import html
import re
from functools import cache
from random import Random
from typing import Any

from zhenwei.news.edits.editable import CHINESE, editable_text

SHARE = 0.1  # of the characters, in the edits of single characters
WEIBO_LENGTH = 140
ZERO_WIDTH = "\u200b\u200c\u200d\u2060\ufeff"

_BETWEEN_CHINESE = re.compile(rf"(?<={CHINESE.pattern})(?={CHINESE.pattern})")
_BETWEEN_CHARACTERS = re.compile(rf"(?<={CHINESE.pattern}|[0-9A-Za-z])(?={CHINESE.pattern}|[0-9A-Za-z])")
_SENTENCE_END = re.compile(r"(?<=[。！？!?])(?![。！？!?”』」）)])")
_WIDENED = re.compile("[0-9A-Za-z]")


def insert_blanks(text: str, rng: Random) -> str:
    """Insert a blank between two Chinese characters, one for every ten of them (at least one), and one at the end.

    A text without two neighbouring Chinese characters gets the last blank alone.
    """
    gaps = [match.start() for match in _BETWEEN_CHINESE.finditer(editable_text(text))]
    count = max(1, round(SHARE * len(CHINESE.findall(text))))
    return _insert(text, dict.fromkeys(rng.sample(gaps, min(count, len(gaps))), " ")) + " "


def insert_zero_width(text: str, rng: Random) -> str:
    """Insert a random zero-width character between all neighbouring Chinese characters, Latin letters and digits.

    They are U+200B, U+200C, U+200D, U+2060 and U+FEFF. Links, mentions and faces stay as they are.
    """
    gaps = _BETWEEN_CHARACTERS.finditer(editable_text(text))
    return _insert(text, {gap.start(): rng.choice(ZERO_WIDTH) for gap in gaps})


def escape_html(text: str, rng: Random) -> str:
    """Escape a text for HTML: `&`, `<`, `>` and quotes as entities, blanks as `&nbsp;`, a `<br/>` after a sentence.

    The `<br/>` is at the end if the text has no end of a sentence before.
    """
    ends = [match.start() for match in _SENTENCE_END.finditer(editable_text(text))] or [len(text)]
    end = rng.choice(ends)
    return "<br/>".join(html.escape(part).replace(" ", "&nbsp;") for part in (text[:end], text[end:]))


def to_traditional(text: str, _: Random) -> str:
    """Convert Simplified to Traditional Chinese characters, with OpenCC's table of phrases."""
    return str(_converter().convert(text))


def widen_letters(text: str, _: Random) -> str:
    """Write ASCII letters and digits in full width, except in links, mentions, faces and HTML entities."""
    found = _WIDENED.finditer(editable_text(text))
    characters = list(text)
    for match in found:
        characters[match.start()] = chr(ord(match.group()) + 0xFEE0)
    return "".join(characters)


def keep_first_140(text: str, _: Random) -> str:
    """Return the first 140 characters, Weibo's limit for many years."""
    return text[:WEIBO_LENGTH]


def _insert(text: str, insertions: dict[int, str]) -> str:
    """Insert a text before each of these positions."""
    return "".join(insertions.get(position, "") + character for position, character in enumerate(text))


@cache
def _converter() -> Any:
    from opencc import OpenCC  # noqa: PLC0415  # a module with native code, which only this edit needs

    return OpenCC("s2t")
