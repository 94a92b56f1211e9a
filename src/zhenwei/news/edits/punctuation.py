"""Edits of the punctuation marks of a text.

A mark between two letters or digits of ASCII belongs to a number, a time or a word ("3.5", "10:30", "don't") and stays,
as do the marks in links, mentions, faces and HTML entities.
"""

from collections.abc import Mapping
from random import Random

from zhenwei.news.edits.editable import editable_text

_SENTENCE_MARKS = "，。！？；：、,.!?;:"
_DOUBLED = {mark: mark * 2 for mark in _SENTENCE_MARKS}
_REMOVED = dict.fromkeys(_SENTENCE_MARKS + "…～~—“”‘’「」『』\"'（）()", "")
_WIDENED = dict(zip(",.!?;:()", "，。！？；：（）", strict=True))
_NUMERALS = frozenset("0123456789一二三四五六七八九十百千万亿两零〇%")
_AFTER_ITEM_NUMBERS = frozenset(".、")


def double_marks(text: str, _: Random) -> str:
    """Write every mark that ends or separates clauses twice: `！！`."""
    return _replace(text, _DOUBLED)


def remove_marks(text: str, _: Random) -> str:
    """Remove the marks that end or separate clauses, quotation marks, parentheses and dashes.

    Marks between two numerals ("二、三岁") and after the number of an item ("1、") stay: without them, a reader sees
    another number.
    """
    return _replace(text, _REMOVED, keep_numbers=True)


def widen_marks(text: str, _: Random) -> str:
    """Write half-width marks as a Chinese keyboard does: `,` becomes `，` and `.` becomes `。`."""
    return _replace(text, _WIDENED)


def _replace(text: str, replacements: Mapping[str, str], keep_numbers: bool = False) -> str:
    """Replace the marks that belong neither to a word or number of ASCII nor to a link, mention, face or entity.

    Args:
        text: The text.
        replacements: The replacement of each mark.
        keep_numbers: Whether to keep the marks between numerals and after the number of an item.
    """
    editable = editable_text(text)
    edited = []
    for position, mark in enumerate(text):
        replacement = replacements.get(editable[position])
        before, after = text[position - 1 : position], text[position + 1 : position + 2]
        if replacement is None or _is_inside_word(before, after) or (keep_numbers and _is_numeric(mark, before, after)):
            edited.append(mark)
        else:
            edited.append(replacement)
    return "".join(edited)


def _is_inside_word(before: str, after: str) -> bool:
    """Tell whether a mark is between two letters or digits of ASCII."""
    return all(character.isascii() and character.isalnum() for character in (before, after))


def _is_numeric(mark: str, before: str, after: str) -> bool:
    """Tell whether a mark separates two numerals, or belongs to the number of an item."""
    return before in _NUMERALS and (after in _NUMERALS or (mark in _AFTER_ITEM_NUMBERS and after.isalpha()))
