"""Encoding of articles into flat arrays, so that memory grows with tokens instead of Python objects."""

import dataclasses
import hashlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from zhenwei.config import DomainKind
from zhenwei.errors import ConfigError, DataError, MissingFieldError
from zhenwei.news.article import Article
from zhenwei.news.normalize.normalizer import NO_STEPS, Normalizer
from zhenwei.news.rewrites import ContentGroups, content_weights
from zhenwei.tokens.entities import MAX_ENTITY_LEN, NO_ENTITY, encode_entities
from zhenwei.tokens.ragged import GrowingInts, GrowingRows, RaggedInts
from zhenwei.tokens.splicing import StreamEncoder
from zhenwei.tokens.tokenizer import TextTokenizer

ENCODED_FIELDS = frozenset({"entities", "domain", "emotion"})
UNKNOWN_DOMAIN = -1
_CHUNK_CHARACTERS = 2**19  # end of a chunk of long articles: some 100 MB of objects of the tokenizer
_MAX_FLOAT32 = float(np.finfo(np.float32).max)
_FORMS = {
    "entity_list": """a list of {"entity": "..."} or of strings, empty if the text has no entities""",
    "emotion": "a list of finite numbers, of one length in all articles",
}

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class EncodedArticles:
    """N articles as flat arrays; fields that a model does not need are None.

    Attributes:
        tokens: token ids of the contents, including special tokens.
        words: word of each token within its article, -1 for special tokens, int32 [S].
        labels: 0 real, 1 fake, nan for an article without a label, float32 [N].
        entity_tokens: token ids of the entities, joined by the separator token; an empty row without entities.
        entity_of_token: number of the entity, within its article, of each of ``tokens``, -1 for none, int32 [S].
        entity_of_entity_token: the same for each of ``entity_tokens``; the separator after an entity belongs to it,
            the leading [CLS] to none (-1), int32 [E].
        domains: index into the domain names, -1 for a missing or unknown domain, int64 [N].
        emotion: emotion features, float32 [N, F].
        truncated: whether the content was truncated, bool [N].
        contents: content group of each article, equal for an original and its rewrites, int64 [N]; None without
            rewrites.
        is_rewrite: whether the article is a rewrite, bool [N]; None without rewrites.
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
    contents: NDArray[np.int64] | None = None
    is_rewrite: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens per article, int64 [N]."""
        return self.tokens.lengths

    @property
    def content_lengths(self) -> NDArray[np.int64]:
        """Tokens per article without special tokens, int64 [N]."""
        before = np.concatenate([[0], np.cumsum(self.words >= 0)])
        return np.diff(before[self.tokens.offsets])

    def share_of(self, token: int) -> NDArray[np.float64]:
        """Return the share of a token among each article's tokens without special tokens, float64 [N]; 0 if none."""
        before = np.concatenate([[0], np.cumsum((self.tokens.ids == token) & (self.words >= 0))])
        return np.diff(before[self.tokens.offsets]) / np.maximum(self.content_lengths, 1)

    @property
    def weights(self) -> NDArray[np.float32] | None:
        """Weight of each article in training, float32 [N]: an original and its rewrites share 1; None: all are 1."""
        if self.contents is None or self.is_rewrite is None:
            return None
        return content_weights(self.contents, self.is_rewrite)

    def content(self, row: int) -> NDArray[np.int32]:
        """Return the token ids of one article without special tokens, int32."""
        start, end = self.tokens.offsets[row], self.tokens.offsets[row + 1]
        return self.tokens.ids[start:end][self.words[start:end] >= 0]

    def fingerprint(self) -> str:
        """Return the SHA-256 of all arrays in hex, which is the same on every machine."""
        digest = hashlib.sha256()
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            for values in (value.ids, value.offsets) if isinstance(value, RaggedInts) else (value,):
                if values is not None:
                    digest.update(f"{field.name} {values.dtype.str} {values.shape};".encode())
                    digest.update(np.ascontiguousarray(values).data)
        return digest.hexdigest()


