"""Layers that several detectors share."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class MaskAttention(nn.Module):
    """Attention pooling: score every token, softmax over the real ones, sum (ENDEF's and MDFEND's MaskAttention).

    A row without any real token pools to zeros, with zero weights, never to NaN.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.score = nn.Linear(features, 1)

    def forward(self, inputs: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Pool the tokens of each article.

        Args:
            inputs: [B, T, D].
            mask: [B, T] bool, True at real tokens.

        Returns:
            The pooled features [B, D] and the weights [B, T].
        """
        scores = self.score(inputs).squeeze(-1).float()  # [B, T]; in float32: bf16 softmax loses small weights
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
        weights = torch.softmax(scores, dim=-1) * mask  # [B, T]
        pooled = torch.bmm(weights.to(inputs.dtype).unsqueeze(1), inputs).squeeze(1)  # [B, D]
        return pooled, weights


class MLP(nn.Module):
    """Head of the published detectors: Linear, ReLU, Dropout per hidden size, then Linear to one logit."""

    def __init__(self, features: int, hidden_dims: Sequence[int], dropout: float) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for hidden in hidden_dims:
            layers += [nn.Linear(features, hidden), nn.ReLU(), nn.Dropout(dropout)]
            features = hidden
        self.layers = nn.Sequential(*layers, nn.Linear(features, 1))

    def forward(self, features: Tensor) -> Tensor:
        """Turn features [B, D] into logits [B]."""
        logits: Tensor = self.layers(features).squeeze(-1)
        return logits


def masked_mean(inputs: Tensor, mask: Tensor) -> Tensor:
    """Average the real tokens of each article: [B, T, D] and a mask [B, T] -> [B, D]; no token gives zeros."""
    total = torch.bmm(mask.to(inputs.dtype).unsqueeze(1), inputs).squeeze(1)  # [B, D]
    return total / mask.sum(dim=1, keepdim=True).clamp(min=1).to(inputs.dtype)
