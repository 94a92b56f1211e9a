"""The BERT-Emo detector."""

import torch

from zhenwei.config import BertEmoConfig
from zhenwei.models.encoders.encoder import EncodedNetwork
from zhenwei.models.gru.bigru_layer import MaskedBiGRU
from zhenwei.models.interface import Output
from zhenwei.models.layers import MLP, MaskAttention
from zhenwei.models.registry import Vocabulary
from zhenwei.tokens import Batch


class BertEmo(EncodedNetwork):
    """A pretrained encoder -> bidirectional GRU -> masked attention -> [features, emotion] -> MLP.

    The publisher's emotion of Mining Dual Emotion (Zhang et al., WWW 2021) beside BERT, as in ENDEF (Zhu et al.,
    SIGIR 2022). Each article needs its emotion vector.
    """

    needs = frozenset({"emotion"})

    def __init__(self, config: BertEmoConfig, vocabulary: Vocabulary) -> None:
        super().__init__(config, vocabulary)
        size = self.embedding.features
        hidden = config.hidden_dim or size
        self.gru = MaskedBiGRU(size, hidden, config.num_layers, config.dropout, reuse_output=True)
        self.attention = MaskAttention(2 * hidden)
        self.mlp = MLP(2 * hidden + vocabulary.emotion_size, config.mlp_hidden_dims, config.dropout)

    def forward(self, batch: Batch, progress: float = 1.0) -> Output:
        """Compute the logits of a batch; `progress` is ignored."""
        assert batch.emotion is not None
        encoded = self.encode(batch)  # [B, T, D]
        pooled, attention = self.attention(self.gru(encoded, batch.mask), batch.mask)  # [B, 2H], [B, T]
        features = torch.cat([pooled, batch.emotion.to(pooled.dtype)], dim=1)  # [B, 2H + F]
        return Output(logits=self.mlp(features), attention=attention, features=features)
