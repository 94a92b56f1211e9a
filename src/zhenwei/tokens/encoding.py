"""Encoding once: articles become flat arrays, so that memory grows with tokens and not with Python objects."""

import hashlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from zhenwei.errors import ConfigError, DataError
from zhenwei.news import Article
from zhenwei.tokens.tokenizer import TextTokenizer

ENCODED_FIELDS = frozenset({"entities", "domain", "emotion"})
UNKNOWN_DOMAIN = -1
MAX_ENTITY_LEN = 50  # ENDEF (SIGIR 2022)
_CHUNK_CHARACTERS = 2**19  # long articles: a chunk also ends here, some 100 MB of the tokenizer's own objects
_FORMS = {
    "entity_list": """a list of {"entity": "..."} or of strings, empty where the text names nobody and nothing""",
    "emotion": "a list of finite numbers, of one length in all articles",
}

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class RaggedInts:
    """N rows of integers of different lengths, one after the other.

    Attributes:
        ids: all values, int32 [S].
        offsets: row n is ``ids[offsets[n]:offsets[n + 1]]``, int64 [N + 1].
    """

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> NDArray[np.int32]:
        return self.ids[self.offsets[row] : self.offsets[row + 1]]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Values per row, int64 [N]."""
        return np.diff(self.offsets)


def places(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give each value of a ragged array its place within its row: lengths 2, 3 give 0 1 0 1 2.

    Args:
        lengths: values per row, int64 [N].

    Returns:
        int64 [S], S the sum of the lengths.
    """
    ends = np.cumsum(lengths)
    return np.arange(lengths.sum()) - np.repeat(ends - lengths, lengths)


