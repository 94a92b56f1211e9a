"""The EANN detector."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from zhenwei.config import EANNConfig
from zhenwei.models.encoders.encoder import EncodedNetwork
from zhenwei.models.interface import Output
from zhenwei.models.layers import MLP, CNNExtractor, reverse_gradients
from zhenwei.models.registry import Vocabulary
from zhenwei.tokens import Batch

MIN_REVERSAL = 0.1


class EANN(EncodedNetwork):
    """Embeddings -> CNN extractor -> label MLP, and a domain classifier behind a gradient reversal.

    After EANN (Wang et al., KDD 2018) for text alone, as in MDFEND and ENDEF (Zhu et al., SIGIR 2022): the
    extracted features are trained to separate fake from real, but not one domain from another. Articles of unknown
    domain do not count in the domain loss; prediction does not read the domain.
    """

    needs = frozenset({"domain"})

    def __init__(self, config: EANNConfig, vocabulary: Vocabulary) -> None:
        super().__init__(config, vocabulary)
        self.reversal = config.reversal
        self.domain_loss_weight = config.domain_loss_weight
        self.extractor = CNNExtractor(config.emb_dim, config.kernels, config.filters)
        size, hidden = self.extractor.features, config.mlp_hidden_dims
        self.mlp = MLP(size, hidden, config.dropout)
        self.domain_mlp = MLP(size, hidden, config.dropout, outputs=max(len(vocabulary.domains), 2))

    def forward(self, batch: Batch, progress: float = 1.0) -> Output:
        """Compute the logits of a batch; the gradient reversal grows with `progress`."""
        features = self.extractor(self.embedding(batch.tokens, batch.mask), batch.mask)  # [B, T, E] -> [B, D]
        output = Output(logits=self.mlp(features), features=features)
        if self.training and batch.domains is not None:
            # A tensor: a Python number would make torch.compile compile again at each step.
            progress_tensor = features.new_ones((), dtype=torch.float32) * progress
            fixed = self.reversal
            strength = reversal_strength(progress_tensor) if fixed is None else torch.full_like(progress_tensor, fixed)
            domain_logits = self.domain_mlp(reverse_gradients(features, strength))  # [B, domains]
            output.losses["domain"] = self.domain_loss_weight * domain_loss(domain_logits, batch.domains, batch.weights)
        return output


def reversal_strength(progress: Tensor) -> Tensor:
    """Return the strength of the gradient reversal at progress p from 0 to 1: max(2 / (1 + e^(-10p)) - 1, 0.1).

    The schedule of Ganin & Lempitsky (ICML 2015), with the minimum of ENDEF's code.
    """
    return (2.0 / (1.0 + torch.exp(-10.0 * progress)) - 1.0).clamp(min=MIN_REVERSAL)


def domain_loss(domain_logits: Tensor, domains: Tensor, weights: Tensor) -> Tensor:
    """Return the mean cross-entropy of the known domains, a scalar; 0 if all are unknown.

    Args:
        domain_logits: [B, domains].
        domains: [B], -1 where the domain is unknown.
        weights: [B], 0 for rows that only pad a process's share of a batch.
    """
    losses = cross_entropy(domain_logits.float(), domains, ignore_index=-1, reduction="none")  # [B]
    known = weights * (domains >= 0)
    return (losses * known).sum() / known.sum().clamp(min=1.0)
