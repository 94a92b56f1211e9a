"""Edits of single characters: homophones, look-alikes, and characters split into their parts.

Each edit replaces 10% of the characters: of all Chinese characters of the text (for look-alikes: of all Chinese
characters and Latin letters), rounded, at least one. They are drawn from those that have a replacement; if there are
fewer of these, all of them are replaced. Links, mentions, faces and HTML entities do not count and do not change.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from random import Random

from zhenwei.news.edits.editable import CHINESE, CHINESE_RUN, editable_text
from zhenwei.news.edits.notation import SHARE

_TABLES = Path(__file__).parent / "tables"
_CHINESE_OR_LATIN = re.compile(rf"{CHINESE.pattern}|[A-Za-z]")
# GB 2312 has its 3,755 most common characters in these rows, ordered by pinyin.
_COMMON_ROWS, _COLUMNS = range(0xB0, 0xD8), range(0xA1, 0xFF)
_RADICALS = range(0x2E80, 0x2FD6)  # Unicode's radicals, many of which look exactly like a character


def use_homophones(text: str, rng: Random) -> str:
    """Replace 10% of the Chinese characters by other common characters of the same pinyin and tone.

    The reading of a character is that of its word, as pypinyin finds it: 长 is `cháng` or `zhǎng`. The replacements
    are the common characters of GB 2312.
    """
    editable = editable_text(text)
    options: dict[int, Sequence[str]] = {}
    for run in CHINESE_RUN.finditer(editable):
        for position, reading in enumerate(_readings(run.group()), start=run.start()):
            others = [character for character in _common_by_reading().get(reading, ()) if character != text[position]]
            if others:
                options[position] = others
    return _replace_some(text, options, len(CHINESE.findall(editable)), rng)


def use_lookalikes(text: str, rng: Random) -> str:
    """Replace 10% of the Chinese characters and Latin letters by characters that look alike.

    Chinese characters become others of similar shape (`tables/lookalikes.txt`) or Unicode's radicals, Latin letters
    become Cyrillic or Greek ones.
    """
    found = list(_CHINESE_OR_LATIN.finditer(editable_text(text)))
    options = {each.start(): _lookalikes()[each.group()] for each in found if each.group() in _lookalikes()}
    return _replace_some(text, options, len(found), rng)


def split_characters(text: str, rng: Random) -> str:
    """Replace 10% of the Chinese characters by their left and right parts: 好 becomes 女子.

    The characters that can be split are those of `tables/split_characters.txt`.
    """
    found = list(CHINESE.finditer(editable_text(text)))
    options = {each.start(): (_parts()[each.group()],) for each in found if each.group() in _parts()}
    return _replace_some(text, options, len(found), rng)


def _replace_some(text: str, options: Mapping[int, Sequence[str]], n_characters: int, rng: Random) -> str:
    """Replace 10% of a text's characters.

    Args:
        text: The text.
        options: By position, the possible replacements of a character.
        n_characters: Number of characters that the 10% are of.
        rng: Chooses the positions and the replacements.
    """
    count = max(1, round(SHARE * n_characters))
    characters = list(text)
    for position in sorted(rng.sample(sorted(options), min(count, len(options)))):
        characters[position] = rng.choice(options[position])
    return "".join(characters)


def _readings(text: str) -> list[str]:
    """Return the pinyin of each Chinese character with its tone: `zhǎng`; empty for an unknown character."""
    from pypinyin import Style, lazy_pinyin  # noqa: PLC0415  # its tables take a quarter of a second to load

    readings = lazy_pinyin(text, Style.TONE, errors="ignore")
    if len(readings) == len(text) or len(text) == 1:
        return readings or [""]
    return [_readings(character)[0] for character in text]  # unknown characters are left out of the readings


@cache
def _common_by_reading() -> dict[str, list[str]]:
    """Return the common characters by their pinyin."""
    by_reading: dict[str, list[str]] = defaultdict(list)
    for row in _COMMON_ROWS:
        for character in bytes(byte for column in _COLUMNS for byte in (row, column)).decode("gb2312", "ignore"):
            by_reading[_readings(character)[0]].append(character)
    return dict(by_reading)


@cache
def _lookalikes() -> dict[str, str]:
    """Return the look-alikes of each character, one after the other in a string."""
    table = dict(line.split() for line in _read_lines("lookalikes.txt"))
    for number in _RADICALS:
        character = unicodedata.normalize("NFKC", chr(number))
        if character != chr(number):
            table[character] = table.get(character, "") + chr(number)
    return table


@cache
def _parts() -> dict[str, str]:
    """Return the parts of each character that can be split."""
    return {entry[0]: entry[1:] for line in _read_lines("split_characters.txt") for entry in line.split()}


def _read_lines(name: str) -> list[str]:
    lines = (_TABLES / name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]
