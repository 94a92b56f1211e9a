"""Does a graph judge as its network does? Asked over many shapes, on random tokens and on those of real posts."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from zhenwei.bundle import Bundle
from zhenwei.hashing import file_sha256
from zhenwei.models import DetectorNetwork
from zhenwei.news import Article, iter_articles
from zhenwei.news.sources.synthetic import SyntheticDataset
from zhenwei.tokens import Batch, collate, encode_articles

LIMIT = 1e-4  # between logits of float32
BATCHES = (1, 3, 17)
LENGTHS = (1, 2, 30)  # and the longest that the detector reads
REAL_POSTS = 51
_SEED = 2021


@dataclass(frozen=True)
class Parity:
    """How far a graph's logits are from its network's.

    Attributes:
        largest: The largest distance.
        articles: How many were judged by both.
        batches: In how many batches, each of another shape.
        posts: The file of the real posts among them; None: posts of the synthetic world stood in for them.
    """

    largest: float
    articles: int
    batches: int
    posts: str | None


def measure_parity(bundle: Bundle, network: DetectorNetwork, graph: DetectorNetwork) -> Parity:
    """Have both judge the same batches.

    Args:
        bundle: The detector, which says what the batches look like.
        network: Its network, on the CPU and in evaluation.
        graph: What was made of it.
    """
    posts, origin = _posts(bundle)
    largest, articles, batches = 0.0, 0, 0
    with torch.inference_mode():
        for batch in (*random_batches(bundle), *_real_batches(bundle, posts)):
            distance = (graph(batch).logits - network(batch).logits).abs().max()
            # A logit that is no number is as far off as can be; max() would pass it over.
            largest = max(largest, float(distance) if torch.isfinite(distance) else float("inf"))
            articles, batches = articles + len(batch), batches + 1
    return Parity(largest, articles, batches, origin)


def random_batches(bundle: Bundle) -> Iterator[Batch]:
    """Yield batches of random tokens: each number of articles at each length, without padding and with."""
    chance = np.random.default_rng(_SEED)
    size, longest = bundle.tokenizer.vocab_size, bundle.config.data.max_len
    for count in BATCHES:
        for length in dict.fromkeys(min(length, longest) for length in (*LENGTHS, longest)):
            tokens = chance.integers(0, size, (count, length))
            yield _batch(bundle, tokens, np.full(count, length), chance)
            lengths = chance.integers(0, length + 1, count)  # a text may even have no token at all
            lengths[0] = length
            yield _batch(bundle, tokens, lengths, chance)


def example_batch(bundle: Bundle) -> Batch:
    """Return a batch to follow through the network: neither 1 article or token, nor as many as there can be.

    The exporter takes such sizes for those of all batches.
    """
    length = max(2, min(12, bundle.config.data.max_len - 1))
    tokens = np.full((2, length), bundle.tokenizer.unk_id)
    return _batch(bundle, tokens, np.array([length, length - 1]), np.random.default_rng(_SEED))


def _batch(bundle: Bundle, tokens: NDArray[np.int64], lengths: NDArray[np.int64], chance: np.random.Generator) -> Batch:
    """Make a batch of token ids [B, T] of which so many of each row count, with random optional fields."""
    mask = np.arange(tokens.shape[1]) < lengths[:, None]
    padded = torch.from_numpy(np.where(mask, tokens, bundle.tokenizer.pad_id))
    rows, weights = np.arange(len(tokens)), torch.ones(len(tokens))
    return _with_fields(bundle, Batch(padded, torch.from_numpy(mask), torch.from_numpy(lengths), rows, weights), chance)


def _with_fields(bundle: Bundle, bare: Batch, chance: np.random.Generator) -> Batch:
    """Add random optional fields to a batch, those that the network asks for."""
    needs, fields, count = bundle.network.needs, bundle.field_metadata, len(bare)
    domains = torch.from_numpy(chance.integers(-1, max(len(fields.domain_names), 1), count))  # -1: unknown
    emotion = torch.from_numpy(chance.random((count, fields.emotion_size), np.float32))
    return replace(
        bare,
        labels=None,
        domains=domains if "domain" in needs else None,
        emotion=emotion if "emotion" in needs else None,
    )


def _real_batches(bundle: Bundle, posts: list[Article]) -> Iterator[Batch]:
    """Yield the posts in batches of each size."""
    chance = np.random.default_rng(_SEED)
    encoded = encode_articles(posts, bundle.tokenizer, bundle.config.data.max_len)
    for count in BATCHES:
        for start in range(0, len(posts), count):
            rows = np.arange(start, min(start + count, len(posts)))
            yield _with_fields(bundle, collate(encoded, rows, pad_id=bundle.tokenizer.pad_id), chance)


def _posts(bundle: Bundle) -> tuple[list[Article], str | None]:
    """Return some posts of val, and its file, or where that is no more, some of the synthetic world."""
    path = val_of(bundle)
    if path is not None:
        return list(islice(iter_articles(path), REAL_POSTS)), str(path)
    world = SyntheticDataset(n_train=REAL_POSTS, n_val=0, n_test=0)
    return world.generate()["train"], None


def val_of(bundle: Bundle) -> Path | None:
    """Return the file of the validation articles, where it still is and is as it was when the detector was trained."""
    known = (bundle.facts.get("files") or {}).get("val") or {}
    path = Path(known.get("path") or "")
    return path if path.is_file() and file_sha256(path) == known.get("sha256") else None
