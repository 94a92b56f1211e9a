"""The BERT detector."""

from zhenwei.config import BertConfig
from zhenwei.models.encoders.encoder import EncodedNetwork
from zhenwei.models.interface import Output
from zhenwei.models.layers import MLP, MaskAttention
from zhenwei.models.registry import Vocabulary
from zhenwei.tokens import Batch


class Bert(EncodedNetwork):
    """A pretrained encoder whose last layers train -> masked attention -> MLP.

    BERT (Devlin et al., NAACL 2019) as in ENDEF (Zhu et al., SIGIR 2022); any encoder of transformers works.
    """

    def __init__(self, config: BertConfig, vocabulary: Vocabulary) -> None:
        super().__init__(config, vocabulary)
        self.attention = MaskAttention(self.embedding.features)
        self.mlp = MLP(self.embedding.features, config.mlp_hidden_dims, config.dropout)

    def forward(self, batch: Batch, progress: float = 1.0) -> Output:
        """Compute the logits of a batch; `progress` is ignored."""
        encoded = self.encode(batch)  # [B, T, D]
        features, attention = self.attention(encoded, batch.mask)  # [B, D], [B, T]
        return Output(logits=self.mlp(features), attention=attention, features=features)
