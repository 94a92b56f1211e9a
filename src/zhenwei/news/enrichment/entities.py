"""Named entity recognition: persons, places, organizations and other names, in order of appearance."""

import importlib
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from operator import itemgetter
from pathlib import Path
from typing import Any

from zhenwei.errors import ConfigError
from zhenwei.news.enrichment.jieba_segmenter import JiebaSegmenter, NewWord, load_jieba
from zhenwei.news.enrichment.user_dictionary import DictionaryEntry, WordSearch, read_dictionary
from zhenwei.news.fields import format_value
from zhenwei.news.markup import NOTHING, without_markup

Tagger = Callable[[str], tuple[str, ...]]
"""Returns the distinct entities of a text; can be pickled for multiprocessing."""

TAGGERS = ("jieba", "spacy")
SPACY_MODEL = "zh_core_web_sm"
SPACY_LABELS = frozenset({"PERSON", "GPE", "LOC", "ORG", "FAC", "NORP", "PRODUCT", "EVENT", "WORK_OF_ART", "LAW"})
"""The labels of spaCy that count as entities; dates, numbers, amounts and languages do not."""

_NAME_TAGS = ("nr", "ns", "nt", "nz")
_NOT_NAMES = Path(__file__).parent / "lexicons" / "not_names.txt"
# A block that jieba segments at once, with a Chinese character, as in all names of its dictionary.
# (The lookbehind avoids a new attempt at each character of a run without Chinese.)
_BLOCK = re.compile(r"(?<![a-zA-Z0-9+#&._])[a-zA-Z0-9+#&._]*[\u4e00-\u9fd5][\u4e00-\u9fd5a-zA-Z0-9+#&._]*")
_NOBODY = re.compile(r".{1,2}(?:某{1,3}.?|先生|女士|小姐|太太|师傅|老师|大爷|大妈|阿姨|同学)")  # 王女士, 李某
_NEVER_IN_NAMES = frozenset("的了是被把我你他她它们这那没也就都很太吗呢吧啊么怎哪谁您某让说")
_PLACE_ENDINGS = frozenset("省市县区镇乡村州国國岛湾湖河江山港城路街桥站寺")


def build_tagger(name: str, *, dictionary: Path | None = None, model: str | None = None) -> Tagger:
    """Build a tagger by name.

    Args:
        name: `jieba`, or `spacy`.
        dictionary: A user's dictionary, for jieba only.
        model: The name or the folder of a model, for spaCy only; `zh_core_web_sm` by default.

    Raises:
        ConfigError: There is no such tagger, it has no such setting, or it is not installed.
        DataError: The dictionary cannot be used.
    """
    if name not in TAGGERS:
        raise ConfigError(f"tagger: found {format_value(name)}; expected {' or '.join(TAGGERS)}")
    if name == "spacy":
        if dictionary is not None:
            raise ConfigError("dictionary: the tagger 'spacy' has none; expected the tagger 'jieba'")
        return SpacyTagger(model or SPACY_MODEL)
    if model is not None:
        raise ConfigError("model: the tagger 'jieba' has none; expected the tagger 'spacy'")
    return JiebaTagger(dictionary)


class JiebaTagger:
    """Find entities by jieba's dictionary and its hidden Markov model, without known false positives.

    Args:
        dictionary: A file of words in jieba's format, which override jieba's own; see `read_dictionary`.

    Raises:
        DataError: The dictionary cannot be used.
    """

    def __init__(self, dictionary: Path | None = None) -> None:
        self._entries = () if dictionary is None else read_dictionary(dictionary)
        self._own_words = frozenset(entry.word for entry in self._entries)
        self._finder: _JiebaNames | None = None  # loaded with the first text, which takes seconds

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_finder": None}

    def __call__(self, text: str) -> tuple[str, ...]:
        """Return the distinct entities of a text, in order of first appearance."""
        if self._finder is None:
            self._finder = _JiebaNames(self._entries)
        found = self._finder.find(without_markup(text))
        return tuple(dict.fromkeys(name for name in found if name in self._own_words or is_name(name)))


class SpacyTagger:
    """Find entities by a spaCy model: those with one of `SPACY_LABELS`.

    Args:
        model: The name of an installed model, or the folder of one.

    Raises:
        ConfigError: spaCy or the model is not installed; the message says how to install it.
    """

    def __init__(self, model: str) -> None:
        self._model = model
        self._pipeline = _load_pipeline(model)

    def __reduce__(self) -> tuple[type["SpacyTagger"], tuple[str]]:
        return SpacyTagger, (self._model,)

    def __call__(self, text: str) -> tuple[str, ...]:
        """Return the distinct entities of a text, in order of first appearance."""
        found = (entity for entity in self._pipeline(without_markup(text)).ents if entity.label_ in SPACY_LABELS)
        return tuple(dict.fromkeys(name for name in (entity.text.strip() for entity in found) if is_name(name)))


