"""The MDFEND detector."""

import torch
from torch import Tensor, nn

from zhenwei.config import MDFENDConfig
from zhenwei.models.encoders.encoder import EncodedNetwork
from zhenwei.models.interface import Output
from zhenwei.models.layers import MLP, CNNExtractor, MaskAttention
from zhenwei.models.registry import Vocabulary
from zhenwei.tokens import Batch


class MDFEND(EncodedNetwork):
    """A frozen encoder -> CNN experts, weighted by a gate that reads domain and text -> MLP.

    After MDFEND (Nan et al., CIKM 2021): gate = softmax(MLP([domain embedding, attention-pooled text])). The domain
    embedding of an unknown domain is the mean of all; ENDEF (Zhu et al., SIGIR 2022) uses the mean for every article at
    prediction.
    """

    needs = frozenset({"domain"})

    def __init__(self, config: MDFENDConfig, vocabulary: Vocabulary) -> None:
        super().__init__(config, vocabulary)
        size = self.embedding.features
        self.uses_own_domain = config.uses_own_domain
        self.domain_embedding = nn.Embedding(max(len(vocabulary.domains), 1), size)
        self.attention = MaskAttention(size)
        gate_hidden = config.mlp_hidden_dims[-1:] or [size]
        self.gate = MLP(2 * size, gate_hidden, dropout=0.0, outputs=config.n_experts)
        # One extractor holds the filters of all experts: few large products instead of many small ones.
        self.experts = CNNExtractor(size, config.kernels, config.n_experts * config.filters)
        self.n_experts, self.n_kernels = config.n_experts, len(config.kernels)
        self.mlp = MLP(self.n_kernels * config.filters, config.mlp_hidden_dims, config.dropout)

    def forward(self, batch: Batch, progress: float = 1.0) -> Output:
        """Compute the logits of a batch; `progress` is ignored."""
        encoded = self.encode(batch)  # [B, T, D]
        pooled, attention = self.attention(encoded, batch.mask)  # [B, D], [B, T]
        gate_inputs = torch.cat([self._domains(batch).to(pooled.dtype), pooled], dim=1)  # [B, 2D]
        size = pooled.shape[0]  # not len(batch), which an ONNX graph would record as a constant
        gate = torch.softmax(self.gate(gate_inputs).view(size, -1).float(), dim=1)  # [B, experts]
        filtered = self.experts(encoded, batch.mask).view(size, self.n_kernels, self.n_experts, -1)
        features = torch.einsum("bkef,be->bkf", filtered, gate.to(filtered.dtype)).flatten(1)  # [B, kernels * filters]
        return Output(logits=self.mlp(features), attention=attention, features=features)

    def _domains(self, batch: Batch) -> Tensor:
        """Return the domain embedding of each article [B, D]."""
        mean = self.domain_embedding.weight.mean(dim=0)  # [D]
        if batch.domains is None or not (self.training or self.uses_own_domain):
            return mean.expand(batch.tokens.shape[0], -1)
        own = self.domain_embedding(batch.domains.clamp(min=0))  # [B, D]
        return torch.where((batch.domains >= 0).unsqueeze(1), own, mean)
