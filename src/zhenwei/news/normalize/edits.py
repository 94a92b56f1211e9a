"""Edits of which the steps of a normalization consist, each with a map of offsets back to the text before it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, Self

MAX_BMP = 0xFFFF
_BEYOND_BMP = re.compile("[\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class NormalizedText:
    """A normalized text, and where its characters stand in the text as it was given.

    Attributes:
        text: The normalized text, of C characters.
        starts: Start of the given characters that each character stands for, C integers.
        ends: Their end, C integers.
    """

    text: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    @classmethod
    def of(cls, text: str) -> Self:
        """Return a text as it was given."""
        return cls(text, tuple(range(len(text))), tuple(range(1, len(text) + 1)))

    def with_text(self, text: str) -> "NormalizedText":
        """Return the same characters written differently, one for one."""
        return NormalizedText(text, self.starts, self.ends)

    def part(self, start: int, end: int) -> "NormalizedText":
        """Return the characters from `start` to `end`."""
        return NormalizedText(self.text[start:end], self.starts[start:end], self.ends[start:end])


class Edit(Protocol):
    """Changes a text."""

    def __call__(self, text: str) -> str:
        """Return the changed text."""

    def with_offsets(self, text: NormalizedText) -> NormalizedText:
        """Return the changed text with its offsets; slower."""


@dataclass(frozen=True)
class Substitution:
    """Replaces the matches of a pattern.

    Attributes:
        pattern: The pattern.
        replacement: The text in place of a match, as for `re.sub`.
        trigger: A text, or a pattern that is faster to search, in every text with a match: others are not searched.
    """

    pattern: re.Pattern[str]
    replacement: str | Callable[[re.Match[str]], str] = ""
    trigger: str | re.Pattern[str] = ""

    def __call__(self, text: str) -> str:
        """Return the text with all matches replaced."""
        return self.pattern.sub(self.replacement, text) if _may_match(self.trigger, text) else text

    def with_offsets(self, text: NormalizedText) -> NormalizedText:
        """Return the same with offsets; every character of a replacement stands for the whole match."""
        if not _may_match(self.trigger, text.text):
            return text
        parts: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        copied = 0
        for match in self.pattern.finditer(text.text):
            start, end = match.span()
            new = match.expand(self.replacement) if isinstance(self.replacement, str) else self.replacement(match)
            parts += [text.text[copied:start], new]
            width = len(new) if end > start else 0
            starts += [*text.starts[copied:start], *(text.starts[start : start + 1] * width)]
            ends += [*text.ends[copied:start], *(text.ends[end - 1 : end] * width)]
            copied = end
        parts.append(text.text[copied:])
        return NormalizedText("".join(parts), (*starts, *text.starts[copied:]), (*ends, *text.ends[copied:]))


@dataclass(frozen=True)
class CharacterMap:
    """Replaces single characters by others.

    Attributes:
        table: The new characters by code point; one each.
    """

    table: Mapping[int, str]

    def __call__(self, text: str) -> str:
        """Return the text with all of its characters replaced that are in the table."""
        if text.isascii():
            return text
        text = self._pattern.sub(self._replace, text)
        return text.translate(self._beyond) if _BEYOND_BMP.search(text) else text

    def with_offsets(self, text: NormalizedText) -> NormalizedText:
        """Return the same with offsets."""
        return text.with_text(self(text.text))

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        # Without characters beyond the Basic Multilingual Plane, which make a class slow.
        return re.compile("[" + "".join(re.escape(chr(code)) for code in self.table if code <= MAX_BMP) + "]")

    @cached_property
    def _beyond(self) -> Mapping[int, str]:
        return {code: new for code, new in self.table.items() if code > MAX_BMP}

    def _replace(self, match: re.Match[str]) -> str:
        return self.table[ord(match.group())]


@dataclass(frozen=True)
class EdgeTrim:
    """Deletes the matches of a pattern at the start of a text, and of another at its end, until there are none.

    Attributes:
        head: A pattern to match at the start.
        tail: A pattern that ends at the end of the text; searched in the last `window` characters.
        first: A pattern of the first character of every match of the head.
        last: A pattern of single characters that are deleted at the end.
        words: A pattern that is faster to search, in every match of the tail.
        window: The longest match of the tail.
    """

    head: re.Pattern[str]
    tail: re.Pattern[str]
    first: re.Pattern[str]
    last: re.Pattern[str]
    words: re.Pattern[str]
    window: int = 64

    def __call__(self, text: str) -> str:
        """Return the text without both."""
        start, end = self._bounds(text)
        return text[start:end]

    def with_offsets(self, text: NormalizedText) -> NormalizedText:
        """Return the same with offsets."""
        return text.part(*self._bounds(text.text))

    def _bounds(self, text: str) -> tuple[int, int]:
        start, end = 0, len(text)
        while end > 0:
            if self.last.match(text, end - 1, end):
                end -= 1
            elif match := self._tail_match(text, max(0, end - self.window), end):
                end = match.start()
            else:
                break
        while self.first.match(text, start, end) and (match := self.head.match(text, start, end)):
            start = match.end()
        return start, end

    def _tail_match(self, text: str, start: int, end: int) -> re.Match[str] | None:
        return self.tail.search(text, start, end) if self.words.search(text, start, end) else None


def _may_match(trigger: str | re.Pattern[str], text: str) -> bool:
    return trigger in text if isinstance(trigger, str) else trigger.search(text) is not None
