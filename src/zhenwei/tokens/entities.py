"""Entities to numbers: the tokens of an article's entities, and where in its content each of them stands."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from zhenwei.tokens.ragged import places
from zhenwei.tokens.splicing import BatchEncoder
from zhenwei.tokens.tokenizer import TextTokenizer, TokenizedTexts

MAX_ENTITY_LEN = 50  # ENDEF (SIGIR 2022)
NO_ENTITY = -1


@dataclass(frozen=True, slots=True)
class EncodedEntities:
    """The entities of N articles, one article after the other in flat arrays.

    An entity's number counts the different entities of its article from 0; equal ones share one number.

    Attributes:
        ids: ``[CLS] entity [SEP] entity [SEP]`` per article, nothing where it has no entities, int32 [E].
        numbers: the number of the entity that each of these tokens belongs to, as its closing [SEP] does;
            -1 for [CLS], int32 [E].
        lengths: tokens of ``ids`` per article, int64 [N].
        of_token: the number of the entity that each token of the contents belongs to, -1 for none, int32 [S].
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
    encoder: BatchEncoder | None = None,
    *,
    unknown_too: bool = False,
) -> EncodedEntities:
    """Turn lists of entities into tokens, and find every place where they stand in the contents.

    Each entity is tokenized by itself, so that one which spells ``[SEP]`` does not end another. It stands wherever
    its tokens stand in the content, from the start of a word to the end of one: ``app`` is not in ``apple``. Where
    entities overlap, the one of more tokens has the place; of equally long ones, the one named first. An entity that
    is nothing but unknown tokens stands nowhere, or, if that is asked for, wherever as many unknown tokens stand.

    Args:
        lists: the entities of N articles; those beyond ``max_entity_len`` are still looked for in the content.
        contents: the articles' contents.
        tokenizer: the one that made ``contents``.
        max_len: the most tokens of a content, special tokens included.
        max_entity_len: the most tokens of an article's entities, special tokens included.
        encoder: what gives the same tokens as ``tokenizer``, in less time.
        unknown_too: whether entities of unknown tokens alone are looked for as well.
    """
    names = [entity for entities in lists for entity in entities]
    texts = (encoder or tokenizer).encode_batch(names, max(max_len, max_entity_len))
    is_content = texts.words >= 0
    text_of_token = np.repeat(np.arange(len(names)), texts.lengths)
    lengths = np.bincount(text_of_token[is_content], minlength=len(names))  # of the entities, [M]
    ids = texts.ids[is_content]
    counts = np.array([len(entities) for entities in lists], np.int64)
    numbers, of_token = _find(
        _split(_letters(ids), lengths), counts, contents, None if unknown_too else tokenizer.unk_id
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
    """Put M entities behind one another, article by article, as ``EncodedEntities`` wants them.

    Args:
        tokens: the entities' tokens without special ones, int32 [T].
        lengths: tokens per entity, int64 [M].
        numbers: numbers of the entities within their articles, int32 [M].
        counts: entities per article, int64 [N].
        tokenizer: names the special tokens.
        max_len: the most tokens of an article's entities; a list that is cut ends with [SEP] all the same.

    Returns:
        Token ids int32 [E], their entities' numbers int32 [E], tokens per article int64 [N].
    """
    opens = places(counts) == 0  # the article's first entity: [CLS] stands before it
    spans = opens + lengths + 1  # [SEP] stands after each
    starts = np.cumsum(spans) - spans
    ids = np.full(spans.sum(), tokenizer.sep_id, np.int32)
    ids[starts[opens]] = tokenizer.cls_id
    ids[np.repeat(starts + opens, lengths) + places(lengths)] = tokens
    number_of_token = np.repeat(numbers, spans)
    number_of_token[starts[opens]] = NO_ENTITY

    article_of_entity = np.repeat(np.arange(len(counts)), counts)
    totals = np.bincount(article_of_entity, spans, len(counts)).astype(np.int64)
    kept = np.minimum(totals, max_len)
    place = places(totals)
    ids[place == np.repeat(kept - 1, totals)] = tokenizer.sep_id
    within = place < np.repeat(kept, totals)
    return ids[within], number_of_token[within], kept


def _letters(ids: NDArray[np.int32]) -> str:
    """Spell token ids as a string of one character each, for ``str.find`` is the quickest search at hand.

    A string's characters go up to 1,114,111: no vocabulary is so large.
    """
    return ids.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")


def _split(letters: str, lengths: NDArray[np.int64]) -> Iterator[str]:
    ends = np.cumsum(lengths)
    for start, end in zip((ends - lengths).tolist(), ends.tolist(), strict=True):
        yield letters[start:end]


def _find(
    entities: Iterator[str], counts: NDArray[np.int64], contents: TokenizedTexts, unk_id: int | None
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Number the entities of each article, and find them in its content.

    Args:
        entities: M entities, as ``_letters`` spells them.
        counts: entities per article, int64 [N].
        contents: the articles' contents.
        unk_id: the token that may stand for anything: an entity of such tokens alone is not looked for.

    Returns:
        Numbers of the entities within their articles, int32 [M], and of the entities that the contents' tokens
        belong to, int32 [S].
    """
    marked, unknown = _MarkedContents(contents), "" if unk_id is None else chr(unk_id)
    numbers = np.empty(counts.sum(), np.int32)
    done = start = 0
    for count, length in zip(counts.tolist(), contents.lengths.tolist(), strict=True):
        own: dict[str, int] = {}
        numbers[done : done + count] = [own.setdefault(entity, len(own)) for entity in islice(entities, count)]
        for entity in sorted(own, key=len, reverse=True):
            if entity and (not unknown or entity.strip(unknown)):
                marked.mark(entity, own[entity], start, start + length)
        done, start = done + count, start + length
    return numbers, np.array(marked.of_token, np.int32)


class _MarkedContents:
    """Contents in which entities are being marked: each token of them belongs to one entity at most."""

    def __init__(self, contents: TokenizedTexts) -> None:
        self.text = _letters(contents.ids)
        self.of_token = array("i", [NO_ENTITY]) * len(self.text)
        edges = np.ones(len(self.text) + 1, np.bool_)  # where a word starts, and so where the one before it ends
        edges[1:-1] = contents.words[1:] != contents.words[:-1]
        edges[np.cumsum(contents.lengths)] = True
        self.edges = edges.tobytes()

    def mark(self, entity: str, number: int, start: int, end: int) -> None:
        """Mark all places between ``start`` and ``end`` that the entity stands in and that are still free."""
        size = len(entity)
        place = self.text.find(entity, start, end)
        while place >= 0:
            after = place + size
            if self.edges[place] and self.edges[after] and self.of_token[place:after].count(NO_ENTITY) == size:
                self.of_token[place:after] = array("i", [number]) * size
                place = self.text.find(entity, after, end)
            else:
                place = self.text.find(entity, place + 1, end)
