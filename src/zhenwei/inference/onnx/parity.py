"""Compare the logits of a graph and its network, for many shapes, on random tokens and on real articles."""

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

LIMIT = 1e-4  # largest accepted difference of float32 logits
BATCHES = (1, 3, 17)
LENGTHS = (1, 2, 30)  # and the detector's max_len
REAL_ARTICLES = 51
_SEED = 2021


@dataclass(frozen=True)
class Parity:
    """The difference between the logits of a graph and its network.

    Attributes:
        largest: The largest absolute difference.
        articles: Number of articles.
        batches: Number of batches, of different shapes.
        posts: File of the real articles; None if those of a synthetic dataset were used instead.
    """

    largest: float
    articles: int
    batches: int
    posts: str | None


def measure_parity(bundle: Bundle, network: DetectorNetwork, graph: DetectorNetwork) -> Parity:
    """Compare a network and its graph on the same batches.

    Args:
        bundle: The detector.
        network: Its network, on the CPU and in evaluation mode.
        graph: The graph of the network.
    """
    real, file = _real_articles(bundle)
    largest, articles, batches = 0.0, 0, 0
    with torch.inference_mode():
        for batch in (*random_batches(bundle), *_real_batches(bundle, real)):
            difference = (graph(batch).logits - network(batch).logits).abs().max()
            # max() would ignore NaN.
            largest = max(largest, float(difference) if torch.isfinite(difference) else float("inf"))
            articles, batches = articles + len(batch), batches + 1
    return Parity(largest, articles, batches, file)


def random_batches(bundle: Bundle) -> Iterator[Batch]:
    """Yield batches of random tokens: each number of articles with each length, without and with padding."""
    rng = np.random.default_rng(_SEED)
    size, longest = bundle.tokenizer.vocab_size, bundle.config.data.max_len
    for count in BATCHES:
        for length in dict.fromkeys(min(length, longest) for length in (*LENGTHS, longest)):
            tokens = rng.integers(0, size, (count, length))
            yield _batch(bundle, tokens, np.full(count, length), rng)
            lengths = rng.integers(0, length + 1, count)  # a text may have no tokens
            lengths[0] = length
            yield _batch(bundle, tokens, lengths, rng)


def example_batch(bundle: Bundle) -> Batch:
    """Return a batch to trace the network with, of more than 1 and less than the maximum of articles and tokens.

    The exporter treats those sizes as constants.
    """
    length = max(2, min(12, bundle.config.data.max_len - 1))
    tokens = np.full((2, length), bundle.tokenizer.unk_id)
    return _batch(bundle, tokens, np.array([length, length - 1]), np.random.default_rng(_SEED))


def _batch(bundle: Bundle, tokens: NDArray[np.int64], lengths: NDArray[np.int64], rng: np.random.Generator) -> Batch:
    """Build a batch of token ids [B, T] with random optional fields; `lengths` [B] are those without padding."""
    mask = np.arange(tokens.shape[1]) < lengths[:, None]
    padded = torch.from_numpy(np.where(mask, tokens, bundle.tokenizer.pad_id))
    rows, weights = np.arange(len(tokens)), torch.ones(len(tokens))
    return _with_fields(bundle, Batch(padded, torch.from_numpy(mask), torch.from_numpy(lengths), rows, weights), rng)


def _with_fields(bundle: Bundle, batch: Batch, rng: np.random.Generator) -> Batch:
    """Add random values of the optional fields that the network needs."""
    needs, fields, count = bundle.network.needs, bundle.field_metadata, len(batch)
    domains = torch.from_numpy(rng.integers(-1, max(len(fields.domain_names), 1), count))  # -1: unknown
    emotion = torch.from_numpy(rng.random((count, fields.emotion_size), np.float32))
    return replace(
        batch,
        labels=None,
        domains=domains if "domain" in needs else None,
        emotion=emotion if "emotion" in needs else None,
    )


def _real_batches(bundle: Bundle, articles: list[Article]) -> Iterator[Batch]:
    """Yield the articles in batches of each size."""
    rng = np.random.default_rng(_SEED)
    encoded = encode_articles(articles, bundle.tokenizer, bundle.config.data.max_len, normalizer=bundle.normalizer)
    for count in BATCHES:
        for start in range(0, len(articles), count):
            rows = np.arange(start, min(start + count, len(articles)))
            yield _with_fields(bundle, collate(encoded, rows, pad_id=bundle.tokenizer.pad_id), rng)


def _real_articles(bundle: Bundle) -> tuple[list[Article], str | None]:
    """Return articles of val and their file, or synthetic articles if it is not available."""
    path = val_file(bundle)
    if path is not None:
        return list(islice(iter_articles(path), REAL_ARTICLES)), str(path)
    return SyntheticDataset(n_train=REAL_ARTICLES, n_val=0, n_test=0).generate()["train"], None


def val_file(bundle: Bundle) -> Path | None:
    """Return the file of the validation articles, if it exists and has not changed since the training."""
    recorded = (bundle.facts.get("files") or {}).get("val") or {}
    path = Path(recorded.get("path") or "")
    return path if path.is_file() and file_sha256(path) == recorded.get("sha256") else None
