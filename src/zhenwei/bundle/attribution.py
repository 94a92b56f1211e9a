"""Word attributions by occlusion: how the logit of fake changes if a word is removed from the text.

Occlusion needs only predictions and so works for every detector (Zeiler & Fergus, ECCV 2014; Li et al., "Understanding
Neural Networks through Representation Erasure", 2016). A detector that was trained with the mask token gets it in place
of the word; for other detectors the word is deleted, because an untrained mask vector would have an effect of its own.
The other inputs of the detector (entities, emotion, domain) do not change.
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

MAX_VARIANTS = 200  # of one text; in texts with more words, several neighbors are removed together

_CHINESE = "\u3400-\u4dbf\u4e00-\u9fff"
_IS_CHINESE = re.compile(f"[{_CHINESE}]")
_MARKUP = re.compile("|".join(f"(?:{part.pattern})" for part in (LINK, MENTION, FACE, EMOJI)), re.IGNORECASE)
# Numbers, also with separators and %; white space; Chinese; words of other scripts; single characters.
_PIECE = re.compile(
    rf"\d+(?:[.,:/-]\d+)*%?|\s+|[{_CHINESE}]+|[^\W{_CHINESE}\d]+(?:['’-][^\W{_CHINESE}\d]+)*|.", re.DOTALL
)

Attributions = list[tuple[str, float]]
Mask = NDArray[np.bool_]


def cut_words(text: str) -> list[str]:
    """Segment a text into words; their concatenation is the text.

    Chinese is segmented with jieba's dictionary. A run of other letters, a number, a link, a mention, an emoji and a
    run of white space are one word each, and so is every punctuation mark.
    """
    words: list[str] = []
    end = 0
    for match in _MARKUP.finditer(text):
        words += [*_cut_plain(text[end : match.start()]), match.group()]
        end = match.end()
    return [*words, *_cut_plain(text[end:])]


def _cut_plain(text: str) -> Iterator[str]:
    for match in _PIECE.finditer(text):
        piece = match.group()
        yield from _segmenter().cut(piece) if _IS_CHINESE.match(piece) else (piece,)


def word_attributions(bundle: Bundle, articles: Sequence[Article], device: torch.device) -> list[Attributions]:
    """Compute the attribution of every word of some articles.

    Args:
        bundle: The detector; its network is on the device.
        articles: The articles.
        device: The device of the network.

    Returns:
        The words of each article with their attributions: by how much the network's logit of fake falls if the word is
        removed. Positive words are evidence for fake. Words that the detector does not read, for example after the
        maximum length, have attribution 0. The concatenated words are the article's content.

    Raises:
        DataError: If an article lacks a field that the network needs and that cannot be derived from its text.
    """
    return [_attributions(bundle, article, device) for article in articles]


def _attributions(bundle: Bundle, article: Article, device: torch.device) -> Attributions:
    encoded = bundle.featurizer().encode([article])
    words, masks = words_with_tokens(bundle, article.content)
    read = [index for index, mask in enumerate(masks) if mask.any()]
    if not read:
        return [(word, 0.0) for word in words]
    variants = [encoded.tokens.ids] + [_occlude(bundle, encoded.tokens.ids, masks[index]) for index in read]
    logits = bundle.predict_logits(_with_tokens(encoded, variants), device, batch_size=len(variants))
    attributions = dict(zip(read, logits[0] - logits[1:], strict=True))
    return [(word, float(attributions.get(index, 0.0))) for index, word in enumerate(words)]


def words_with_tokens(bundle: Bundle, text: str) -> tuple[list[str], list[Mask]]:
    """Segment a text into words, with a mask [T] over the detector's tokens for each: the tokens that it became.

    The text is segmented as it is read, after normalizing; the words are those of the text as it was given, whose
    concatenation they are. What normalizing deletes between words is words without tokens. In a text with more words
    than `MAX_VARIANTS`, several neighbors are one.
    """
    normalized = bundle.normalizer.with_offsets(text)
    tokens = bundle.tokenizer.tokenize(normalized.text, bundle.config.data.max_len)
    starts, ends = np.array([token.start for token in tokens]), np.array([token.end for token in tokens])
    real = np.array([token.word >= 0 for token in tokens])
    words: list[str] = []
    masks: list[Mask] = []
    nothing = np.zeros(len(tokens), np.bool_)
    read_end = given_end = 0
    for word in cut_words(normalized.text):
        read_start, read_end = read_end, read_end + len(word)
        mask = real & (starts < read_end) & (ends > read_start)
        start, end = normalized.starts[read_start], max(normalized.ends[read_end - 1], given_end)
        if start > given_end:
            deleted = cut_words(text[given_end:start])
            words, masks = words + deleted, masks + [nothing] * len(deleted)
        if end > given_end:
            words.append(text[max(start, given_end) : end])
            masks.append(mask)
        else:  # another part of characters that are a word already, such as an entity of HTML
            masks[-1] = masks[-1] | mask
        given_end = end
    deleted = cut_words(text[given_end:])
    return _merge_words(words + deleted, masks + [nothing] * len(deleted))


def _merge_words(words: list[str], masks: list[Mask]) -> tuple[list[str], list[Mask]]:
    """Merge neighbors so that at most `MAX_VARIANTS` words are read; the unread words at the end are one more."""
    read = np.array([mask.any() for mask in masks], np.bool_)
    size = -(-int(read.sum()) // MAX_VARIANTS)
    if size <= 1:
        return words, masks
    chunk = np.maximum(np.cumsum(read) - 1, 0) // size
    chunk[np.flatnonzero(read)[-1] + 1 :] += 1
    starts = [0, *(np.flatnonzero(np.diff(chunk)) + 1).tolist(), len(words)]
    spans = list(pairwise(starts))
    return ["".join(words[a:b]) for a, b in spans], [np.logical_or.reduce(masks[a:b]) for a, b in spans]


def _occlude(bundle: Bundle, ids: NDArray[np.int32], mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return token ids with some of them replaced by the mask token, or deleted."""
    if _knows_mask(bundle):
        return np.where(mask, np.int32(bundle.tokenizer.mask_id), ids)
    return ids[~mask]


def _knows_mask(bundle: Bundle) -> bool:
    """Return whether the mask token is neutral: the network was trained with it, or reads n-grams."""
    config = bundle.config
    return network_is_fitted(config.model) or config.model.pretrained is not None or config.data.aug_prob > 0


def _with_tokens(article: EncodedArticles, variants: list[NDArray[np.int32]]) -> EncodedArticles:
    """Return V copies of one encoded article, each with its own tokens."""
    lengths = np.array([len(ids) for ids in variants])
    repeats = np.zeros(len(variants), np.int64)  # the index of the only row
    entities = article.entity_tokens
    return EncodedArticles(
        tokens=RaggedInts(np.concatenate(variants), np.concatenate([[0], np.cumsum(lengths)])),
        words=np.zeros(int(lengths.sum()), np.int32),
        labels=np.full(len(variants), np.nan, np.float32),
        truncated=article.truncated[repeats],
        entity_tokens=None if entities is None else _repeat(entities, len(variants)),
        domains=None if article.domains is None else article.domains[repeats],
        emotion=None if article.emotion is None else article.emotion[repeats],
    )


def _repeat(row: RaggedInts, times: int) -> RaggedInts:
    return RaggedInts(np.tile(row.ids, times), np.arange(times + 1) * len(row.ids))


@cache
def _segmenter() -> JiebaSegmenter:
    return JiebaSegmenter()
