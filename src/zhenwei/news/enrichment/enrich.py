"""Add named entities and emotion features to articles."""

import dataclasses
import itertools
import logging
import os
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from zhenwei.errors import ConfigError
from zhenwei.news.article import Article
from zhenwei.news.enrichment.emotion import EmotionExtractor
from zhenwei.news.enrichment.entities import Tagger
from zhenwei.news.io.files import check_free_for_file, iter_articles, write_articles
from zhenwei.parallel import map_in_processes, usable_cores

_logger = logging.getLogger(__name__)

POSTS_PER_CHUNK = 256
FEW = 3000  # fewer articles are processed faster without further processes


class Request(NamedTuple):
    """Fields to compute for one article."""

    content: str
    entities: bool
    emotion: bool


class Found(NamedTuple):
    """Computed fields of one article; None for fields that were not requested."""

    entities: tuple[str, ...] | None
    emotion: tuple[float, ...] | None


@dataclass(frozen=True)
class Enricher:
    """Compute the fields of articles; can be pickled for multiprocessing.

    Attributes:
        entities: The tagger, or None.
        emotion: The emotion extractor, or None.
    """

    entities: Tagger | None
    emotion: EmotionExtractor | None

    def __call__(self, requests: Sequence[Request]) -> list[Found]:
        """Compute the requested fields, in the order of the requests."""
        return [
            Found(
                self.entities(request.content) if request.entities and self.entities else None,
                self.emotion(request.content) if request.emotion and self.emotion else None,
            )
            for request in requests
        ]


@dataclass
class EnrichmentSummary:
    """Statistics of an enriched file.

    Attributes:
        articles: Number of articles.
        entities_added: Articles that got their entities.
        entities_kept: Articles that had entities already, and kept them.
        without_entities: Articles with an empty list of entities.
        emotion_added: Articles that got their emotion.
        emotion_kept: Articles that had emotion already, and kept it.
        emotion_of_other_length: Of these, those with a vector of another length than the extractor's.
        processes: Number of processes.
    """

    articles: int = 0
    entities_added: int = 0
    entities_kept: int = 0
    without_entities: int = 0
    emotion_added: int = 0
    emotion_kept: int = 0
    emotion_of_other_length: int = 0
    processes: int = 1

    def to_dict(self) -> dict[str, int]:
        """Return the statistics by name."""
        return asdict(self)


def enrich_file(
    source: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    *,
    entities: Tagger | None = None,
    emotion: EmotionExtractor | None = None,
    processes: int | None = None,
    replace: bool = False,
    overwrite: bool = False,
    progress: bool = True,
) -> EnrichmentSummary:
    """Copy a file of articles with entities, emotion, or both; the copy is written atomically.

    The articles are streamed, so memory does not grow with them (but for Parquet, whose writer keeps the rows). The
    copy is the same, byte for byte, for any number of processes.

    Args:
        source: A `.json`, `.jsonl`, `.csv` or `.parquet` file.
        destination: Where to write, in the format that its suffix names; may be the source itself.
        entities: What gives an article's entities, such as `build_tagger("jieba")`.
        emotion: What gives an article's emotion, such as `EmotionExtractor()`.
        processes: How many work; by default as many as there are cores. Few articles are done in this one alone.
        replace: Whether articles that have the field already get a new value; else they keep it.
        overwrite: Whether a destination that is there may be replaced.
        progress: Whether to show a progress bar, where standard error is a terminal.

    Raises:
        ConfigError: Nothing is asked for, or `processes` is less than 1.
        DataError: The source cannot be read or has bad rows, or the destination is there or cannot be written.
        ZhenweiError: A worker process died.
    """
    if entities is None and emotion is None:
        raise ConfigError("nothing to add; expected entities, emotion, or both")
    if processes is not None and processes < 1:
        raise ConfigError(f"processes: found {processes}; expected 1 or more")
    target = Path(destination)
    check_free_for_file(target, overwrite=overwrite)
    articles = iter_articles(source)
    summary = EnrichmentSummary()
    enriched = _enriched(articles, Enricher(entities, emotion), processes or usable_cores(), replace, summary)
    disable = None if progress else True  # None: unless standard error is a terminal
    with closing(enriched), tqdm(enriched, unit=" posts", disable=disable, dynamic_ncols=True) as bar:
        write_articles(target, bar)
    if emotion is not None and summary.emotion_of_other_length:
        _logger.warning(
            "%s: %d articles kept an emotion that has not %d values; --replace recomputes it",
            *(target, summary.emotion_of_other_length, len(emotion)),
        )
    if entities is not None and summary.without_entities == summary.articles:
        _logger.warning("%s: no article has an entity; is the tagger made for this language?", target)
    return summary


def _enriched(
    articles: Iterator[Article], enricher: Enricher, processes: int, replace: bool, summary: EnrichmentSummary
) -> Generator[Article]:
    """Yield the enriched articles, and count them in the summary."""
    first = list(itertools.islice(articles, FEW))
    summary.processes = processes if len(first) == FEW else 1
    chunks = (
        (chunk, [_request(article, enricher, replace) for article in chunk])
        for chunk in _chunks(itertools.chain(first, articles))
    )
    with closing(map_in_processes(enricher, chunks, summary.processes)) as results:
        for chunk, found in results:
            for article, values in zip(chunk, found, strict=True):
                yield _filled(article, values, enricher, summary)


def _chunks(articles: Iterable[Article]) -> Iterator[list[Article]]:
    rest = iter(articles)
    while chunk := list(itertools.islice(rest, POSTS_PER_CHUNK)):
        yield chunk


def _request(article: Article, enricher: Enricher, replace: bool) -> Request:
    return Request(
        article.content,
        entities=enricher.entities is not None and (replace or article.entity_list is None),
        emotion=enricher.emotion is not None and (replace or article.emotion is None),
    )


def _filled(article: Article, found: Found, enricher: Enricher, summary: EnrichmentSummary) -> Article:
    summary.articles += 1
    if enricher.entities is not None:
        summary.entities_added += found.entities is not None
        summary.entities_kept += found.entities is None
        summary.without_entities += not (article.entity_list if found.entities is None else found.entities)
    if enricher.emotion is not None:
        summary.emotion_added += found.emotion is not None
        summary.emotion_kept += found.emotion is None
        summary.emotion_of_other_length += found.emotion is None and len(article.emotion or ()) != len(enricher.emotion)
    new: dict[str, Any] = {"entity_list": found.entities, "emotion": found.emotion}
    return dataclasses.replace(article, **{name: value for name, value in new.items() if value is not None})
