"""Encoding of entities: their token ids, and their occurrences in the content."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from zhenwei.tokens.ragged import positions
from zhenwei.tokens.splicing import StreamEncoder
from zhenwei.tokens.tokenizer import TextTokenizer, TokenizedTexts

MAX_ENTITY_LEN = 50  # ENDEF (SIGIR 2022)
NO_ENTITY = -1


@dataclass(frozen=True, slots=True)
class EncodedEntities:
    """The entities of N articles in flat arrays.

    Distinct entities of an article are numbered from 0.

    Attributes:
        ids: ``[CLS] entity [SEP] entity [SEP]`` per article, empty without entities, int32 [E].
        numbers: number of the entity of each of these tokens, including its closing [SEP]; -1 for [CLS],
            int32 [E].
        lengths: tokens of ``ids`` per article, int64 [N].
        of_token: number of the entity of each token of the contents, -1 for none, int32 [S].
    """

    ids: NDArray[np.int32]
    numbers: NDArray[np.int32]
    lengths: NDArray[np.int64]
    of_token: NDArray[np.int32]


def encode_entities(
    lists: list[tuple[str, ...]],
    contents: TokenizedTexts,
    tokenizer: TextTokenizer,
    max_len: int,
    max_entity_len: int = MAX_ENTITY_LEN,
    encoder: StreamEncoder | None = None,
    *,
    match_unknown: bool = False,
) -> EncodedEntities:
    """Tokenize lists of entities, and find all their occurrences in the contents.

    Each entity is tokenized separately, so that an entity that spells ``[SEP]`` does not end another. It occurs
    wherever its tokens occur in the content from the start of a word to the end of a word: ``app`` is not in ``apple``.
    If entities overlap, the one with more tokens wins; of equally long ones, the first in the list. An entity of
    unknown tokens only matches nothing by default.

    Args:
        lists: entities of N articles; those beyond ``max_entity_len`` are still searched in the content.
        contents: contents of the articles.
        tokenizer: the tokenizer of ``contents``.
        max_len: maximum tokens of a content, including special tokens.
        max_entity_len: maximum tokens of an article's entities, including special tokens.
        encoder: a faster encoder with the same tokens as ``tokenizer``.
        match_unknown: whether entities of unknown tokens only match as many unknown tokens of the content.
    """
    names = [entity for entities in lists for entity in entities]
    texts = (encoder or tokenizer).encode_batch(names, max(max_len, max_entity_len))
    is_content = texts.words >= 0
    text_of_token = np.repeat(np.arange(len(names)), texts.lengths)
    lengths = np.bincount(text_of_token[is_content], minlength=len(names))  # per entity, [M]
    ids = texts.ids[is_content]
    counts = np.array([len(entities) for entities in lists], np.int64)
    numbers, of_token = _find(
        _split(_as_string(ids), lengths), counts, contents, None if match_unknown else tokenizer.unk_id
    )
    return EncodedEntities(*_join(ids, lengths, numbers, counts, tokenizer, max_entity_len), of_token)


def _join(
    tokens: NDArray[np.int32],
    lengths: NDArray[np.int64],
    numbers: NDArray[np.int32],
    counts: NDArray[np.int64],
    tokenizer: TextTokenizer,
    max_len: int,
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int64]]:
    """Join M entities article by article, as in ``EncodedEntities``.

    Args:
        tokens: tokens of the entities without special tokens, int32 [T].
        lengths: tokens per entity, int64 [M].
        numbers: number of each entity within its article, int32 [M].
        counts: entities per article, int64 [N].
        tokenizer: tokenizer with the special tokens.
        max_len: maximum tokens of an article's entities; a truncated list ends with [SEP], too.

    Returns:
        Token ids int32 [E], their entity numbers int32 [E], tokens per article int64 [N].
    """
    is_first = positions(counts) == 0  # first entity of an article: [CLS] precedes it
    spans = is_first + lengths + 1  # [SEP] follows each entity
    starts = np.cumsum(spans) - spans
    ids = np.full(spans.sum(), tokenizer.sep_id, np.int32)
    ids[starts[is_first]] = tokenizer.cls_id
    ids[np.repeat(starts + is_first, lengths) + positions(lengths)] = tokens
    number_of_token = np.repeat(numbers, spans)
    number_of_token[starts[is_first]] = NO_ENTITY

    article_of_entity = np.repeat(np.arange(len(counts)), counts)
    totals = np.bincount(article_of_entity, spans, len(counts)).astype(np.int64)
    truncated = np.minimum(totals, max_len)
    position = positions(totals)
    ids[position == np.repeat(truncated - 1, totals)] = tokenizer.sep_id
    within = position < np.repeat(truncated, totals)
    return ids[within], number_of_token[within], truncated


def _as_string(ids: NDArray[np.int32]) -> str:
    """Return token ids as a string of one character each, since ``str.find`` is fast.

    Code points reach 1,114,111, more than any vocabulary.
    """
    return ids.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")


def _split(joined: str, lengths: NDArray[np.int64]) -> Iterator[str]:
    ends = np.cumsum(lengths)
    for start, end in zip((ends - lengths).tolist(), ends.tolist(), strict=True):
        yield joined[start:end]


def _find(
    entities: Iterator[str], counts: NDArray[np.int64], contents: TokenizedTexts, unk_id: int | None
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Number the entities of each article, and find their occurrences in its content.

    Args:
        entities: M entities as strings of ``_as_string``.
        counts: entities per article, int64 [N].
        contents: contents of the articles.
        unk_id: id of the unknown token: an entity of unknown tokens only is not searched; None: every entity is.

    Returns:
        Number of each entity within its article, int32 [M], and of the entity of each token of the contents,
        int32 [S].
    """
    marked, unknown = _MarkedContents(contents), "" if unk_id is None else chr(unk_id)
    numbers = np.empty(counts.sum(), np.int32)
    done = start = 0
    for count, length in zip(counts.tolist(), contents.lengths.tolist(), strict=True):
        distinct: dict[str, int] = {}
        numbers[done : done + count] = [
            distinct.setdefault(entity, len(distinct)) for entity in islice(entities, count)
        ]
        for entity in sorted(distinct, key=len, reverse=True):
            if entity and (not unknown or entity.strip(unknown)):
                marked.mark(entity, distinct[entity], start, start + length)
        done, start = done + count, start + length
    return numbers, np.array(marked.of_token, np.int32)


class _MarkedContents:
    """Contents with marked entities: each token belongs to at most one entity."""

    def __init__(self, contents: TokenizedTexts) -> None:
        self.text = _as_string(contents.ids)
        self.of_token = array("i", [NO_ENTITY]) * len(self.text)
        edges = np.ones(
            len(self.text) + 1, np.bool_
        )  # whether a word starts at a token, and the previous word ends before it
        edges[1:-1] = contents.words[1:] != contents.words[:-1]
        edges[np.cumsum(contents.lengths)] = True
        self.edges = edges.tobytes()

    def mark(self, entity: str, number: int, start: int, end: int) -> None:
        """Mark all occurrences of an entity between ``start`` and ``end`` whose tokens have no mark yet."""
        size = len(entity)
        begin = self.text.find(entity, start, end)
        while begin >= 0:
            after = begin + size
            if self.edges[begin] and self.edges[after] and self.of_token[begin:after].count(NO_ENTITY) == size:
                self.of_token[begin:after] = array("i", [number]) * size
                begin = self.text.find(entity, after, end)
            else:
                begin = self.text.find(entity, begin + 1, end)
