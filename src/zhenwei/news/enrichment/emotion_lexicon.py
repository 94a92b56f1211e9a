"""Emotion lexicons: the built-in one, and lexicons of a user that extend or override it."""

import csv
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from zhenwei.errors import DataError
from zhenwei.news.enrichment.user_dictionary import read_lines
from zhenwei.news.fields import format_value
from zhenwei.news.io.validation import BadRowError, BadRows

Category = Literal["joy", "liking", "anger", "sadness", "fear", "disgust", "surprise"]
Polarity = Literal["positive", "negative", "neutral"]
Person = Literal["first", "second", "third"]

CATEGORIES: tuple[Category, ...] = get_args(Category)
COLUMNS = ("word", "category", "intensity", "polarity")

_FOLDER = Path(__file__).parent / "lexicons"
_BUILT_IN = ("emotion_words.tsv", "modifiers.tsv", "emoticons.tsv")
_CATEGORY_NAMES: dict[str, Category] = {
    **dict(zip(CATEGORIES, CATEGORIES, strict=True)),
    **dict(zip("乐好怒哀惧恶惊", CATEGORIES, strict=True)),
}
_POLARITY_NAMES: dict[str, Polarity] = {
    **{"positive": "positive", "negative": "negative", "neutral": "neutral"},
    **{"1": "positive", "-1": "negative", "0": "neutral"},
}
_WORD = re.compile(r"[\u4e00-\u9fd5a-zA-Z0-9]+")


@dataclass(frozen=True)
class LexiconEntry:
    """One emotion word.

    Attributes:
        word: In lower case.
        category: One of the seven emotions.
        intensity: From 1 (weak) to 9 (strong).
        polarity: Polarity of the word.
    """

    word: str
    category: Category
    intensity: float
    polarity: Polarity


@dataclass(frozen=True)
class Modifiers:
    """Negations, degree words with their factors, and personal pronouns; all in lower case."""

    negations: frozenset[str]
    degrees: dict[str, float]
    pronouns: dict[str, Person]


def read_lexicon(path: Path) -> tuple[LexiconEntry, ...]:
    """Read a user's lexicon: a table with the columns `word`, `category`, `intensity` and `polarity`.

    Args:
        path: Separated by commas if its suffix is `.csv`, else by tabs. The last row of a word counts.

    Raises:
        DataError: The file cannot be read, lacks a column, has no word, or has bad rows, of which the first ten
            are shown.
    """
    lines = read_lines(path)
    separator = "," if path.suffix.lower() == ".csv" else "\t"
    header, *records = [_cells(line, separator) for _, line in lines] or [[]]
    columns = [name.strip().lower() for name in header]
    if sorted(columns) != sorted(COLUMNS):
        found = ", ".join(map(format_value, columns)) or "nothing"
        kind = "commas" if separator == "," else "tabs"
        raise DataError(f"{path}: found the columns {found}; expected {', '.join(COLUMNS)}, separated by {kind}")
    entries: dict[str, LexiconEntry] = {}
    bad = BadRows(path)
    for (number, _), cells in zip(lines[1:], records, strict=True):
        with bad.collect(f"line {number}"):
            entry = _entry_of(columns, cells)
            entries[entry.word] = entry
    bad.raise_if_any(len(lines) - 1)
    if not entries:
        raise DataError(f"{path}: found no words; expected at least one below the header")
    return tuple(entries.values())


@cache
def built_in_words() -> dict[str, LexiconEntry]:
    """Return the words of the built-in lexicon, Chinese and English."""
    return {entry.word: entry for entry in read_lexicon(_FOLDER / "emotion_words.tsv")}


@cache
def built_in_modifiers() -> Modifiers:
    """Return the built-in negations, degree words and pronouns."""
    rows = list(_rows("modifiers.tsv"))
    return Modifiers(
        negations=frozenset(word for word, kind, _ in rows if kind == "negation"),
        degrees={word: float(factor) for word, kind, factor in rows if kind == "degree"},
        pronouns={word: kind for word, kind, _ in rows if kind in get_args(Person)},  # type: ignore[misc]
    )


@cache
def built_in_emoticons() -> dict[str, str]:
    """Return the emotion of each known emoticon: Weibo's `[泪]`, emoji, and `^_^`."""
    return dict(_rows("emoticons.tsv"))


@cache
def built_in_digest() -> str:
    """Return a digest of the built-in lexicon, 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for name in _BUILT_IN:
        # By lines, since line endings depend on the checkout.
        digest.update("\n".join((_FOLDER / name).read_text(encoding="utf-8").splitlines()).encode("utf-8"))
    return digest.hexdigest()[:16]


def entry_from(values: Sequence[object]) -> LexiconEntry:
    """Build an entry from its four values, in the order of `COLUMNS`.

    Raises:
        BadRowError: One of them is wrong.
    """
    if len(values) != len(COLUMNS):
        raise BadRowError(f"found {len(values)} cells; expected {len(COLUMNS)}: {', '.join(COLUMNS)}")
    word, category, intensity, polarity = (str(value).strip() for value in values)
    if not _WORD.fullmatch(word):
        raise BadRowError(
            f"found the word {format_value(word)}; expected Chinese characters, Latin letters or digits alone"
        )
    if category.lower() not in _CATEGORY_NAMES:
        raise BadRowError(
            f"found the category {format_value(category)}; expected {', '.join(CATEGORIES)} (or 乐好怒哀惧恶惊)"
        )
    if polarity.lower() not in _POLARITY_NAMES:
        raise BadRowError(
            f"found the polarity {format_value(polarity)}; expected positive, negative or neutral (1, -1, 0)"
        )
    return LexiconEntry(
        word.lower(), _CATEGORY_NAMES[category.lower()], _intensity(intensity), _POLARITY_NAMES[polarity.lower()]
    )


def _cells(line: str, separator: str) -> list[str]:
    """Split a line into cells; a CSV line may have quotes."""
    if separator == "\t":
        return line.split("\t")
    try:
        return [cell for cells in csv.reader([line]) for cell in cells]
    except csv.Error:  # a cell of more than 128 KiB
        return [line]


def _entry_of(header: list[str], cells: list[str]) -> LexiconEntry:
    if len(cells) != len(header):
        raise BadRowError(f"found {len(cells)} cells; expected {len(header)}, as in the header")
    row = dict(zip(header, cells, strict=True))
    return entry_from([row[name] for name in COLUMNS])


def _intensity(text: str) -> float:
    try:
        intensity = float(text)
    except ValueError:
        intensity = 0
    if not 1 <= intensity <= 9:  # false for NaN too
        raise BadRowError(f"found the intensity {format_value(text)}; expected a number from 1 to 9")
    return intensity


def _rows(name: str) -> Iterator[list[str]]:
    lines = (_FOLDER / name).read_text(encoding="utf-8").splitlines()
    return (line.split("\t") for line in lines[1:])
