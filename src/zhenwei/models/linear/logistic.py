"""Logistic regression over the TF-IDF of token n-grams: the linear baseline, and the wide path of networks."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from zhenwei.config import NgramConfig
from zhenwei.errors import ConfigError, DataError
from zhenwei.models.linear.contents import Contents
from zhenwei.models.linear.naive_bayes import (
    C_GRID,
    DEFAULTS,
    NAIVE_BAYES_GRID,
    Hyperparameters,
    Rows,
    fit_logistic_regression,
    grid_search,
    ngram_weights,
    weighted_features,
)
from zhenwei.models.registry import Vocabulary
from zhenwei.tokens import Batch, EncodedArticles, collate

if TYPE_CHECKING:
    from scipy.sparse import csr_array

BATCH_SIZE = 512  # articles
MERGE_SIZE = 4_000_000  # n-grams of several batches that are merged at once: about 60 MB
MAX_KEY = 2**63 - 1

Keys = NDArray[np.int64]


class NgramLogisticRegression(nn.Module):
    """Logistic regression over the TF-IDF of n-grams.

    Tokens are those of the detector's tokenizer, characters or words; the formulas of TF-IDF and logistic regression
    are scikit-learn's. The key of an n-gram is a number whose digits are its token ids, so that the n-grams of a whole
    batch are looked up in one sorted array at once.

    With `naive_bayes` a > 0, the TF-IDF of an n-gram is multiplied by 1 + a |r| before it is normalized, where r is its
    Naive Bayes log-count ratio between fake and real articles (Wang & Manning, ACL 2012), with counts smoothed by 0.1:
    n-grams that separate the labels get larger weights.
    """

    keys: Tensor  # [F] int64, sorted: the n-grams
    idf: Tensor  # [F], times the Naive Bayes factor

    def __init__(self, config: NgramConfig, vocabulary: Vocabulary, prefix: str = "") -> None:
        """Build a model without n-grams.

        Args:
            config: Which n-grams, and how they are weighted.
            vocabulary: The tokenizer.
            prefix: Prefix of the names of the settings, for messages.

        Raises:
            ConfigError: If 64-bit keys are too small for the longest n-grams.
        """
        super().__init__()
        self.config = config
        self.tuned: Hyperparameters | None = None  # by `tune`
        self.base = vocabulary.size + 1  # a digit is a token id + 1, so that longer n-grams have larger keys
        self.pad_id = vocabulary.pad_id
        self.prefix = prefix
        longest = config.ngram_range[1]
        if self.base**longest > MAX_KEY:
            raise ConfigError(
                f"model.{prefix}ngram_range: found {config.ngram_range} and a vocabulary of {vocabulary.size} tokens; "
                f"n-grams of {longest} need a data.vocab_size of at most {int(MAX_KEY ** (1 / longest)) - 1}"
            )
        self.register_buffer("keys", torch.zeros(1, dtype=torch.int64))  # 0 is the key of no n-gram
        self.register_buffer("idf", torch.zeros(1))
        self.weight = nn.Parameter(torch.zeros(1))
        self.bias = nn.Parameter(torch.zeros(()))

    def logits(self, batch: Batch) -> Tensor:
        """Compute the logits of fake [B] of a batch."""
        rows, ngrams, values = self._tfidf(batch)
        logits: Tensor = self.bias.repeat(len(batch)).index_add(0, rows, values * self.weight[ngrams])
        return logits

    def fit(self, articles: EncodedArticles, seed: int) -> None:
        """Collect the n-grams of at least `min_df` articles, and fit their weights; all articles have a label.

        An original and its rewrites share one weight; see `Contents.average`.

        Raises:
            DataError: If no n-gram occurs in `min_df` articles.
        """
        self.keys = self._frequent_ngrams(articles)
        labels = articles.labels.astype(np.int64)
        frequencies, hyperparameters = self._frequencies(articles), self._hyperparameters()
        weights = ngram_weights(frequencies, labels, hyperparameters.naive_bayes)
        features = weighted_features(frequencies, weights)
        regression = fit_logistic_regression(features, labels, hyperparameters.C, seed, Contents.of(articles))
        self.idf = torch.from_numpy(weights).float()
        self.weight = nn.Parameter(torch.from_numpy(regression.coef_[0]).float())
        self.bias = nn.Parameter(torch.tensor(float(regression.intercept_[0])))

    @property
    def needs_tuning(self) -> bool:
        """Whether the settings have hyperparameters to be tuned."""
        return "auto" in (self.config.naive_bayes, self.config.C)

    def tune(self, articles: EncodedArticles, folds: Iterable[tuple[Rows, Rows]], seed: int) -> None:
        """Tune the hyperparameters that the settings leave open, for `fit`, by `grid_search`.

        Args:
            articles: [N], all with a label.
            folds: Rows to fit on and rows to evaluate of each fold.
            seed: Seed of the regression.
        """
        self.keys = self._frequent_ngrams(articles)
        naive_bayes, inverse_penalty = self.config.naive_bayes, self.config.C
        self.tuned = grid_search(
            self._frequencies(articles), articles.labels.astype(np.int64), folds,
            NAIVE_BAYES_GRID if naive_bayes == "auto" else (naive_bayes,),
            C_GRID if inverse_penalty == "auto" else (inverse_penalty,),
            self.config.min_df, seed, Contents.of(articles),
        )  # fmt: skip

    def _hyperparameters(self) -> Hyperparameters:
        """Return the settings, with tuned values where they are open; without a result of `tune`, the defaults."""
        tuned = self.tuned or DEFAULTS
        naive_bayes, inverse_penalty = self.config.naive_bayes, self.config.C
        return Hyperparameters(
            tuned.naive_bayes if naive_bayes == "auto" else naive_bayes,
            tuned.C if inverse_penalty == "auto" else inverse_penalty,
        )

    def _frequencies(self, articles: EncodedArticles) -> "csr_array":
        """Return the frequency of each known n-gram in each article, sublinear if set, float64 [N, F]."""
        from scipy.sparse import csr_array, vstack  # noqa: PLC0415  # a second to import

        parts = []
        for batch in self._batches(articles):
            rows, ngrams, values = (part.numpy() for part in self._count(batch))
            indices = rows.astype(np.int32), ngrams.astype(np.int32)  # liblinear needs int32
            parts.append(csr_array((values.astype(np.float64), indices), shape=(len(batch), len(self.keys))))
        return vstack(parts, format="csr")

    def _frequent_ngrams(self, articles: EncodedArticles) -> Tensor:
        """Return the n-grams of at least `min_df` articles, sorted."""
        keys, counts = np.empty(0, np.int64), np.empty(0, np.int64)
        pending: list[tuple[Keys, Keys]] = []
        for batch in self._batches(articles):
            rows, occurrences = self._occurrences(batch)
            ngrams, index = torch.unique(occurrences, return_inverse=True)
            pairs = torch.unique(rows * len(ngrams) + index)  # each n-gram once per article
            pending.append((ngrams.numpy(), torch.bincount(pairs % max(len(ngrams), 1)).numpy()))
            if sum(len(part) for part, _ in pending) > max(MERGE_SIZE, len(keys)):  # merge rarely
                keys, counts = _merge([(keys, counts), *pending])
                pending = []
        keys, counts = _merge([(keys, counts), *pending])
        is_frequent = counts >= self.config.min_df
        if not is_frequent.any():
            raise DataError(
                f"none of the {len(keys)} n-grams of the training articles is in {self.config.min_df} of them"
                f"{'' if self.prefix else ' (model.min_df)'}: there is nothing to learn from"
            )
        return torch.from_numpy(keys[is_frequent])

    def _batches(self, articles: EncodedArticles) -> Iterator[Batch]:
        for start in range(0, len(articles), BATCH_SIZE):
            rows = np.arange(start, min(start + BATCH_SIZE, len(articles)))
            yield collate(articles, rows, pad_id=self.pad_id)

    def _occurrences(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return every n-gram of every article: their rows and their keys, both [S]."""
        digits = (batch.tokens + 1) * batch.mask  # [B, T]; 0 at padding
        shortest, longest = self.config.ngram_range
        rows, keys = [], []
        numbers = torch.zeros_like(digits)
        for length in range(1, min(longest, digits.shape[1]) + 1):
            last = digits[:, length - 1 :]  # [B, T - length + 1]
            numbers = numbers[:, : last.shape[1]] * self.base + last
            if length >= shortest:
                row, column = torch.nonzero(last, as_tuple=True)
                rows.append(row)
                keys.append(numbers[row, column])
        if not rows:
            return digits.new_zeros(0), digits.new_zeros(0)
        return torch.cat(rows), torch.cat(keys)

    def _count(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Return the articles' known n-grams: their rows, their indices in `keys` and their frequencies, [S] each."""
        rows, occurrences = self._occurrences(batch)
        index = torch.searchsorted(self.keys, occurrences).clamp(max=len(self.keys) - 1)
        known = self.keys[index] == occurrences
        pairs, counts = torch.unique(rows[known] * len(self.keys) + index[known], return_counts=True)
        frequency = 1 + counts.float().log() if self.config.sublinear_tf else counts.float()
        return pairs // len(self.keys), pairs % len(self.keys), frequency

    def _tfidf(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Return the articles' known n-grams: their rows, their indices in `keys` and their TF-IDF, [S] each."""
        rows, ngrams, frequency = self._count(batch)
        values = frequency * self.idf[ngrams]
        squares = torch.zeros(len(batch), device=values.device).index_add(0, rows, values.square())  # [B]
        return rows, ngrams, values / squares.sqrt()[rows]

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *further: Any) -> None:
        """Resize the tensors to the number of saved n-grams, and load them."""
        saved = state_dict.get(prefix + "keys")
        if isinstance(saved, Tensor):
            self.keys, self.idf = torch.zeros_like(saved), torch.zeros(len(saved))
            self.weight = nn.Parameter(torch.zeros(len(saved)), requires_grad=self.weight.requires_grad)
        super()._load_from_state_dict(state_dict, prefix, *further)


def _merge(parts: list[tuple[Keys, Keys]]) -> tuple[Keys, Keys]:
    """Sum the counts of n-grams over all parts: all n-grams, sorted, and their counts."""
    keys, index = np.unique(np.concatenate([part for part, _ in parts]), return_inverse=True)
    counts = np.bincount(index, weights=np.concatenate([part for _, part in parts]), minlength=len(keys))
    return keys, counts.astype(np.int64)
