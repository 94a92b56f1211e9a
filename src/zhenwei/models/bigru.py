"""The BiGRU detector."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from zhenwei.config import BiGRUConfig
from zhenwei.models.dropout import Dropout, is_traced
from zhenwei.models.encoders.encoder import EncodedNetwork
from zhenwei.models.gru.attention_pooling import has_kernel, normed_attention
from zhenwei.models.gru.bigru_layer import MaskedBiGRU
from zhenwei.models.gru.buffers import Workspace
from zhenwei.models.gru.checkpointing import LARGE, pool_in_chunks
from zhenwei.models.gru.factored_embeddings import TokenRows
from zhenwei.models.interface import Output, Rows
from zhenwei.models.layers import MLP, MaskAttention, masked_max, masked_mean
from zhenwei.models.linear.logistic import NgramRegression
from zhenwei.models.linear.ngram_embedding import NgramEmbedding
from zhenwei.models.registry import Vocabulary
from zhenwei.tokens import Batch, EncodedArticles

TRAINED = 12 * 2**20  # states of one direction that are trained at once: what the way back needs takes much memory
PART = 128  # articles that are read at once when many are scored on a CPU: the states of all would take much memory


class BiGRU(EncodedNetwork):
    """Embeddings -> bidirectional GRU -> LayerNorm -> Dropout -> masked attention -> MLP.

    After the BiGRU of ENDEF (Zhu et al., SIGIR 2022), with LayerNorm, and with what the settings ask for: a residual
    (the mean of the embeddings, through a linear layer, added to the pooled output of the GRU), several poolings side
    by side, embeddings of n-grams added to those of tokens, and a wide path: a linear model of n-grams that has its
    share in the logit when predicting. The wide path is fitted by itself, and the network trains by itself: joined from
    the start, it would learn nothing of what the n-grams know already.
    """

    repeatable = True
    scored_at_once = 4 * PART

    def __init__(self, config: BiGRUConfig, vocabulary: Vocabulary) -> None:
        super().__init__(config, vocabulary)
        hidden = config.hidden_dim or config.emb_dim
        self.trained_at_once = TRAINED // hidden
        self.ngrams = _ngram_embedding(config) if config.ngram_sizes else None
        self.gru = MaskedBiGRU(config.emb_dim, hidden, config.num_layers, config.dropout, states_stay=False)
        self.norm = nn.LayerNorm(2 * hidden)
        self.dropout = Dropout(config.dropout)
        self.pooling = tuple(config.pooling)
        self.pooled = 2 * hidden * len(self.pooling)
        self.residual = nn.Linear(config.emb_dim, self.pooled) if config.use_residual else None
        self.attention = MaskAttention(2 * hidden) if "attention" in self.pooling else None
        self.mlp = MLP(self.pooled, config.mlp_hidden_dims, config.dropout)
        self.wide_share = config.wide_share
        wide = config.wide
        self.wide = None if wide is None else NgramRegression(wide, vocabulary, "wide_")
        if self.wide is not None:
            self.wide.requires_grad_(False)

    def forward(self, batch: Batch, progress: float = 1.0) -> Output:
        """Judge a batch; `progress` makes no difference to this network. While training, the wide path is silent."""
        read = self._read_in_parts if self._has_parts(batch.tokens) else self._read
        features, attention = read(batch.tokens, batch.mask)  # [B, D], [B, T]
        logits = self.mlp(features)
        if self.wide is not None and not self.training:
            logits = (1 - self.wide_share) * logits + self.wide_share * self.wide.logits(batch)
        return Output(logits=logits, attention=attention, features=features)

    @property
    def tunes(self) -> bool:
        """Whether the wide path leaves something to the training articles."""
        return self.wide is not None and self.wide.tunes

    def tune(self, articles: EncodedArticles, folds: Iterable[tuple[Rows, Rows]], seed: int) -> None:
        """Choose the wide path's strengths."""
        if self.wide is not None:
            self.wide.tune(articles, folds, seed)

    def fit_linear(self, articles: EncodedArticles, seed: int) -> None:
        """Fit the wide path."""
        if self.wide is not None:
            self.wide.fit(articles, seed)
            self.wide.requires_grad_(False)

    def _read(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor | None]:
        """Make one vector of each article of tokens [B, T]: [B, D]; with the attention [B, T], or None."""
        shared = self._shared_embeddings(tokens)
        if shared is not None:
            return self._pool(self.gru(shared, mask), mask)
        embedded = self.embedding(tokens, mask)  # [B, T, E]
        if self.ngrams is not None:
            embedded = embedded + self.ngrams(tokens)
        past = None if self.residual is None else self.residual(masked_mean(embedded, mask))  # [B, D]
        states = self.gru(embedded, mask)  # [B, T, 2H]
        del embedded  # these are the largest tensors of all: what has been read makes room
        features, attention = self._pool(states, mask)
        return features if past is None else features + past, attention

    def _has_parts(self, tokens: Tensor) -> bool:
        """Whether articles are to be read some at a time."""
        if self.training or torch.is_grad_enabled() or is_traced():
            return False
        return tokens.device.type == "cpu" and len(tokens) > PART

    def _read_in_parts(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor | None]:
        """Do as `_read` does, articles of like length together, while what their tokens share is computed once."""
        shared = self._shared_embeddings(tokens)
        heard = None if shared is None else self.gru.hear(shared)
        lengths = mask.sum(dim=1)
        order = lengths.argsort(descending=True)
        workspace, found = Workspace(), []
        for part in torch.split(order, PART):
            width = max(1, int(lengths[part[0]]))
            real = mask[part, :width]
            if shared is None:
                found.append(self._read(tokens[part, :width], real))
            else:
                found.append(self._pool(self.gru(shared.of(part, width), real, heard, workspace), real))
        back = order.argsort()
        features = torch.cat([features for features, _ in found])[back]
        weights = [pad(weights, (0, mask.shape[1] - weights.shape[1])) for _, weights in found if weights is not None]
        return features, torch.cat(weights)[back] if weights else None

    def _shared_embeddings(self, tokens: Tensor) -> TokenRows | None:
        """Return what the embeddings of [B, T] have in common, where the GRU alone reads them, and rather that."""
        if self.ngrams is not None or self.residual is not None or not self.gru.shares_tokens(tokens):
            return None
        return self.embedding.shared(tokens)

    def _pool(self, states: Tensor, mask: Tensor) -> tuple[Tensor, Tensor | None]:
        """Make one vector of an article's states [B, T, 2H]: [B, D]; with the attention [B, T], or None."""
        if self.pooling == ("attention",) and self.attention is not None and has_kernel(states, self.norm):
            return normed_attention(states, mask, self.norm, self.dropout, self.attention)
        if self.training and _is_large(states):
            return pool_in_chunks(self._pool_by_operations, states, mask, self._pooling_weights())
        return self._pool_by_operations(states, mask)

    def _pool_by_operations(self, states: Tensor, mask: Tensor) -> tuple[Tensor, Tensor | None]:
        """Pool, one operation after the other."""
        states = self.dropout(self.norm(states))
        pooled, attention = [], None
        for kind in self.pooling:
            if kind == "attention":
                assert self.attention is not None
                found, attention = self.attention(states, mask)
            else:
                found = masked_max(states, mask) if kind == "max" else masked_mean(states, mask)
            pooled.append(found)
        return torch.cat(pooled, dim=1), attention

    def _pooling_weights(self) -> list[Tensor]:
        """Return what pooling trains."""
        return [*self.norm.parameters(), *(() if self.attention is None else self.attention.parameters())]


def _is_large(states: Tensor) -> bool:
    """Whether what becomes of the states [B, T, 2H] would take much of a computer's memory while training."""
    return states.device.type == "cpu" and states.requires_grad and states.numel() >= LARGE and not is_traced()


def _ngram_embedding(config: BiGRUConfig) -> NgramEmbedding:
    return NgramEmbedding(
        config.ngram_sizes, config.ngram_buckets, config.ngram_dim, config.emb_dim, config.ngram_dropout
    )
