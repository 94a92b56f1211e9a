"""The BiGRU detector."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from zhenwei.config import BiGRUConfig
from zhenwei.models.dropout import Dropout, is_tracing
from zhenwei.models.encoders.encoder import EncodedNetwork
from zhenwei.models.gru.attention_pooling import fused_attention_pooling, prefers_kernel
from zhenwei.models.gru.bigru_layer import MaskedBiGRU
from zhenwei.models.gru.buffers import BufferPool
from zhenwei.models.gru.checkpointing import LARGE, pool_in_chunks
from zhenwei.models.gru.input_projection import FactoredEmbeddings
from zhenwei.models.interface import Output, Rows
from zhenwei.models.layers import MLP, MaskAttention, masked_max, masked_mean
from zhenwei.models.linear.logistic import NgramLogisticRegression
from zhenwei.models.linear.ngram_embedding import NgramEmbedding
from zhenwei.models.registry import Vocabulary
from zhenwei.tokens import Batch, EncodedArticles

MAX_TRAINED_VALUES = 12 * 2**20  # state values of one direction per training step: the backward pass needs much memory
CHUNK = 128  # articles read at a time in inference on a CPU: the states of all of them would need much memory


class BiGRU(EncodedNetwork):
    """Embeddings -> bidirectional GRU -> LayerNorm -> Dropout -> masked attention -> MLP.

    After the BiGRU of ENDEF (Zhu et al., SIGIR 2022), with LayerNorm, and with optional parts: a residual (the mean of
    the embeddings, through a linear layer, added to the pooled states), several poolings side by side, embeddings of
    n-grams added to those of tokens, and a wide path: a linear model of n-grams whose logit is mixed in at prediction.
    The wide path is fitted by itself, and the network trains without it: trained jointly, the network would learn
    nothing that the n-grams know already.
    """

    cuda_graphable = True
    prediction_batch_size = 4 * CHUNK

    def __init__(self, config: BiGRUConfig, vocabulary: Vocabulary) -> None:
        super().__init__(config, vocabulary)
        hidden = config.hidden_dim or config.emb_dim
        self.max_tokens_per_step = MAX_TRAINED_VALUES // hidden
        self.ngrams = _ngram_embedding(config) if config.ngram_sizes else None
        self.gru = MaskedBiGRU(config.emb_dim, hidden, config.num_layers, config.dropout, reuse_output=True)
        self.norm = nn.LayerNorm(2 * hidden)
        self.dropout = Dropout(config.dropout)
        self.pooling = tuple(config.pooling)
        self.pooled = 2 * hidden * len(self.pooling)
        self.residual = nn.Linear(config.emb_dim, self.pooled) if config.use_residual else None
        self.attention = MaskAttention(2 * hidden) if "attention" in self.pooling else None
        self.mlp = MLP(self.pooled, config.mlp_hidden_dims, config.dropout)
        self.wide_share = config.wide_share
        wide = config.wide
        self.wide = None if wide is None else NgramLogisticRegression(wide, vocabulary, "wide_")
        if self.wide is not None:
            self.wide.requires_grad_(False)

    def forward(self, batch: Batch, progress: float = 1.0) -> Output:
        """Compute the logits of a batch; `progress` is ignored. In training, the wide path is left out."""
        encode = self._encode_in_chunks if self._needs_chunks(batch.tokens) else self._encode
        features, attention = encode(batch.tokens, batch.mask)  # [B, D], [B, T]
        logits = self.mlp(features)
        if self.wide is not None and not self.training:
            logits = (1 - self.wide_share) * logits + self.wide_share * self.wide.logits(batch)
        return Output(logits=logits, attention=attention, features=features)

    @property
    def needs_tuning(self) -> bool:
        """Whether the wide path has hyperparameters to be tuned."""
        return self.wide is not None and self.wide.needs_tuning

    def tune(self, articles: EncodedArticles, folds: Iterable[tuple[Rows, Rows]], seed: int) -> None:
        """Tune the wide path's hyperparameters."""
        if self.wide is not None:
            self.wide.tune(articles, folds, seed)

    def fit_linear(self, articles: EncodedArticles, seed: int) -> None:
        """Fit the wide path."""
        if self.wide is not None:
            self.wide.fit(articles, seed)
            self.wide.requires_grad_(False)

    def _encode(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return a feature vector per article of tokens [B, T]: [B, D]; and the attention [B, T], or None."""
        factored = self._factored_embeddings(tokens)
        if factored is not None:
            return self._pool(self.gru(factored, mask), mask)
        embedded = self.embedding(tokens, mask)  # [B, T, E]
        if self.ngrams is not None:
            embedded = embedded + self.ngrams(tokens)
        residual = None if self.residual is None else self.residual(masked_mean(embedded, mask))  # [B, D]
        states = self.gru(embedded, mask)  # [B, T, 2H]
        del embedded  # free the largest tensor before pooling
        features, attention = self._pool(states, mask)
        return features if residual is None else features + residual, attention

    def _needs_chunks(self, tokens: Tensor) -> bool:
        """Return whether a batch [B, T] is to be encoded in chunks."""
        if self.training or torch.is_grad_enabled() or is_tracing():
            return False
        return tokens.device.type == "cpu" and len(tokens) > CHUNK

    def _encode_in_chunks(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor | None]:
        """Do the same as `_encode` in chunks of articles of similar length, which share the input projections."""
        factored = self._factored_embeddings(tokens)
        projected = None if factored is None else self.gru.project_inputs(factored)
        lengths = mask.sum(dim=1)
        order = lengths.argsort(descending=True)
        pool, encoded = BufferPool(), []
        for rows in torch.split(order, CHUNK):
            width = max(1, int(lengths[rows[0]]))
            chunk_mask = mask[rows, :width]
            if factored is None:
                encoded.append(self._encode(tokens[rows, :width], chunk_mask))
            else:
                states = self.gru(factored.select(rows, width), chunk_mask, projected, pool)
                encoded.append(self._pool(states, chunk_mask))
        inverse = order.argsort()
        features = torch.cat([features for features, _ in encoded])[inverse]
        weights = [pad(weights, (0, mask.shape[1] - weights.shape[1])) for _, weights in encoded if weights is not None]
        return features, torch.cat(weights)[inverse] if weights else None

    def _factored_embeddings(self, tokens: Tensor) -> FactoredEmbeddings | None:
        """Return the embeddings of [B, T] in factored form, where they have one and only the GRU reads them."""
        if self.ngrams is not None or self.residual is not None or not self.gru.prefers_factored(tokens):
            return None
        return self.embedding.factorize(tokens)

    def _pool(self, states: Tensor, mask: Tensor) -> tuple[Tensor, Tensor | None]:
        """Pool an article's states [B, T, 2H] to [B, D]; also return the attention [B, T], or None."""
        if self.pooling == ("attention",) and self.attention is not None and prefers_kernel(states, self.norm):
            return fused_attention_pooling(states, mask, self.norm, self.dropout, self.attention)
        if self.training and _is_large(states):
            return pool_in_chunks(self._pool_unfused, states, mask)
        return self._pool_unfused(states, mask)

    def _pool_unfused(self, states: Tensor, mask: Tensor) -> tuple[Tensor, Tensor | None]:
        """Pool, one PyTorch operation after the other."""
        states = self.dropout(self.norm(states))
        pooled, attention = [], None
        for kind in self.pooling:
            if kind == "attention":
                assert self.attention is not None
                features, attention = self.attention(states, mask)
            else:
                features = masked_max(states, mask) if kind == "max" else masked_mean(states, mask)
            pooled.append(features)
        return torch.cat(pooled, dim=1), attention


def _is_large(states: Tensor) -> bool:
    """Return whether pooling states [B, T, 2H] would need much CPU memory in training."""
    return states.device.type == "cpu" and states.requires_grad and states.numel() >= LARGE and not is_tracing()


def _ngram_embedding(config: BiGRUConfig) -> NgramEmbedding:
    return NgramEmbedding(
        config.ngram_sizes, config.ngram_buckets, config.ngram_dim, config.emb_dim, config.ngram_dropout
    )
