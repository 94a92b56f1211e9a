"""How a detector reads articles: text to tokens, and the optional fields that its network needs."""

import logging
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from zhenwei.config import DomainKind
from zhenwei.errors import DataError, MissingFieldError
from zhenwei.news import Article, iter_articles
from zhenwei.news.enrichment.emotion import EmotionExtractor
from zhenwei.news.enrichment.entities import Tagger, build_tagger
from zhenwei.tokens import EncodedArticles, TextTokenizer, encode_articles
from zhenwei.tokens.entities import MAX_ENTITY_LEN

logger = logging.getLogger(__name__)

_OPTIONS = {"entity_list": "--entities", "emotion": "--emotion"}


@dataclass(frozen=True)
class LearnedFields:
    """What a detector must remember of its training articles' optional fields.

    Attributes:
        domain_names: The domains, in the order of their numbers; empty where the network does not ask for them.
        emotion_size: Length of an emotion vector; 0 where the network does not ask for it.
        emotion: What makes the emotion vector of a new text; None where nothing here makes such vectors.
        emotion_problem: Why nothing does.
    """

    domain_names: tuple[str, ...] = ()
    emotion_size: int = 0
    emotion: EmotionExtractor | None = None
    emotion_problem: str = "the vectors of its training articles were not made by zhenwei"


@dataclass(frozen=True)
class Featurizer:
    """Turns articles into what a network reads.

    Attributes:
        tokenizer: Text to tokens.
        max_len: Longest text in tokens.
        needs: Optional fields that the network needs.
        learned: What is known of these fields from the training articles.
        domain_kind: What an article's domain is.
        mask_entities: Whether names are hidden from the network; where an article does not bring them, they are found.
        complete: Whether to make missing entities and emotion vectors from the text, as when judging new ones; else an
            article that lacks them is refused.
    """

    tokenizer: TextTokenizer
    max_len: int
    needs: frozenset[str] = frozenset()
    learned: LearnedFields = field(default_factory=LearnedFields)
    domain_kind: DomainKind = "field"
    mask_entities: bool = False
    complete: bool = False

    def encode(self, articles: Iterable[Article], first_row: int = 1) -> EncodedArticles:
        """Encode articles.

        Args:
            articles: Any number of them.
            first_row: The number of the first one, for messages.

        Raises:
            DataError: If one lacks a field that the network needs and that cannot be made from its text, or its emotion
                vector is of another length than those of the training articles.
        """
        try:
            return encode_articles(
                self._completed(articles) if self.complete or self.mask_entities else articles,
                self.tokenizer,
                self.max_len,
                fields=self.needs,
                domain=self.domain_kind,
                domain_names=self.learned.domain_names,
                emotion_size=self.learned.emotion_size or None,
                max_entity_len=min(MAX_ENTITY_LEN, self.max_len),  # an encoder has no more positions
                mask_entities=self.mask_entities,
                first_row=first_row,
            )
        except MissingFieldError as error:
            if not self.complete:
                raise
            raise DataError(
                f"{error}; each article must bring its own, of {self.learned.emotion_size} numbers: "
                f"{self.learned.emotion_problem}"
            ) from None

    def encode_file(self, path: Path) -> EncodedArticles:
        """Read a file of labelled articles into arrays, and say how many were cut.

        Raises:
            DataError: As `encode`, and if the file is missing or has bad rows.
        """
        try:
            encoded = self.encode(iter_articles(path, require_label=True))
        except MissingFieldError as error:
            file = shlex.quote(str(path))
            command = f"zhenwei data enrich {file} -o {file} {_OPTIONS[error.field]} --overwrite"
            raise DataError(f"{path}: {error}; add it to all articles with: {command}") from None
        except DataError as error:
            place = "" if str(error).startswith(str(path)) else f"{path}: "
            raise DataError(f"{place}{error}") from None
        cut = int(encoded.truncated.sum())
        logger.info(
            "%s: %d articles (%d fake), %.0f tokens on average, %d (%.1f%%) cut at %d tokens",
            path, len(encoded), int(encoded.labels.sum()), float(encoded.lengths.mean()),
            cut, 100 * cut / len(encoded), self.max_len,
        )  # fmt: skip
        return encoded

    def _completed(self, articles: Iterable[Article]) -> Iterator[Article]:
        """Make what the articles lack and their text gives: only entities, unless all is to be made."""
        for article in articles:
            made: dict[str, Any] = {}
            if (self.mask_entities or "entities" in self.needs) and article.entity_list is None:
                made["entity_list"] = _tagger()(article.content)
            emotion = self.learned.emotion if self.complete else None
            if "emotion" in self.needs and article.emotion is None and emotion is not None:
                made["emotion"] = emotion(article.content)
            yield replace(article, **made) if made else article


@cache
def _tagger() -> Tagger:
    """Return the tagger of new texts; it takes a second to load."""
    return build_tagger("jieba")
