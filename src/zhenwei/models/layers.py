"""Layers that several detectors share."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from zhenwei.models.dropout import Dropout, is_tracing

PUBLISHED_KERNELS, PUBLISHED_FILTERS = (1, 2, 3, 5, 10), 64


class MaskAttention(nn.Module):
    """Attention pooling: score every token, softmax over the real ones, sum (ENDEF's and MDFEND's MaskAttention).

    A row without real tokens pools to zeros, with zero weights, never to NaN.
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
    """Head of the published detectors: Linear, ReLU, Dropout per hidden size, then Linear to one logit, or several."""

    def __init__(self, features: int, hidden_dims: Sequence[int], dropout: float, outputs: int = 1) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for hidden in hidden_dims:
            layers += [nn.Linear(features, hidden), nn.ReLU(), Dropout(dropout)]
            features = hidden
        self.layers = nn.Sequential(*layers, nn.Linear(features, outputs))
        self.outputs = outputs

    def forward(self, features: Tensor) -> Tensor:
        """Turn features [B, D] into logits [B], or [B, outputs] where there are several.

        Outside training, the head computes in the type of its weights even in mixed precision: it costs almost nothing,
        and logits in bf16 would have only 8 bits.
        """
        if self.training or is_tracing() or not torch.is_autocast_enabled(features.device.type):
            logits: Tensor = self.layers(features)
        else:
            with torch.autocast(features.device.type, enabled=False):
                logits = self.layers(features.to(next(self.parameters()).dtype))
        return logits.squeeze(-1) if self.outputs == 1 else logits


class CNNExtractor(nn.Module):
    """Convolutions of several widths with max-over-time pooling (Kim, EMNLP 2014; as in ENDEF and MDFEND).

    Only windows within the article count, so that padding never wins the maximum; an article shorter than a window is
    padded with zeros to one window. A row without tokens gives zeros.
    """

    def __init__(
        self, inputs: int, kernels: Sequence[int] = PUBLISHED_KERNELS, filters: int = PUBLISHED_FILTERS
    ) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv1d(inputs, filters, kernel) for kernel in kernels)
        self.features = filters * len(kernels)

    def forward(self, inputs: Tensor, mask: Tensor) -> Tensor:
        """Extract features.

        Args:
            inputs: [B, T, D].
            mask: [B, T] bool, True at real tokens, which come first in each row.

        Returns:
            [B, len(kernels) * filters], the filters of the first kernel first.
        """
        lengths = mask.sum(dim=1, keepdim=True)  # [B, 1]
        steps = torch.arange(inputs.shape[1], device=inputs.device)  # [T]
        columns = (inputs * mask.unsqueeze(-1)).transpose(1, 2)  # [B, D, T]
        pooled = []
        for convolution in self.convolutions:
            kernel = int(convolution.kernel_size[0])  # type: ignore[index]
            values = convolution(nn.functional.pad(columns, (0, kernel - 1)))  # [B, F, T], by first token
            within = steps < (lengths - kernel + 1).clamp(min=1)  # [B, T]
            values = values.masked_fill(~within.unsqueeze(1), torch.finfo(values.dtype).min)
            pooled.append(values.amax(dim=2))  # [B, F]
        return torch.cat(pooled, dim=1) * (lengths > 0)


class GradientReversal(torch.autograd.Function):
    """Identity whose gradient is multiplied by -strength (Ganin & Lempitsky, ICML 2015)."""

    @staticmethod
    def forward(context: Any, values: Tensor, strength: Tensor) -> Tensor:
        """Return the values."""
        context.save_for_backward(strength)
        return values.view_as(values)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """Return the gradient times -strength; the strength has none."""
        (strength,) = context.saved_tensors
        return -strength.to(gradients[0].dtype) * gradients[0], None


def reverse_gradients(values: Tensor, strength: Tensor) -> Tensor:
    """Return the values; the backward pass multiplies their gradient by -strength, a scalar."""
    reversed_values: Tensor = GradientReversal.apply(values, strength)  # type: ignore[no-untyped-call]
    return reversed_values


def masked_mean(inputs: Tensor, mask: Tensor) -> Tensor:
    """Average the real tokens of each article: [B, T, D] and a mask [B, T] -> [B, D]; no token gives zeros."""
    total = torch.bmm(mask.to(inputs.dtype).unsqueeze(1), inputs).squeeze(1)  # [B, D]
    return total / mask.sum(dim=1, keepdim=True).clamp(min=1).to(inputs.dtype)


def masked_max(inputs: Tensor, mask: Tensor) -> Tensor:
    """Take the largest of each feature over an article's real tokens: [B, T, D] -> [B, D]; no token gives zeros."""
    lowest = torch.finfo(inputs.dtype).min
    largest = inputs.masked_fill(~mask.unsqueeze(-1), lowest).amax(dim=1)  # [B, D]
    return torch.where(mask.any(dim=1, keepdim=True), largest, torch.zeros_like(largest))