@dataclass(frozen=True, slots=True)
class EncodedArticles:
    """N articles as flat arrays; what a model does not need is None.

    Attributes:
        tokens: the contents' token ids, special tokens included.
        words: each token's word within its article, -1 for special tokens, int32 [S].
        labels: 0 real, 1 fake, nan where the article has none, float32 [N].
        entity_tokens: the entities' token ids, joined by the separator token; no entities give an empty row.
        domains: index into the domain names, -1 for none and for an unknown one, int64 [N].
        emotion: emotion features, float32 [N, F].
        truncated: whether the content was cut to the longest length allowed, bool [N].
    """

    tokens: RaggedInts
    words: NDArray[np.int32]
    labels: NDArray[np.float32]
    truncated: NDArray[np.bool_]
    entity_tokens: RaggedInts | None = None
    domains: NDArray[np.int64] | None = None
    emotion: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens per article, int64 [N]."""
        return self.tokens.lengths

    def content(self, row: int) -> NDArray[np.int32]:
        """Token ids of one article without the special tokens, int32."""
        start, end = self.tokens.offsets[row], self.tokens.offsets[row + 1]
        return self.tokens.ids[start:end][self.words[start:end] >= 0]

    def fingerprint(self) -> str:
        """Give the SHA-256 of all arrays, in hex: the same for the same data, on every machine."""
        entities = self.entity_tokens
        arrays: dict[str, NDArray[Any] | None] = {
            "ids": self.tokens.ids,
            "offsets": self.tokens.offsets,
            "words": self.words,
            "labels": self.labels,
            "entity_ids": None if entities is None else entities.ids,
            "entity_offsets": None if entities is None else entities.offsets,
            "domains": self.domains,
            "emotion": self.emotion,
        }
        digest = hashlib.sha256()
        for name, values in arrays.items():
            if values is not None:
                digest.update(f"{name} {values.dtype.str} {values.shape};".encode())
                digest.update(np.ascontiguousarray(values).data)
        return digest.hexdigest()


def encode_articles(
    articles: Iterable[Article],
    tokenizer: TextTokenizer,
    max_len: int,
    *,
    fields: frozenset[str] = frozenset(),
    domain_names: Sequence[str] = (),
    max_entity_len: int = MAX_ENTITY_LEN,
    chunk_size: int = 4096,
    first_row: int = 1,
) -> EncodedArticles:
    """Encode a stream of articles; it is walked through once and only a chunk of it is held.

    Args:
        articles: the articles, N of them.
        tokenizer: turns contents and entities into tokens.
        max_len: the most tokens of a content, special tokens included.
        fields: what to encode besides contents and labels: any of ``entities``, ``domain``, ``emotion``.
        domain_names: the domains that the model knows; an article's domain becomes its index here.
        max_entity_len: the most tokens of an article's entities, special tokens included.
        chunk_size: the most articles that go to the tokenizer at once.
        first_row: the number of the first article, for messages.

    Raises:
        ConfigError: ``fields`` names something else, or ``max_len`` leaves no room for content.
        DataError: an article lacks a field that is asked for (a domain may be lacking), or its emotion vector
            is not as long as the first one; the row is named.
    """
    if unknown := fields - ENCODED_FIELDS:
        raise ConfigError(f"Unknown fields {sorted(unknown)}: the optional ones are {sorted(ENCODED_FIELDS)}.")
    tokens, entities = _GrowingRows(), _GrowingRows()
    words, labels, domains = _GrowingInts(), array("f"), array("q")
    emotion = _GrowingVectors()
    numbers = {name: number for number, name in enumerate(domain_names)}
    truncated = bytearray()
    for chunk in _chunks(articles, chunk_size):
        row_of_chunk = first_row + len(labels)
        texts = tokenizer.encode_batch([article.content for article in chunk], max_len)
        tokens.extend(texts.ids, texts.lengths)
        words.extend(texts.words)
        truncated += texts.truncated.tobytes()
        labels.extend(float("nan") if article.target is None else article.target for article in chunk)
        if "entities" in fields:
            lists = [
                _present(article.entity_list, "entity_list", row) for row, article in enumerate(chunk, row_of_chunk)
            ]
            entities.extend(*_encode_entities(lists, tokenizer, max_entity_len))
        if "domain" in fields:
            domains.extend(numbers.get(article.domain or "", UNKNOWN_DOMAIN) for article in chunk)
        if "emotion" in fields:
            for row, article in enumerate(chunk, row_of_chunk):
                emotion.append(_present(article.emotion, "emotion", row), row)
    return EncodedArticles(
        tokens=tokens.finish(),
        words=words.finish(),
        labels=np.array(labels, np.float32),
        truncated=np.frombuffer(truncated, np.bool_),
        entity_tokens=entities.finish() if "entities" in fields else None,
        domains=np.array(domains, np.int64) if "domain" in fields else None,
        emotion=emotion.finish() if "emotion" in fields else None,
    )


class _GrowingInts:
    """An int32 array that grows in place: array.array reallocates, where a list of parts would need twice."""

    def __init__(self) -> None:
        self.buffer = array("i")

    def extend(self, values: NDArray[np.int32]) -> None:
        self.buffer.frombytes(values.tobytes())

    def finish(self) -> NDArray[np.int32]:
        return np.frombuffer(self.buffer, np.int32) if self.buffer else np.empty(0, np.int32)


class _GrowingRows:
    """A RaggedInts in the making."""

    def __init__(self) -> None:
        self.ids = _GrowingInts()
        self.ends = array("q", [0])

    def extend(self, ids: NDArray[np.int32], lengths: NDArray[np.int64]) -> None:
        self.ids.extend(ids)
        self.ends.frombytes((self.ends[-1] + np.cumsum(lengths, dtype=np.int64)).tobytes())

    def finish(self) -> RaggedInts:
        return RaggedInts(self.ids.finish(), np.frombuffer(self.ends, np.int64))


class _GrowingVectors:
    """Vectors of one length."""

    def __init__(self) -> None:
        self.values = array("f")
        self.width: int | None = None
        self.rows = 0

    def append(self, vector: tuple[float, ...], row: int) -> None:
        if self.width is None:
            self.width = len(vector)
        if len(vector) != self.width:
            raise DataError(
                f"Article {row} has {len(vector)} values in 'emotion', and the articles before it {self.width}: all "
                "need the same."
            )
        self.values.extend(vector)
        self.rows += 1

    def finish(self) -> NDArray[np.float32]:
        return np.array(self.values, np.float32).reshape(self.rows, self.width or 0)


def _chunks(articles: Iterable[Article], chunk_size: int) -> Iterator[list[Article]]:
    chunk: list[Article] = []
    characters = 0
    for article in articles:
        chunk.append(article)
        characters += len(article.content)
        if len(chunk) >= chunk_size or characters >= _CHUNK_CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk


def _present(value: tuple[_T, ...] | None, field: str, row: int) -> tuple[_T, ...]:
    if value is None:
        raise DataError(f"row {row}: no field '{field}', which this detector needs; expected {_FORMS[field]}")
    return value


def _encode_entities(
    lists: list[tuple[str, ...]], tokenizer: TextTokenizer, max_len: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Give ``[CLS] entity [SEP] entity [SEP]`` per article: flat ids int32 [S], and lengths int64 [N].

    Each entity is tokenized by itself, so that one which spells ``[SEP]`` does not end another.
    """
    texts = tokenizer.encode_batch([entity for entities in lists for entity in entities], max_len)
    counts = np.array([len(entities) for entities in lists], np.int64)
    is_content = texts.words >= 0
    entity_of_token = np.repeat(np.arange(len(texts.lengths)), texts.lengths)
    content_lengths = np.bincount(entity_of_token[is_content], minlength=len(texts.lengths))
    opens = places(counts) == 0  # the article's first entity: [CLS] stands before it
    spans = opens + content_lengths + 1  # [SEP] stands after each
    starts = np.cumsum(spans) - spans
    ids = np.full(spans.sum(), tokenizer.sep_id, np.int32)
    ids[starts[opens]] = tokenizer.cls_id
    ids[np.repeat(starts + opens, content_lengths) + places(content_lengths)] = texts.ids[is_content]

    lengths = np.bincount(np.repeat(np.arange(len(lists)), counts), spans, len(lists)).astype(np.int64)
    kept = np.minimum(lengths, max_len)
    place = places(lengths)
    ids[place == np.repeat(kept - 1, lengths)] = tokenizer.sep_id
    return ids[place < np.repeat(kept, lengths)], kept
