"""The featurizer of a detector: articles to tokens and the optional fields that its network needs."""

import logging
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from zhenwei.config import DomainKind
from zhenwei.errors import DataError, MissingFieldError
from zhenwei.news import Article, iter_articles
from zhenwei.news.enrichment.emotion import EmotionExtractor
from zhenwei.news.enrichment.entities import Tagger, build_tagger
from zhenwei.news.normalize.normalizer import NO_STEPS, Normalizer
from zhenwei.tokens import EncodedArticles, TextTokenizer, encode_articles
from zhenwei.tokens.entities import MAX_ENTITY_LEN

logger = logging.getLogger(__name__)

FIRST_ROWS = 10  # that a message names
_OPTIONS = {"entity_list": "--entities", "emotion": "--emotion"}


@dataclass(frozen=True)
class FieldMetadata:
    """What a detector stores about the optional fields of its training articles.

    Attributes:
        domain_names: The domains, in the order of their ids; empty if the network does not use them.
        emotion_size: Length of an emotion vector; 0 if the network does not use it.
        emotion: Extractor of the emotion vectors of new texts; None if they cannot be computed.
        emotion_problem: Why they cannot be computed.
    """

    domain_names: tuple[str, ...] = ()
    emotion_size: int = 0
    emotion: EmotionExtractor | None = None
    emotion_problem: str = "the vectors of its training articles were not computed by zhenwei"


@dataclass(frozen=True)
class Featurizer:
    """Turns articles into the input of a network.

    Attributes:
        tokenizer: Turns text into tokens.
        max_len: Longest text in tokens.
        needs: Optional fields that the network needs.
        field_metadata: Domains and emotion vectors of the training articles.
        domain_kind: Whether an article's domain is its field `domain` or its year.
        mask_entities: Whether entities are masked; they are extracted from articles without an entity list.
        normalizer: Applied to contents and entities before they are tokenized.
        complete: Whether to extract missing entities and emotion vectors from the text, as for new articles; otherwise
            articles without them are refused.
    """

    tokenizer: TextTokenizer
    max_len: int
    needs: frozenset[str] = frozenset()
    field_metadata: FieldMetadata = field(default_factory=FieldMetadata)
    domain_kind: DomainKind = "field"
    mask_entities: bool = False
    normalizer: Normalizer = NO_STEPS
    complete: bool = False

    def encode(self, articles: Iterable[Article], first_row: int = 1) -> EncodedArticles:
        """Encode articles.

        Args:
            articles: The articles.
            first_row: Row number of the first article, for messages.

        Raises:
            DataError: If an article lacks a field that the network needs and that cannot be extracted from its text, or
                its emotion vector has another length than those of the training articles.
        """
        try:
            return encode_articles(
                self._completed(articles) if self.complete or self.mask_entities else articles,
                self.tokenizer,
                self.max_len,
                fields=self.needs,
                domain=self.domain_kind,
                domain_names=self.field_metadata.domain_names,
                emotion_size=self.field_metadata.emotion_size or None,
                max_entity_len=min(MAX_ENTITY_LEN, self.max_len),  # the positions of an encoder are limited
                mask_entities=self.mask_entities,
                first_row=first_row,
                normalizer=self.normalizer,
            )
        except MissingFieldError as error:
            if not self.complete:
                raise
            raise DataError(
                f"{error}; each article must have its own, of {self.field_metadata.emotion_size} numbers: "
                f"{self.field_metadata.emotion_problem}"
            ) from None

    def encode_file(self, path: Path, articles: Iterable[Article] | None = None) -> EncodedArticles:
        """Encode a file of labelled articles, and log how many were truncated.

        Args:
            path: The file.
            articles: The articles of the file, if they have been read already.

        Raises:
            DataError: As `encode`, and if the file is missing or has invalid rows.
        """
        try:
            encoded = self.encode(iter_articles(path, require_label=True) if articles is None else articles)
        except MissingFieldError as error:
            file = shlex.quote(str(path))
            command = f"zhenwei data enrich {file} -o {file} {_OPTIONS[error.field]} --overwrite"
            raise DataError(f"{path}: {error}; add it to all articles with: {command}") from None
        except DataError as error:
            prefix = "" if str(error).startswith(str(path)) else f"{path}: "
            raise DataError(f"{prefix}{error}") from None
        n_cut = int(encoded.truncated.sum())
        logger.info(
            "%s: %d articles (%d fake), %.0f tokens on average, %d (%.1f%%) cut at %d tokens",
            path, len(encoded), int(encoded.labels.sum()), float(encoded.lengths.mean()),
            n_cut, 100 * n_cut / len(encoded), self.max_len,
        )  # fmt: skip
        self._report_empty(path, encoded)
        return encoded

    def _report_empty(self, path: Path, encoded: EncodedArticles) -> None:
        """Log which articles have no text left after normalizing."""
        rows = np.flatnonzero(encoded.content_lengths == 0) + 1
        if len(rows):
            first = ", ".join(map(str, rows[:FIRST_ROWS])) + (", ..." if len(rows) > FIRST_ROWS else "")
            logger.warning("%s: %d articles have no text left after data.normalize: rows %s", path, len(rows), first)

    def _completed(self, articles: Iterable[Article]) -> Iterator[Article]:
        """Extract missing fields from the text: entities, and with `complete` emotion vectors, too."""
        for article in articles:
            fields: dict[str, Any] = {}
            if (self.mask_entities or "entities" in self.needs) and article.entity_list is None:
                fields["entity_list"] = _tagger()(self.normalizer(article.content))
            emotion = self.field_metadata.emotion if self.complete else None
            if "emotion" in self.needs and article.emotion is None and emotion is not None:
                fields["emotion"] = emotion(article.content)
            yield replace(article, **fields) if fields else article


@cache
def _tagger() -> Tagger:
    """Return the tagger for new texts; it takes a second to load."""
    return build_tagger("jieba")
