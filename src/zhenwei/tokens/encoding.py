"""Encoding once: articles become flat arrays, so that memory grows with tokens and not with Python objects."""

import hashlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from zhenwei.config import DomainKind
from zhenwei.errors import ConfigError, DataError, MissingFieldError
from zhenwei.news.article import Article
from zhenwei.tokens.domains import domain_of
from zhenwei.tokens.entities import MAX_ENTITY_LEN, NO_ENTITY, encode_entities
from zhenwei.tokens.ragged import GrowingInts, GrowingRows, RaggedInts
from zhenwei.tokens.splicing import StreamEncoder
from zhenwei.tokens.tokenizer import TextTokenizer

ENCODED_FIELDS = frozenset({"entities", "domain", "emotion"})
UNKNOWN_DOMAIN = -1
_CHUNK_CHARACTERS = 2**19  # long articles: a chunk also ends here, some 100 MB of the tokenizer's own objects
_LARGEST = float(np.finfo(np.float32).max)
_FORMS = {
    "entity_list": """a list of {"entity": "..."} or of strings, empty where the text names nobody and nothing""",
    "emotion": "a list of finite numbers, of one length in all articles",
}

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class EncodedArticles:
    """N articles as flat arrays; what a model does not need is None.

    Attributes:
        tokens: the contents' token ids, special tokens included.
        words: each token's word within its article, -1 for special tokens, int32 [S].
        labels: 0 real, 1 fake, nan where the article has none, float32 [N].
        entity_tokens: the entities' token ids, joined by the separator token; no entities give an empty row.
        entity_of_token: the number, within its article, of the entity that each of ``tokens`` belongs to, -1 for
            none, int32 [S].
        entity_of_entity_token: the same number for each of ``entity_tokens``: an entity's closing separator belongs
            to it, the leading [CLS] to none (-1), int32 [E].
        domains: index into the domain names, -1 for none and for an unknown one, int64 [N].
        emotion: emotion features, float32 [N, F].
        truncated: whether the content was cut to the longest length allowed, bool [N].
    """

    tokens: RaggedInts
    words: NDArray[np.int32]
    labels: NDArray[np.float32]
    truncated: NDArray[np.bool_]
    entity_tokens: RaggedInts | None = None
    entity_of_token: NDArray[np.int32] | None = None
    entity_of_entity_token: NDArray[np.int32] | None = None
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
            "entity_of_token": self.entity_of_token,
            "entity_of_entity_token": self.entity_of_entity_token,
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
    domain: DomainKind = "field",
    domain_names: Sequence[str] = (),
    emotion_size: int | None = None,
    max_entity_len: int = MAX_ENTITY_LEN,
    mask_entities: bool = False,
    chunk_size: int = 4096,
    first_row: int = 1,
) -> EncodedArticles:
    """Encode a stream of articles; it is walked through once and only a chunk of it is held.

    Args:
        articles: the articles, N of them.
        tokenizer: turns contents and entities into tokens.
        max_len: the most tokens of a content, special tokens included.
        fields: what to encode besides contents and labels: any of ``entities``, ``domain``, ``emotion``.
        domain: what an article's domain is, see ``domain_of``.
        domain_names: the domains that the model knows; an article's domain becomes its index here.
        emotion_size: the length of an emotion vector that the model knows; None takes the first article's.
        max_entity_len: the most tokens of an article's entities, special tokens included.
        mask_entities: whether each token of an entity becomes a mask token in the content.
        chunk_size: the most articles that go to the tokenizer at once.
        first_row: the number of the first article, for messages.

    Raises:
        ConfigError: ``fields`` names something else, or ``max_len`` leaves no room for content.
        MissingFieldError: an article lacks a field that is asked for (a domain may be lacking); the row is named.
        DataError: an emotion vector is of another length than ``emotion_size`` or the first one; the row is named.
    """
    if unknown := fields - ENCODED_FIELDS:
        raise ConfigError(f"Unknown fields {sorted(unknown)}: the optional ones are {sorted(ENCODED_FIELDS)}.")
    tokens, words, labels, truncated = GrowingRows(), GrowingInts(), array("f"), bytearray()
    entity_tokens, entity_of_token, entity_of_entity_token = GrowingRows(), GrowingInts(), GrowingInts()
    domains, emotion = array("q"), _GrowingVectors(emotion_size)
    numbers = {name: number for number, name in enumerate(domain_names)}
    encoder = StreamEncoder(tokenizer)
    for chunk in _chunks(articles, chunk_size):
        row_of_chunk = first_row + len(labels)
        texts = encoder.encode_batch([article.content for article in chunk], max_len)
        ids = texts.ids
        words.extend(texts.words)
        truncated += texts.truncated.tobytes()
        labels.extend(float("nan") if article.target is None else article.target for article in chunk)
        if mask_entities or "entities" in fields:
            lists = [
                _present(article.entity_list, "entity_list", row) for row, article in enumerate(chunk, row_of_chunk)
            ]
            entities = encode_entities(
                lists, texts, tokenizer, max_len, max_entity_len, encoder, unknown_too=mask_entities
            )
            if mask_entities:
                ids = np.where(entities.of_token == NO_ENTITY, ids, np.int32(tokenizer.mask_id))
            if "entities" in fields:
                entity_tokens.extend(entities.ids, entities.lengths)
                entity_of_token.extend(entities.of_token)
                entity_of_entity_token.extend(entities.numbers)
        tokens.extend(ids, texts.lengths)
        if "domain" in fields:
            domains.extend(numbers.get(domain_of(article, domain) or "", UNKNOWN_DOMAIN) for article in chunk)
        if "emotion" in fields:
            for row, article in enumerate(chunk, row_of_chunk):
                emotion.append(_present(article.emotion, "emotion", row), row)
    return EncodedArticles(
        tokens=tokens.finish(),
        words=words.finish(),
        labels=np.array(labels, np.float32),
        truncated=np.frombuffer(truncated, np.bool_),
        entity_tokens=entity_tokens.finish() if "entities" in fields else None,
        entity_of_token=entity_of_token.finish() if "entities" in fields else None,
        entity_of_entity_token=entity_of_entity_token.finish() if "entities" in fields else None,
        domains=np.array(domains, np.int64) if "domain" in fields else None,
        emotion=emotion.finish() if "emotion" in fields else None,
    )


class _GrowingVectors:
    """Vectors of one length: the given one, or that of the first vector."""

    def __init__(self, size: int | None) -> None:
        self.values = array("f")
        self.wanted = size
        self.size = size
        self.rows = 0

    def append(self, vector: tuple[float, ...], row: int) -> None:
        if self.size is None:
            self.size = len(vector)
        if len(vector) != self.size:
            whose = "those of the articles before it" if self.wanted is None else "what this detector reads"
            raise DataError(f"row {row}: found {len(vector)} values in 'emotion'; expected {self.size}, {whose}")
        if max(map(abs, vector)) > _LARGEST:
            raise DataError(
                f"row {row}: found {max(vector, key=abs)} in 'emotion'; expected no more than {_LARGEST:.1e}"
            )
        self.values.extend(vector)
        self.rows += 1

    def finish(self) -> NDArray[np.float32]:
        return np.array(self.values, np.float32).reshape(self.rows, self.size or 0)


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
        raise MissingFieldError(field, row, _FORMS[field])
    return value
