"""The words that swayed a detector, by occlusion: how its verdict changes when a word is taken out of the text.

It works for every detector, for it asks nothing of its network but to judge (Zeiler & Fergus, ECCV 2014; Li et al.,
"Understanding Neural Networks through Representation Erasure", 2016). A detector that knows the mask token reads it in
the word's place; of others the word is taken away, for a vector that was never trained would say something of its own.
What a detector reads besides the text (entities, emotion, domain) stays as it is.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from zhenwei.bundle import Bundle
from zhenwei.models import network_is_fitted
from zhenwei.news import Article
from zhenwei.news.enrichment.jieba_segmenter import JiebaSegmenter
from zhenwei.news.markup import EMOJI, FACE, LINK, MENTION
from zhenwei.tokens import EncodedArticles
from zhenwei.tokens.ragged import RaggedInts

MOST_VARIANTS = 200  # of one text; of longer ones, words are taken out together with their neighbours

_CHINESE = "\u3400-\u4dbf\u4e00-\u9fff"
_IS_CHINESE = re.compile(f"[{_CHINESE}]")
_MARKUP = re.compile("|".join(f"(?:{part.pattern})" for part in (LINK, MENTION, FACE, EMOJI)), re.IGNORECASE)
# Numbers with a point or the like in them, white space, Chinese, other words; else single characters.
_PIECE = re.compile(
    rf"\d+(?:[.,:/-]\d+)*%?|\s+|[{_CHINESE}]+|[^\W{_CHINESE}\d]+(?:['’-][^\W{_CHINESE}\d]+)*|.", re.DOTALL
)

Attributions = list[tuple[str, float]]


def cut_words(text: str) -> list[str]:
    """Cut a text into words; joined, they give it back.

    Chinese is cut by jieba's dictionary; a run of other letters, a number, a link, a mention, an emoji and a stretch of
    white space are one word each, as is every mark.
    """
    words: list[str] = []
    end = 0
    for found in _MARKUP.finditer(text):
        words += [*_cut_plain(text[end : found.start()]), found.group()]
        end = found.end()
    return [*words, *_cut_plain(text[end:])]


def _cut_plain(text: str) -> Iterator[str]:
    for found in _PIECE.finditer(text):
        piece = found.group()
        yield from _cutter().cut(piece) if _IS_CHINESE.match(piece) else (piece,)


def word_attributions(bundle: Bundle, articles: Sequence[Article], device: torch.device) -> list[Attributions]:
    """Find how each word of some articles swayed a detector.

    Args:
        bundle: The detector; its network is on the device.
        articles: The articles.
        device: Where the network is.

    Returns:
        For each article its words, which joined give the content back, each with its attribution: by how much the
        network's logit of fake falls when the word is taken out; positive: it spoke for fake. A word that the
        detector did not read, as beyond the cut, has 0.

    Raises:
        DataError: If an article lacks a field that the network needs and that cannot be made from its text.
    """
    return [_sways_of(bundle, article, device) for article in articles]


def _sways_of(bundle: Bundle, article: Article, device: torch.device) -> Attributions:
    encoded = bundle.featurizer().encode([article])
    words = cut_words(article.content)
    places = word_places(bundle, article.content, words)
    read = [word for word, tokens in enumerate(places) if tokens.any()]
    if len(read) > MOST_VARIANTS:
        words, places = _joined(words, places, -(-len(read) // MOST_VARIANTS))
        read = [word for word, tokens in enumerate(places) if tokens.any()]
    if not read:
        return [(word, 0.0) for word in words]
    variants = [encoded.tokens.ids] + [_without(bundle, encoded.tokens.ids, places[word]) for word in read]
    logits = bundle.predict_logits(_encoded(encoded, variants), device, batch_size=len(variants))
    attributions = dict(zip(read, logits[0] - logits[1:], strict=True))
    return [(word, float(attributions.get(number, 0.0))) for number, word in enumerate(words)]


def word_places(bundle: Bundle, text: str, words: Sequence[str]) -> list[NDArray[np.bool_]]:
    """Return for each word which tokens of the text [T] stand for it, or for a part of it."""
    tokens = bundle.tokenizer.tokenize(text, bundle.config.data.max_len)
    starts, ends = np.array([token.start for token in tokens]), np.array([token.end for token in tokens])
    real = np.array([token.word >= 0 for token in tokens])
    places, end = [], 0
    for word in words:
        start, end = end, end + len(word)
        places.append(real & (starts < end) & (ends > start))
    return places


def _joined(words: list[str], places: list[NDArray[np.bool_]], size: int) -> tuple[list[str], list[NDArray[np.bool_]]]:
    """Join each `size` words that are read, and those between them, to one; what is after the last is one more."""
    read = np.array([tokens.any() for tokens in places])
    chunk = np.maximum(np.cumsum(read) - 1, 0) // size
    chunk[np.flatnonzero(read)[-1] + 1 :] += 1
    starts = [0, *(np.flatnonzero(np.diff(chunk)) + 1).tolist(), len(words)]
    spans = list(pairwise(starts))
    return ["".join(words[a:b]) for a, b in spans], [np.logical_or.reduce(places[a:b]) for a, b in spans]


def _without(bundle: Bundle, ids: NDArray[np.int32], tokens: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return token ids without some of them, or with the mask token in their place."""
    if _knows_mask(bundle):
        return np.where(tokens, np.int32(bundle.tokenizer.mask_id), ids)
    return ids[~tokens]


def _knows_mask(bundle: Bundle) -> bool:
    """Whether the mask token says nothing to a detector, instead of anything: it was trained with it, or on n-grams."""
    config = bundle.config
    return network_is_fitted(config.model) or config.model.pretrained is not None or config.data.aug_prob > 0


def _encoded(article: EncodedArticles, variants: list[NDArray[np.int32]]) -> EncodedArticles:
    """Return V variants of the tokens of one article, with all else as it is."""
    lengths = np.array([len(ids) for ids in variants])
    repeats = np.zeros(len(variants), np.int64)  # the one row, again and again
    entities = article.entity_tokens
    return EncodedArticles(
        tokens=RaggedInts(np.concatenate(variants), np.concatenate([[0], np.cumsum(lengths)])),
        words=np.zeros(int(lengths.sum()), np.int32),
        labels=np.full(len(variants), np.nan, np.float32),
        truncated=article.truncated[repeats],
        entity_tokens=None if entities is None else _repeated(entities, len(variants)),
        domains=None if article.domains is None else article.domains[repeats],
        emotion=None if article.emotion is None else article.emotion[repeats],
    )


def _repeated(row: RaggedInts, times: int) -> RaggedInts:
    return RaggedInts(np.tile(row.ids, times), np.arange(times + 1) * len(row.ids))


@cache
def _cutter() -> JiebaSegmenter:
    return JiebaSegmenter()
