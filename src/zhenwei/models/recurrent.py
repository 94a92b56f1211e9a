"""A bidirectional GRU over padded batches, in which padding never reaches the state."""

import torch
from torch import Tensor, nn


class MaskedBiGRU(nn.Module):
    """Stacked bidirectional GRU (Cho et al., EMNLP 2014) that reads every row as if it had no padding.

    The backward direction reads each row reversed within its own length, so that padding stays at the end in both
    directions and needs no packing: on a CPU, packed sequences take about three times as long as padded ones.
    """

    def __init__(self, features: int, hidden: int, num_layers: int, dropout: float) -> None:
        super().__init__()
        sizes = [features] + [2 * hidden] * (num_layers - 1)
        self.forward_layers = nn.ModuleList(nn.GRU(size, hidden, batch_first=True) for size in sizes)
        self.backward_layers = nn.ModuleList(nn.GRU(size, hidden, batch_first=True) for size in sizes)
        self.dropout = nn.Dropout(dropout)

    def forward(self, inputs: Tensor, mask: Tensor) -> Tensor:
        """Read each row both ways.

        Args:
            inputs: [B, T, D].
            mask: [B, T] bool, True at real tokens, which stand at the start of each row.

        Returns:
            [B, T, 2 * hidden]; what stands at padding has no meaning.
        """
        mirror = mirrored_positions(mask)
        outputs = inputs
        for depth, (ahead, back) in enumerate(zip(self.forward_layers, self.backward_layers, strict=True)):
            layer_inputs = self.dropout(outputs) if depth else outputs
            past, _ = ahead(layer_inputs)  # [B, T, H]
            future, _ = back(_reorder(layer_inputs, mirror))  # [B, T, H]
            outputs = torch.cat([past, _reorder(future, mirror)], dim=-1)  # [B, T, 2H]
        return outputs


def mirrored_positions(mask: Tensor) -> Tensor:
    """Return, for a mask [B, T], the positions [B, T] that reverse each row within its length; padding stays."""
    positions = torch.arange(mask.shape[1], device=mask.device)  # [T]
    mirrored = mask.sum(dim=1, keepdim=True) - 1 - positions  # [B, T]
    return torch.where(mask, mirrored, positions)


def _reorder(inputs: Tensor, positions: Tensor) -> Tensor:
    """Pick tokens of [B, T, D] by positions [B, T]."""
    return inputs.gather(1, positions.unsqueeze(-1).expand_as(inputs))