def is_name(word: str) -> bool:
    """Return whether a word may be a name: at least two characters with a letter, and not a generic person."""
    return (
        len(word) > 1
        and any(unicodedata.category(character)[0] == "L" for character in word)
        and word not in _not_names()
        and not _NOBODY.fullmatch(word)
    )


class _JiebaNames:
    """Find candidates for names by jieba's dictionary, its hidden Markov model, and a user's dictionary."""

    def __init__(self, entries: Iterable[DictionaryEntry]) -> None:
        from zhenwei.news.enrichment.jieba_hmm import NameModel  # noqa: PLC0415 - needed by jieba only

        posseg = load_jieba("jieba.posseg")
        chinese = [entry for entry in entries if entry.is_chinese]
        self._segmenter = JiebaSegmenter(NewWord(entry.word, entry.frequency) for entry in chinese)
        self._model = NameModel(posseg)
        tags = posseg.dt.word_tag_tab | {entry.word: entry.tag for entry in chinese}
        self._names = {word for word, tag in tags.items() if len(word) > 1 and _is_name_tag(tag)}
        # Words that jieba never finds, since it splits at their characters: searched before segmentation.
        self._others = WordSearch({e.word: _is_name_tag(e.tag) for e in entries if not e.is_chinese})

    def find(self, text: str) -> list[str]:
        """Return the candidates in order of appearance."""
        found: list[tuple[int, str]] = []
        parts, reached = [], 0
        for position, word, is_a_name in self._others.find(text):
            if is_a_name:
                found.append((position, word))
            parts += [text[reached:position], NOTHING * len(word)]
            reached = position + len(word)
        text = "".join([*parts, text[reached:]])
        for block in _BLOCK.finditer(text):
            found += self._names_of_block(block.group(), block.start())
        return [name for _, name in sorted(found, key=itemgetter(0))]

    def _names_of_block(self, block: str, start: int) -> Iterator[tuple[int, str]]:
        """Yield the names of a block with their positions: words of the dictionary, and of the model between them."""
        run = ""
        position = start
        for word in (*self._segmenter.cut(block), ""):
            if len(word) == 1 and "\u4e00" <= word <= "\u9fd5":
                run += word
            else:
                if len(run) > 1 and run not in self._segmenter:  # a known word was split on purpose
                    yield from self._names_of_run(run, position - len(run))
                run = ""
                if word in self._names:
                    yield position, word
            position += len(word)

    def _names_of_run(self, run: str, position: int) -> Iterator[tuple[int, str]]:
        for word, tag in self._model.cut(run):
            if len(word) > 1 and _is_credible(word, tag):
                yield position, word
            position += len(word)


def _is_name_tag(tag: str) -> bool:
    return tag.startswith(_NAME_TAGS)


def _is_credible(word: str, tag: str) -> bool:
    """Return whether a name of the model is credible; the model is often wrong about places."""
    if not _is_name_tag(tag) or not _NEVER_IN_NAMES.isdisjoint(word):
        return False
    return not tag.startswith("ns") or len(word) > 2 or word[-1] in _PLACE_ENDINGS


@cache
def _not_names() -> frozenset[str]:
    lines = _NOT_NAMES.read_text(encoding="utf-8").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())


def _load_pipeline(model: str) -> Any:
    try:
        spacy = importlib.import_module("spacy")
    except ImportError:
        raise ConfigError("the tagger 'spacy' needs spaCy; install it: pip install 'zhenwei[spacy]'") from None
    try:
        pipeline = spacy.load(model)
    except Exception as error:  # a damaged folder: spaCy raises whatever its parts raise
        if Path(model).exists():
            reason = " ".join(str(error).split())[:200]
            raise ConfigError(f"tagger model: the folder {model} holds no spaCy model ({reason})") from None
        raise ConfigError(
            f"tagger model: found no spaCy model {format_value(model)}; install one "
            f"(python -m spacy download {SPACY_MODEL}) or give the folder of one"
        ) from None
    if not {"ner", "entity_ruler", "span_ruler"} & set(pipeline.pipe_factories.values()):
        raise ConfigError(
            f"tagger model: {format_value(model)} finds no entities "
            f"(its parts: {', '.join(pipeline.pipe_names) or 'none'}); expected one with 'ner', such as {SPACY_MODEL}"
        )
    pipeline.max_length = sys.maxsize  # an article of any length is read
    return pipeline
