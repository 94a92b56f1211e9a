"""A user's dictionary of names, in jieba's format: one word a line, `word [frequency] [tag]`."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from zhenwei.errors import DataError
from zhenwei.news.fields import format_value
from zhenwei.news.io.validation import BadRowError, BadRows

NAME_TAG = "nz"
"""The default tag: a name other than of a person, place or organization."""

_FORM = "'word [frequency] [tag]', as in '云溪大桥 20 ns'"
_FREQUENCY = re.compile(r"[0-9]{1,9}")
_TAG = re.compile(r"[a-z]{1,4}")
# jieba splits texts at all other characters, so it never finds a word that contains one.
_CHINESE = re.compile(r"[\u4e00-\u9fd5]+")


@dataclass(frozen=True)
class DictionaryEntry:
    """One word of a dictionary.

    Attributes:
        word: The word, of two characters at least, without white space.
        frequency: Its count in jieba's reference corpus; None: high enough to be found.
        tag: jieba's tag; `nr...`, `ns...`, `nt...` and `nz...` are names, any other tag is not.
    """

    word: str
    frequency: int | None = None
    tag: str = NAME_TAG

    @property
    def is_chinese(self) -> bool:
        """Whether the word consists of Chinese characters only."""
        return _CHINESE.fullmatch(self.word) is not None


class WordSearch:
    """Search for words of any characters, the longest first; Latin words match whole words only.

    Args:
        words: The words, each with a value.
    """

    def __init__(self, words: Mapping[str, bool]) -> None:
        self._values = words
        self._by_first: dict[str, list[str]] = {}
        for word in sorted(words, key=len, reverse=True):
            self._by_first.setdefault(word[0], []).append(word)

    def find(self, text: str) -> Iterator[tuple[int, str, bool]]:
        """Yield the position, the word and its value of each match; matches do not overlap."""
        position = 0
        while self._by_first and position < len(text):
            for word in self._by_first.get(text[position], ()):
                if text.startswith(word, position) and _is_whole_word(text, position, position + len(word)):
                    yield position, word, self._values[word]
                    position += len(word)
                    break
            else:
                position += 1


def _is_whole_word(text: str, begin: int, end: int) -> bool:
    return not (
        (begin > 0 and _is_latin(text[begin - 1]) and _is_latin(text[begin]))
        or (end < len(text) and _is_latin(text[end - 1]) and _is_latin(text[end]))
    )


def _is_latin(character: str) -> bool:
    return character.isascii() and character.isalnum()


def read_dictionary(path: Path) -> tuple[DictionaryEntry, ...]:
    """Read a dictionary; blank lines are skipped, and of several lines of one word the last one counts.

    Raises:
        DataError: The file cannot be read, has no word, or has bad lines, of which the first ten are shown.
    """
    entries: dict[str, DictionaryEntry] = {}
    bad = BadRows(path)
    lines = read_lines(path)
    for number, line in lines:
        with bad.collect(f"line {number}"):
            entry = _entry_of(line)
            entries[entry.word] = entry
    bad.raise_if_any(len(lines))
    if not entries:
        raise DataError(f"{path}: found no words; expected one a line, {_FORM}")
    return tuple(entries.values())


def read_lines(path: Path) -> list[tuple[int, str]]:
    """Return the lines of a text file that are not blank, stripped, each with its number.

    Raises:
        DataError: The file is missing, cannot be read, or is not UTF-8.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None
    lines = []
    for number, raw in enumerate(content.removeprefix(b"\xef\xbb\xbf").splitlines(), start=1):
        try:
            line = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{path}, line {number}: not UTF-8: found byte 0x{raw[error.start]:02x}; save the file as UTF-8"
            ) from None
        if line.strip():
            lines.append((number, line.strip(" \r")))
    return lines


def _entry_of(line: str) -> DictionaryEntry:
    word, *rest = line.split()
    if len(word) < 2:
        raise BadRowError(f"found the word {format_value(word)}; expected two characters at least")
    frequency = None
    if rest and rest[0][0].isdigit():
        digits = rest.pop(0)
        # jieba takes 0 to mean "never one word", and remembers that for the whole process.
        if not _FREQUENCY.fullmatch(digits) or int(digits) == 0:
            raise BadRowError(
                f"found the frequency {format_value(digits)}; expected a whole number from 1 to 999999999"
            )
        frequency = int(digits)
    tag = rest.pop(0) if rest else NAME_TAG
    if not _TAG.fullmatch(tag):
        raise BadRowError(
            f"found {format_value(tag)}; expected a frequency or a tag, such as nr, ns, nt or nz: {_FORM}"
        )
    if rest:
        raise BadRowError(f"found {format_value(rest[0])} behind the tag; expected {_FORM}")
    return DictionaryEntry(word, frequency, tag)
