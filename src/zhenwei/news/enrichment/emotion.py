"""Emotion features of a text as a vector of fixed length.

After the publisher emotion of Zhang et al., "Mining Dual Emotion for Fake News Detection" (WWW 2021): scores of
seven emotions from a lexicon, with the negations and degree words before each word; the same weighted by the words'
intensity; polarity; and non-lexical features. docs/enrichment.md has the formula of each value.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

from zhenwei.errors import ConfigError
from zhenwei.news.enrichment.emotion_lexicon import (
    CATEGORIES,
    LexiconEntry,
    Person,
    built_in_digest,
    built_in_modifiers,
    built_in_words,
    entry_from,
    read_lexicon,
)
from zhenwei.news.enrichment.emotion_surface import SIGNS, count_signs
from zhenwei.news.enrichment.jieba_segmenter import JiebaSegmenter, NewWord, in_dictionary
from zhenwei.news.fields import format_value
from zhenwei.news.io.validation import BadRowError
from zhenwei.news.markup import without_markup

FORMULA = 1  # increases with any change to the computation
WINDOW = 3  # words before an emotion word, within its clause, that may negate or weight it

_PERSONS: tuple[Person, ...] = get_args(Person)
_NAMES = (
    *(f"{category}_{value}" for category in CATEGORIES for value in ("score", "intensity")),
    *("positive", "negative", "balance"),
    *("degree_words", "negation_words"),
    *(f"{person}_person" for person in _PERSONS),
    *SIGNS,
)
_STRONGEST = 4.0
_HIGHEST_INTENSITY = 9
_DIGITS = 6  # decimals of a value
_NOT = re.compile(r"n['’]t\b", re.IGNORECASE)
# Text for jieba; letters of other scripts; one punctuation mark or symbol.
_PIECE = re.compile(r"([\u4e00-\u9fd5a-z0-9]+)|([^\W_]+)|([^\w\s])")
_SIGN = {"positive": 1, "negative": -1, "neutral": 0}


class EmotionExtractor:
    """Compute the emotion vector of a text, deterministically.

    Args:
        entries: Words that extend or override the built-in lexicon.
    """

    names: tuple[str, ...] = _NAMES
    """Names of the values of the vector."""

    def __init__(self, entries: Sequence[LexiconEntry] = ()) -> None:
        self._entries = {entry.word: entry for entry in entries}
        self._words = {**built_in_words(), **self._entries}
        modifiers = built_in_modifiers()
        self._negations = modifiers.negations - self._entries.keys()
        self._degrees = {word: by for word, by in modifiers.degrees.items() if word not in self._entries}
        self._pronouns = modifiers.pronouns
        self._segmenter: JiebaSegmenter | None = None  # loaded with the first text, which takes seconds

    @classmethod
    def from_files(cls, lexicons: Sequence[Path] = ()) -> "EmotionExtractor":
        """Build an extractor with lexicons of a user; of several entries of one word the last one counts.

        Raises:
            DataError: One of them cannot be used.
        """
        return cls([entry for path in lexicons for entry in read_lexicon(path)])

    def to_dict(self) -> dict[str, Any]:
        """Return the user's words and the versions of lexicon, jieba and formula as JSON data."""
        return {**_built_with(), "entries": [list(astuple(entry)) for entry in self._entries.values()]}

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> "EmotionExtractor":
        """Build an extractor from `to_dict`.

        Raises:
            ConfigError: The versions of lexicon, jieba or formula differ, or the data is invalid.
        """
        for name, here in _built_with().items():
            if kept.get(name) != here:
                raise ConfigError(
                    f"emotion features: found {name} {format_value(kept.get(name))}; this installation has "
                    f"{format_value(here)} and would compute other values: enrich the articles and train again, "
                    "or install what made them"
                )
        try:
            return cls([entry_from(values) for values in kept["entries"]])
        except (KeyError, TypeError, BadRowError) as problem:
            raise ConfigError(f"emotion features: the entries cannot be read ({problem})") from None

    def __len__(self) -> int:
        return len(self.names)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_segmenter": None}

    def __call__(self, text: str) -> tuple[float, ...]:
        """Return the vector of a text, in the order of `names`; every value is between -1 and 1."""
        clauses = list(self._clauses(_NOT.sub(" not ", without_markup(text))))
        count = sum(map(len, clauses))
        values = [*self._emotions(clauses, count), *self._modifying(clauses, count), *count_signs(text)]
        return tuple(round(value, _DIGITS) + 0.0 for value in values)  # + 0.0: no -0.0

    def _emotions(self, clauses: list[list[str]], count: int) -> Iterator[float]:
        scores = dict.fromkeys(CATEGORIES, 0.0)
        intensities = dict.fromkeys(CATEGORIES, 0.0)
        positive = negative = 0.0
        for clause in clauses:
            for index, word in enumerate(clause):
                if (entry := self._words.get(word)) is None:
                    continue
                weight = self._weight(clause, index)
                scores[entry.category] += weight
                intensities[entry.category] += weight * entry.intensity / _HIGHEST_INTENSITY
                signed = weight * _SIGN[entry.polarity]
                positive += max(signed, 0.0)
                negative += max(-signed, 0.0)
        for category in CATEGORIES:
            yield _rate(scores[category], count)
            yield _rate(intensities[category], count)
        yield _rate(positive, count)
        yield _rate(negative, count)
        yield (positive - negative) / (positive + negative) if positive or negative else 0.0

    def _weight(self, clause: list[str], index: int) -> float:
        """Return the weight of an emotion word: -1 per negation before it, times the factor of each degree word."""
        sign, factor = 1, 1.0
        for word in clause[max(index - WINDOW, 0) : index][::-1]:
            if word in self._words:
                break  # words before another emotion word belong to that word
            if word in self._negations:
                sign = -sign
            factor *= self._degrees.get(word, 1.0)
        return sign * min(factor, _STRONGEST)

    def _modifying(self, clauses: list[list[str]], count: int) -> Iterator[float]:
        words = [word for clause in clauses for word in clause]
        yield _rate(sum(word in self._degrees for word in words), count)
        yield _rate(sum(word in self._negations for word in words), count)
        persons = [self._pronouns[word] for word in words if word in self._pronouns]
        for person in _PERSONS:
            yield _rate(persons.count(person), count)

    def _clauses(self, text: str) -> Iterator[list[str]]:
        """Yield the clauses of a text as words in lower case; any punctuation mark ends a clause."""
        if self._segmenter is None:
            self._segmenter = self._load_segmenter()
        clause: list[str] = []
        for cuttable, letters, _mark in _PIECE.findall(text.lower()):
            if cuttable:
                for word in self._segmenter.cut(cuttable):
                    clause += self._parts(word)
            elif letters:
                clause.append(letters)
            else:
                yield clause
                clause = []
        yield clause

    def _parts(self, token: str) -> tuple[str, ...]:
        """Split a dictionary word such as 不高兴 or 太高兴 into its modifier and its emotion word."""
        if token not in self._words and not self._modifies(token):
            for cut in range(min(len(token) - 1, 3), 0, -1):
                if token[cut:] in self._words and self._modifies(token[:cut]):
                    return token[:cut], token[cut:]
        return (token,)

    def _modifies(self, word: str) -> bool:
        return word in self._negations or word in self._degrees

    def _load_segmenter(self) -> JiebaSegmenter:
        words = sorted({*self._words, *self._negations, *self._degrees, *self._pronouns})
        return JiebaSegmenter(NewWord(word) for word in words if not word.isascii() and not in_dictionary(word))


def _rate(amount: float, words: int) -> float:
    """Return an amount r per ten words as r / (1 + |r|), between -1 and 1."""
    per_ten = 10 * amount / max(words, 1)
    return per_ten / (1 + math.fabs(per_ten))


def _built_with() -> dict[str, Any]:
    return {"formula": FORMULA, "lexicon": built_in_digest(), "jieba": version("jieba")}
