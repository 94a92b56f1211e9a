"""Edits of the brackets 【】, in which posts put their headlines."""

import re
from random import Random

from zhenwei.news.edits.editable import CHINESE, editable_text

MIN_HEADLINE, MAX_HEADLINE = 4, 40  # characters

# Topics, mentions and reposted accounts before the first clause.
_LEAD = re.compile(r"(?:#[^#\n]{1,50}#|/*[@＠][\w-]{2,30}(?:[:：]|(?=\s))|\s)*")
# A line break in the editable text is one in the text, or a link.
_CLAUSE_END = re.compile(rf"[，。！？；：,!?;:]+|(?<={CHINESE.pattern})[ \u3000]+|\n|$")
_SENTENCE_MARKS = frozenset("。！？!?")
_SEPARATORS = frozenset("，；：,;: \u3000\n")
_OPENING, _CLOSING = "（(《“「『[", "）)》”」』]"
_WORDS_APART = re.compile(r"(?<=[0-9A-Za-z])[【】]+(?=[0-9A-Za-z])")


def add_brackets(text: str, _: Random) -> str:
    """Put the first clause of 4 to 40 characters in 【】, as a headline.

    The marks after it move into the brackets if they end a sentence, else they are dropped. A text that has 【】, or no
    clause of this length at its beginning, is unchanged.
    """
    if "【" in text or "】" in text:
        return text
    lead = _LEAD.match(text)
    start = lead.end() if lead else 0
    editable = editable_text(text)
    for end in _CLAUSE_END.finditer(editable, start):
        clause, marks, rest = text[start : end.start()], text[end.start() : end.end()], text[end.end() :]
        if len(clause) > MAX_HEADLINE or "\n" in editable[start : end.start()]:
            break
        if len(clause) < MIN_HEADLINE or not _is_closed(clause):
            continue
        if not _SENTENCE_MARKS.isdisjoint(marks):
            return f"{text[:start]}【{clause}{marks}】{rest}"
        return f"{text[:start]}【{clause}】{'' if _SEPARATORS.issuperset(marks) else marks}{rest}"
    return text


def remove_brackets(text: str, _: Random) -> str:
    """Remove the characters 【 and 】; what they enclose stays, and a blank keeps Latin words and numbers apart."""
    return _WORDS_APART.sub(" ", text).replace("【", "").replace("】", "")


def _is_closed(clause: str) -> bool:
    """Tell whether every bracket and quotation mark that opens in a clause closes there."""
    return sum(clause.count(mark) for mark in _OPENING) == sum(clause.count(mark) for mark in _CLOSING)
