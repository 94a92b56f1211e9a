"""Logistic regression over the TF-IDF of token n-grams: the linear baseline, and the wide path of networks."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from zhenwei.config import NgramConfig
from zhenwei.errors import ConfigError, DataError
from zhenwei.models.linear import naive_bayes as weighing
from zhenwei.models.linear.naive_bayes import PLAIN, Rows, Strengths
from zhenwei.models.registry import Vocabulary
from zhenwei.tokens import Batch, EncodedArticles, collate

if TYPE_CHECKING:
    from scipy.sparse import csr_array

ROWS_AT_ONCE = 512
MERGED_AT = 4_000_000  # n-grams of a few batches that wait to be counted together: some 60 MB
LARGEST_KEY = 2**63 - 1

Keys = NDArray[np.int64]


class NgramRegression(nn.Module):
    """Weighed n-grams, summed up.

    The tokens are characters or words, as the detector's tokenizer cuts them, and TF-IDF and logistic regression are
    scikit-learn's, to the formula. An n-gram is kept as its tokens' ids, read as the digits of one number, so that
    n-grams are found by a search in a sorted array, for all articles of a batch at once.

    With `naive_bayes` a > 0, the TF-IDF of an n-gram is multiplied by 1 + a |r| before it is normalised, where r is the
    logarithm of the ratio of its shares among the n-grams of the fake and of the real articles, each counted 0.1 times
    more than it is (after Wang & Manning, ACL 2012): what tells the labels apart is made to count more.
    """

    keys: Tensor  # [F] int64, sorted: the n-grams
    idf: Tensor  # [F], times what Naive Bayes makes of it

    def __init__(self, config: NgramConfig, vocabulary: Vocabulary, prefix: str = "") -> None:
        """Build it without any n-gram.

        Args:
            config: Which n-grams, and how they are weighed.
            vocabulary: What it will read.
            prefix: What stands before the names of the settings where they are set, for messages.

        Raises:
            ConfigError: If n-grams of so many tokens cannot be told apart by a 64-bit number.
        """
        super().__init__()
        self.config = config
        self.chosen: Strengths | None = None  # what the settings leave to the training articles
        self.base = vocabulary.size + 1  # a digit is a token's id + 1, so that longer n-grams are larger numbers
        self.pad_id = vocabulary.pad_id
        self.prefix = prefix
        longest = config.ngram_range[1]
        if self.base**longest > LARGEST_KEY:
            raise ConfigError(
                f"model.{prefix}ngram_range: found {config.ngram_range} and a vocabulary of {vocabulary.size} tokens; "
                f"n-grams of {longest} need a data.vocab_size of at most {int(LARGEST_KEY ** (1 / longest)) - 1}"
            )
        self.register_buffer("keys", torch.zeros(1, dtype=torch.int64))  # 0: an n-gram that no text has
        self.register_buffer("idf", torch.zeros(1))
        self.weight = nn.Parameter(torch.zeros(1))
        self.bias = nn.Parameter(torch.zeros(()))

    def logits(self, batch: Batch) -> Tensor:
        """Judge a batch: logits of fake [B]."""
        rows, ngrams, values = self._tfidf(batch)
        logits: Tensor = self.bias.repeat(len(batch)).index_add(0, rows, values * self.weight[ngrams])
        return logits

    def fit(self, articles: EncodedArticles, seed: int) -> None:
        """Find the n-grams that enough articles have, and their weights; all articles have a label.

        Raises:
            DataError: If no n-gram is in as many articles as `min_df` asks for.
        """
        keys, _ = self._frequent_ngrams(articles)
        self.keys = torch.from_numpy(keys)
        labels = articles.labels.astype(np.int64)
        frequencies, strengths = self._frequencies(articles), self._strengths()
        weights = weighing.ngram_weights(frequencies, labels, strengths.naive_bayes)
        regression = weighing.regression_of(weighing.weighed(frequencies, weights), labels, strengths.C, seed)
        self.idf = torch.from_numpy(weights).float()
        self.weight = nn.Parameter(torch.from_numpy(regression.coef_[0]).float())
        self.bias = nn.Parameter(torch.tensor(float(regression.intercept_[0])))

    @property
    def tunes(self) -> bool:
        """Whether the settings leave something to the training articles."""
        return "auto" in (self.config.naive_bayes, self.config.C)

    def tune(self, articles: EncodedArticles, folds: Iterable[tuple[Rows, Rows]], seed: int) -> None:
        """Choose what the settings leave to the training articles, for `fit`: see `choose_strengths`.

        Args:
            articles: [N], all with a label.
            folds: Of each, the rows to fit on and the rows to judge.
            seed: Of the regression.
        """
        keys, _ = self._frequent_ngrams(articles)
        self.keys = torch.from_numpy(keys)
        naive_bayes, penalty = self.config.naive_bayes, self.config.C
        self.chosen = weighing.choose_strengths(
            self._frequencies(articles), articles.labels.astype(np.int64), folds,
            weighing.NAIVE_BAYES if naive_bayes == "auto" else (naive_bayes,),
            weighing.C if penalty == "auto" else (penalty,),
            self.config.min_df, seed,
        )  # fmt: skip

    def _strengths(self) -> Strengths:
        """Return what is set, and what was chosen where it is left open; plain TF-IDF's where nothing was chosen."""
        chosen = self.chosen or PLAIN
        naive_bayes, penalty = self.config.naive_bayes, self.config.C
        return Strengths(
            chosen.naive_bayes if naive_bayes == "auto" else naive_bayes, chosen.C if penalty == "auto" else penalty
        )

    def _frequencies(self, articles: EncodedArticles) -> "csr_array":
        """Return how often each article has each known n-gram, sublinear where that is set, float64 [N, F]."""
        from scipy.sparse import csr_array, vstack  # noqa: PLC0415  # a second to import

        parts = []
        for batch in self._batches(articles):
            rows, ngrams, values = (part.numpy() for part in self._counted(batch))
            places = rows.astype(np.int32), ngrams.astype(np.int32)  # liblinear takes no others
            parts.append(csr_array((values.astype(np.float64), places), shape=(len(batch), len(self.keys))))
        return vstack(parts, format="csr")

    def _frequent_ngrams(self, articles: EncodedArticles) -> tuple[Keys, Keys]:
        """Return the n-grams that at least `min_df` articles have, sorted, and how many have each."""
        keys, counts = np.empty(0, np.int64), np.empty(0, np.int64)
        waiting: list[tuple[Keys, Keys]] = []
        for batch in self._batches(articles):
            rows, found = self._occurrences(batch)
            ngrams, places = torch.unique(found, return_inverse=True)
            pairs = torch.unique(rows * len(ngrams) + places)  # each n-gram once for each article
            waiting.append((ngrams.numpy(), torch.bincount(pairs % max(len(ngrams), 1)).numpy()))
            if sum(len(part) for part, _ in waiting) > max(MERGED_AT, len(keys)):  # so that all is sorted a few times
                keys, counts = _merged([(keys, counts), *waiting])
                waiting = []
        keys, counts = _merged([(keys, counts), *waiting])
        kept = counts >= self.config.min_df
        if not kept.any():
            raise DataError(
                f"none of the {len(keys)} n-grams of the training articles is in {self.config.min_df} of them"
                f"{'' if self.prefix else ' (model.min_df)'}: there is nothing to learn from"
            )
        return keys[kept], counts[kept]

    def _batches(self, articles: EncodedArticles) -> Iterator[Batch]:
        for start in range(0, len(articles), ROWS_AT_ONCE):
            rows = np.arange(start, min(start + ROWS_AT_ONCE, len(articles)))
            yield collate(articles, rows, pad_id=self.pad_id)

    def _occurrences(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return every n-gram of every article: the rows that they are in and their keys, both [S]."""
        digits = (batch.tokens + 1) * batch.mask  # [B, T]; 0 at padding
        shortest, longest = self.config.ngram_range
        rows, keys = [], []
        numbers = torch.zeros_like(digits)
        for length in range(1, min(longest, digits.shape[1]) + 1):
            last = digits[:, length - 1 :]  # [B, T - length + 1]
            numbers = numbers[:, : last.shape[1]] * self.base + last
            if length >= shortest:
                row, place = torch.nonzero(last, as_tuple=True)
                rows.append(row)
                keys.append(numbers[row, place])
        if not rows:
            return digits.new_zeros(0), digits.new_zeros(0)
        return torch.cat(rows), torch.cat(keys)

    def _counted(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Return the articles' known n-grams: their rows, their places in `keys` and how often each is there, [S]."""
        rows, found = self._occurrences(batch)
        places = torch.searchsorted(self.keys, found).clamp(max=len(self.keys) - 1)
        known = self.keys[places] == found
        pairs, counts = torch.unique(rows[known] * len(self.keys) + places[known], return_counts=True)
        frequency = 1 + counts.float().log() if self.config.sublinear_tf else counts.float()
        return pairs // len(self.keys), pairs % len(self.keys), frequency

    def _tfidf(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Return the articles' known n-grams: their rows, their places in `keys` and their TF-IDF, each [S]."""
        rows, ngrams, frequency = self._counted(batch)
        values = frequency * self.idf[ngrams]
        squares = torch.zeros(len(batch), device=values.device).index_add(0, rows, values.square())  # [B]
        return rows, ngrams, values / squares.sqrt()[rows]

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *further: Any) -> None:
        """Make room for as many n-grams as were saved."""
        saved = state_dict.get(prefix + "keys")
        if isinstance(saved, Tensor):
            self.keys, self.idf = torch.zeros_like(saved), torch.zeros(len(saved))
            self.weight = nn.Parameter(torch.zeros(len(saved)), requires_grad=self.weight.requires_grad)
        super()._load_from_state_dict(state_dict, prefix, *further)


def _merged(parts: list[tuple[Keys, Keys]]) -> tuple[Keys, Keys]:
    """Add up the counts of n-grams, each part with its own: all n-grams, sorted, and their counts."""
    keys, places = np.unique(np.concatenate([part for part, _ in parts]), return_inverse=True)
    counts = np.bincount(places, weights=np.concatenate([part for _, part in parts]), minlength=len(keys))
    return keys, counts.astype(np.int64)
