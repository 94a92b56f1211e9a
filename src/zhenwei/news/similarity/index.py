"""An index of known articles, which finds the most similar ones to a text and can be shipped with a detector."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray

from zhenwei.news.article import Article
from zhenwei.news.fields import Label
from zhenwei.news.similarity.near_duplicates import GRAM, NEAR_DUPLICATE, normalize
from zhenwei.news.similarity.shingles import hashed_ngrams

NGRAMS = (2, 3)  # characters
CANDIDATES = 20  # most similar articles that are checked for a near-duplicate
_LABELS: tuple[Label | None, ...] = ("real", "fake", None)  # a label's position is its number in the index

Rows = NDArray[np.int64]
Tensors = dict[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Similar:
    """A known article that is similar to a text.

    Attributes:
        label: Its label; None if unknown.
        similarity: Cosine of the two texts' TF-IDF of character 2- and 3-grams, from 0 to 1.
        text: Its text; None if the index has no texts.
        id: Its id; None if it has none.
    """

    label: Label | None
    similarity: float
    text: str | None = None
    id: str | None = None


@dataclass(frozen=True)
class SimilarArticles:
    """An index of N articles: the n-grams of each, their rarity, and the articles' labels.

    It holds only hashes of a text's n-grams, unless it was built with texts.

    Attributes:
        ngrams: [U] uint32, sorted: hashes of the n-grams.
        idf: [U] float32: inverse document frequencies.
        starts: [U + 1] int64: start of each n-gram's articles in `rows` and `weights`.
        rows: [P] int32: the articles of each n-gram.
        weights: [P] float16: the n-gram's component of the article's TF-IDF vector of length 1.
        shingles: [S] uint32: hashes of the 5-grams of each article, sorted, for near-duplicates.
        shingle_starts: [N + 1] int64: start of each article's 5-grams.
        labels: [N] int8: 0 real, 1 fake, 2 unknown.
        ids: [N], None for an article without one.
        texts: [N], or None if built without texts.
    """

    ngrams: NDArray[np.uint32]
    idf: NDArray[np.float32]
    starts: Rows
    rows: NDArray[np.int32]
    weights: NDArray[np.float16]
    shingles: NDArray[np.uint32]
    shingle_starts: Rows
    labels: NDArray[np.int8]
    ids: tuple[str | None, ...]
    texts: tuple[str, ...] | None

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def from_articles(cls, articles: Sequence[Article], *, with_texts: bool = True) -> Self:
        """Build an index.

        Args:
            articles: N articles, at least one.
            with_texts: Whether to store the texts, to show them; if not, only labels and ids are stored.
        """
        plain = [normalize(article.content) for article in articles]
        hashes, rows, counts = _count_ngrams(plain)
        ngrams, numbers, frequency = np.unique(hashes, return_inverse=True, return_counts=True)
        idf = (np.log((1 + len(plain)) / (1 + frequency)) + 1).astype(np.float32)
        values = (1 + np.log(counts)) * idf[numbers]
        norms = np.sqrt(np.bincount(rows, weights=values**2, minlength=len(plain)))
        order = np.lexsort((rows, numbers))
        shingles, shingle_rows, _ = _count_ngrams(plain, [GRAM])
        return cls(
            ngrams=ngrams,
            idf=idf,
            starts=np.concatenate([[0], np.cumsum(frequency)]).astype(np.int64),
            rows=rows[order].astype(np.int32),
            weights=(values / norms[rows])[order].astype(np.float16),
            shingles=shingles,
            shingle_starts=np.searchsorted(shingle_rows, np.arange(len(plain) + 1)).astype(np.int64),
            labels=np.array([_LABELS.index(article.label) for article in articles], np.int8),
            ids=tuple(article.id for article in articles),
            texts=tuple(article.content for article in articles) if with_texts else None,
        )

    def nearest(self, text: str, k: int) -> list[Similar]:
        """Return at most `k` known articles with similarity above 0, the most similar first."""
        rows, similarity = self._rank(normalize(text), k)
        return [self._similar(row, float(min(value, 1.0))) for row, value in zip(rows, similarity, strict=True)]

    def near_duplicate(self, text: str) -> Similar | None:
        """Return the known article of which a text is a near-duplicate, or None.

        Its `similarity` is the Jaccard similarity of the character 5-grams, as for all near-duplicates.
        """
        plain = normalize(text)
        own, *_ = _count_ngrams([plain], [GRAM])
        best, best_row = 0.0, -1
        for row in self._rank(plain, CANDIDATES)[0]:
            known = self.shingles[self.shingle_starts[row] : self.shingle_starts[row + 1]]
            common = len(np.intersect1d(own, known, assume_unique=True))
            value = common / (len(own) + len(known) - common)
            if value > best:
                best, best_row = value, int(row)
        return None if best < NEAR_DUPLICATE else self._similar(best_row, best)

    def _similar(self, row: int, similarity: float) -> Similar:
        text = None if self.texts is None else self.texts[row]
        return Similar(_LABELS[self.labels[row]], similarity, text, self.ids[row])

    def _rank(self, plain: str, k: int) -> tuple[Rows, NDArray[np.float64]]:
        """Return the rows of the most similar articles, and their similarities."""
        hashes, _, counts = _count_ngrams([plain])
        numbers = np.searchsorted(self.ngrams, hashes).clip(max=len(self.ngrams) - 1)
        known = self.ngrams[numbers] == hashes
        # An n-gram that no article has is the rarest: it makes the text less similar to all articles.
        rarest = np.log(1 + len(self)) + 1
        values = (1 + np.log(counts)) * np.where(known, self.idf[numbers], rarest)
        values = values / np.sqrt((values**2).sum())
        numbers, values = numbers[known], values[known]
        spans = self.starts[numbers + 1] - self.starts[numbers]
        postings = np.repeat(self.starts[numbers] - np.concatenate([[0], np.cumsum(spans)[:-1]]), spans) + np.arange(
            int(spans.sum())
        )
        scores = np.bincount(
            self.rows[postings], weights=np.repeat(values, spans) * self.weights[postings], minlength=len(self)
        )
        best = np.argsort(-scores, kind="stable")[:k].astype(np.int64)
        best = best[scores[best] > 0]
        return best, scores[best].astype(np.float64)

    def to_tensors(self) -> Tensors:
        """Return all arrays by name, with texts and ids as bytes, for storage without pickle."""
        tensors: Tensors = {name: getattr(self, name) for name in _ARRAYS}
        tensors["id_bytes"], tensors["id_starts"] = _pack([identity or "" for identity in self.ids])
        tensors["has_id"] = np.array([identity is not None for identity in self.ids], np.uint8)
        if self.texts is not None:
            tensors["text_bytes"], tensors["text_starts"] = _pack(self.texts)
        return tensors

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[np.generic]]) -> Self:
        """Build the index from the arrays of `to_tensors`.

        Raises:
            ValueError: Arrays are missing or inconsistent.
        """
        try:
            arrays = {name: np.asarray(tensors[name], kind) for name, kind in _ARRAYS.items()}
            names = _unpack(tensors["id_bytes"], tensors["id_starts"])
            ids = tuple(name if has else None for name, has in zip(names, tensors["has_id"], strict=True))
            texts = _unpack(tensors["text_bytes"], tensors["text_starts"]) if "text_bytes" in tensors else None
        except KeyError as error:
            raise ValueError(f"it has no {error}") from None
        n = len(arrays["labels"])
        ends = arrays["starts"][-1:], arrays["shingle_starts"][-1:]
        if (
            len({n, len(ids), len(arrays["shingle_starts"]) - 1, n if texts is None else len(texts)}) > 1
            or len(arrays["starts"]) - 1 != len(arrays["ngrams"])
            or [int(end[0]) for end in ends] != [len(arrays["rows"]), len(arrays["shingles"])]
            or arrays["labels"].max(initial=0) >= len(_LABELS)
            or arrays["rows"].max(initial=0) >= max(n, 1)
        ):
            raise ValueError("its arrays do not fit together")
        return cls(**arrays, ids=ids, texts=texts)


_ARRAYS: dict[str, type[np.generic]] = {
    "ngrams": np.uint32, "idf": np.float32, "starts": np.int64, "rows": np.int32, "weights": np.float16,
    "shingles": np.uint32, "shingle_starts": np.int64, "labels": np.int8,
}  # fmt: skip


def _count_ngrams(
    plain: Sequence[str], sizes: Sequence[int] = NGRAMS
) -> tuple[NDArray[np.uint32], Rows, NDArray[np.int64]]:
    """Return the unique n-grams of each text, sorted within it: hashes, rows of their texts, and their counts."""
    parts = [hashed_ngrams(plain, size) for size in sizes]
    rows = np.concatenate([part[0] for part in parts])
    hashes = np.concatenate([part[1] for part in parts]).astype(np.uint32)  # half of the bits suffices
    order = np.lexsort((hashes, rows))
    rows, hashes = rows[order], hashes[order]
    first = np.flatnonzero(np.concatenate([[True], (np.diff(rows) != 0) | (hashes[1:] != hashes[:-1])]))
    return hashes[first], rows[first], np.diff(np.append(first, len(rows)))


def _pack(texts: Sequence[str]) -> tuple[NDArray[np.uint8], Rows]:
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    starts = np.concatenate([[0], np.cumsum([len(text) for text in encoded])]).astype(np.int64)
    return np.frombuffer(b"".join(encoded), np.uint8), starts


def _unpack(data: NDArray[np.generic], starts: NDArray[np.generic]) -> tuple[str, ...]:
    content, bounds = data.tobytes(), [int(start) for start in starts]
    return tuple(content[a:b].decode("utf-8", "surrogatepass") for a, b in pairwise(bounds))