def domain_of(article: Article, domain: DomainKind = "field") -> str | None:
    """Return an article's domain, or None.

    Args:
        article: the article.
        domain: ``field``: the field ``domain``, a topic as in MDFEND; ``year``: the year of ``time``, "2013", as in
            ENDEF.
    """
    if domain == "field":
        return article.domain
    return None if article.time is None else str(article.time.year)


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
    normalizer: Normalizer = NO_STEPS,
) -> EncodedArticles:
    """Encode a stream of articles in one pass, chunk by chunk.

    Args:
        articles: N articles.
        tokenizer: tokenizer of contents and entities.
        max_len: maximum tokens of a content, including special tokens.
        fields: fields to encode besides contents and labels: any of ``entities``, ``domain``, ``emotion``.
        domain: kind of an article's domain, see ``domain_of``.
        domain_names: domains of the model; an article's domain is encoded as its index in this list.
        emotion_size: length of the model's emotion vectors; None: that of the first article.
        max_entity_len: maximum tokens of an article's entities, including special tokens.
        mask_entities: whether to replace each token of an entity in the content by a mask token.
        chunk_size: maximum articles per call of the tokenizer.
        first_row: number of the first article, for messages.
        normalizer: applied to contents and entities before they are tokenized.

    Raises:
        ConfigError: ``fields`` has an unknown name, or ``max_len`` leaves no space for content.
        MissingFieldError: an article lacks a requested field other than the domain.
        DataError: the length of an emotion vector differs from ``emotion_size`` or from the first one.
    """
    if unknown := fields - ENCODED_FIELDS:
        raise ConfigError(f"Unknown fields {sorted(unknown)}: the optional ones are {sorted(ENCODED_FIELDS)}.")
    tokens, words, labels, truncated = GrowingRows(), GrowingInts(), array("f"), bytearray()
    entity_tokens, entity_of_token, entity_of_entity_token = GrowingRows(), GrowingInts(), GrowingInts()
    domains, emotion = array("q"), _GrowingVectors(emotion_size)
    domain_ids = {name: number for number, name in enumerate(domain_names)}
    collected, encoder = ContentGroups(), StreamEncoder(tokenizer)
    for chunk in _chunks(articles, chunk_size):
        chunk_row = first_row + len(labels)
        texts = encoder.encode_batch(normalizer.all(article.content for article in chunk), max_len)
        ids = texts.ids
        words.extend(texts.words)
        for article in chunk:
            collected.add(article)
        truncated += texts.truncated.tobytes()
        labels.extend(float("nan") if article.target is None else article.target for article in chunk)
        if mask_entities or "entities" in fields:
            required = (
                _require(article.entity_list, "entity_list", row) for row, article in enumerate(chunk, chunk_row)
            )
            lists = [_normalize_entities(entities, normalizer) for entities in required]
            entities = encode_entities(
                lists, texts, tokenizer, max_len, max_entity_len, encoder, match_unknown=mask_entities
            )
            if mask_entities:
                ids = np.where(entities.of_token == NO_ENTITY, ids, np.int32(tokenizer.mask_id))
            if "entities" in fields:
                entity_tokens.extend(entities.ids, entities.lengths)
                entity_of_token.extend(entities.of_token)
                entity_of_entity_token.extend(entities.numbers)
        tokens.extend(ids, texts.lengths)
        if "domain" in fields:
            domains.extend(domain_ids.get(domain_of(article, domain) or "", UNKNOWN_DOMAIN) for article in chunk)
        if "emotion" in fields:
            for row, article in enumerate(chunk, chunk_row):
                emotion.append(_require(article.emotion, "emotion", row), row)
    contents = collected.groups()
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
        contents=contents,
        is_rewrite=None if contents is None else collected.rewrites(),
    )


def _normalize_entities(entities: tuple[str, ...], normalizer: Normalizer) -> tuple[str, ...]:
    """Return normalized entities; one of which nothing is left is dropped."""
    return tuple(filter(None, normalizer.all(entities))) if normalizer.steps else entities


class _GrowingVectors:
    """A builder of vectors of one length, which is given or that of the first vector."""

    def __init__(self, size: int | None) -> None:
        self.values = array("f")
        self.expected = size
        self.size = size
        self.rows = 0

    def append(self, vector: tuple[float, ...], row: int) -> None:
        if self.size is None:
            self.size = len(vector)
        if len(vector) != self.size:
            origin = "as in the articles before it" if self.expected is None else "as this detector requires"
            raise DataError(f"row {row}: found {len(vector)} values in 'emotion'; expected {self.size}, {origin}")
        if max(map(abs, vector)) > _MAX_FLOAT32:
            raise DataError(
                f"row {row}: found {max(vector, key=abs)} in 'emotion'; expected at most {_MAX_FLOAT32:.1e}"
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


def _require(value: tuple[_T, ...] | None, field: str, row: int) -> tuple[_T, ...]:
    if value is None:
        raise MissingFieldError(field, row, _FORMS[field])
    return value
