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

LEAST_REVERSAL = 0.1


class EANN(EncodedNetwork):
    """Embeddings -> CNN extractor -> label MLP, and a domain classifier behind a gradient reversal.

    After EANN (Wang et al., KDD 2018) for text alone, as in MDFEND and ENDEF (Zhu et al., SIGIR 2022): what is
    extracted shall tell fake from real, and not one domain from another. An article of an unknown domain has no part in
    the domain's loss; at prediction the domain is not looked at.
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
        """Judge a batch; with `progress` p, the domain's gradient is reversed ever more strongly."""
        features = self.extractor(self.embedding(batch.tokens, batch.mask), batch.mask)  # [B, T, E] -> [B, D]
        output = Output(logits=self.mlp(features), features=features)
        if self.training and batch.domains is not None:
            # A tensor: a number that changes with each step would have a compiled network compiled anew each time.
            now = features.new_ones((), dtype=torch.float32) * progress
            strength = reversal_strength(now) if self.reversal is None else torch.full_like(now, self.reversal)
            guesses = self.domain_mlp(reverse_gradients(features, strength))  # [B, domains]
            output.losses["domain"] = self.domain_loss_weight * domain_loss(guesses, batch.domains, batch.weights)
        return output


def reversal_strength(progress: Tensor) -> Tensor:
    """Return the strength of the gradient reversal at a progress of training from 0 to 1: max(2/(1+e^(-10p))-1, 0.1).

    The schedule of Ganin & Lempitsky (ICML 2015), with the least strength of ENDEF's code.
    """
    return (2.0 / (1.0 + torch.exp(-10.0 * progress)) - 1.0).clamp(min=LEAST_REVERSAL)


def domain_loss(guesses: Tensor, domains: Tensor, weights: Tensor) -> Tensor:
    """Return the mean cross-entropy of the domains that are known, a scalar; 0 where none is.

    Args:
        guesses: Logits [B, domains].
        domains: [B], -1 where the domain is unknown.
        weights: [B], 0 for rows that only fill a process's share.
    """
    each = cross_entropy(guesses.float(), domains, ignore_index=-1, reduction="none")  # [B]
    known = weights * (domains >= 0)
    return (each * known).sum() / known.sum().clamp(min=1.0)
