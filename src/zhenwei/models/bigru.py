"""The BiGRU detector."""

from torch import nn

from zhenwei.config import BiGRUConfig
from zhenwei.models.dropout import Dropout
from zhenwei.models.encoders import EncodedNetwork
from zhenwei.models.interface import Output
from zhenwei.models.layers import MLP, MaskAttention, masked_mean
from zhenwei.models.recurrent import MaskedBiGRU
from zhenwei.models.registry import Vocabulary
from zhenwei.tokens import Batch


class BiGRU(EncodedNetwork):
    """Embeddings -> bidirectional GRU -> LayerNorm -> Dropout -> masked attention -> MLP.

    After the BiGRU of ENDEF (Zhu et al., SIGIR 2022), with LayerNorm, and with an optional residual: the mean of the
    embeddings, through a linear layer, added to the pooled output of the GRU.
    """

    def __init__(self, config: BiGRUConfig, vocabulary: Vocabulary) -> None:
        super().__init__(config, vocabulary)
        hidden = config.hidden_dim or config.emb_dim
        self.gru = MaskedBiGRU(config.emb_dim, hidden, config.num_layers, config.dropout)
        self.norm = nn.LayerNorm(2 * hidden)
        self.dropout = Dropout(config.dropout)
        self.residual = nn.Linear(config.emb_dim, 2 * hidden) if config.use_residual else None
        self.attention = MaskAttention(2 * hidden)
        self.mlp = MLP(2 * hidden, config.mlp_hidden_dims, config.dropout)

    def forward(self, batch: Batch, progress: float = 1.0) -> Output:
        """Judge a batch; `progress` makes no difference to this network."""
        embedded = self.embedding(batch.tokens, batch.mask)  # [B, T, E]
        states = self.dropout(self.norm(self.gru(embedded, batch.mask)))  # [B, T, 2H]
        features, attention = self.attention(states, batch.mask)  # [B, 2H], [B, T]
        if self.residual is not None:
            features = features + self.residual(masked_mean(embedded, batch.mask))
        return Output(logits=self.mlp(features), attention=attention, features=features)
