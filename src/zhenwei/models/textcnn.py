"""The TextCNN detector."""

from zhenwei.config import TextCNNConfig
from zhenwei.models.encoders.encoder import EncodedNetwork
from zhenwei.models.interface import Output
from zhenwei.models.layers import MLP, CNNExtractor
from zhenwei.models.registry import Vocabulary
from zhenwei.tokens import Batch


class TextCNN(EncodedNetwork):
    """Embeddings -> convolutions of several widths, each with its maximum over time -> MLP.

    After Kim (EMNLP 2014), with the kernels and the head of MDFEND's and ENDEF's CNN extractor.
    """

    cuda_graphable = True

    def __init__(self, config: TextCNNConfig, vocabulary: Vocabulary) -> None:
        super().__init__(config, vocabulary)
        self.extractor = CNNExtractor(config.emb_dim, config.kernels, config.filters)
        self.mlp = MLP(self.extractor.features, config.mlp_hidden_dims, config.dropout)

    def forward(self, batch: Batch, progress: float = 1.0) -> Output:
        """Compute the logits of a batch; `progress` is ignored."""
        features = self.extractor(self.embedding(batch.tokens, batch.mask), batch.mask)  # [B, T, E] -> [B, D]
        return Output(logits=self.mlp(features), features=features)
