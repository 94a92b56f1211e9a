"""Dropout whose random numbers cost a CPU little."""

import torch
from torch import Tensor, nn

_LEVELS = 2**16  # a random 64-bit number decides for four values
_INT64 = torch.iinfo(torch.int64)
_LOWEST = torch.iinfo(torch.int16).min


class Dropout(nn.Dropout):
    """Dropout (Srivastava et al., JMLR 2014), as `torch.nn.Dropout`; on a CPU some four times as fast.

    There PyTorch draws a number for each value, which for a small network takes a fifth of a training step. Here a
    value is kept by 16 bits of a random number, so that the rate is met to 1/131,072; what is kept is scaled by the
    rate that is. The numbers come from PyTorch's generator, whose state checkpoints hold.
    """

    def acts(self) -> bool:
        """Whether values are dropped at present."""
        return self.training and self.p > 0

    def forward(self, inputs: Tensor) -> Tensor:
        """Set a share of the values to zero, and scale up the others, while training; any shape."""
        if not self.training or not 0 < self.p < 1 or inputs.device.type != "cpu" or is_traced():
            return super().forward(inputs)
        dropped = round(self.p * _LEVELS)  # levels of 65,536 at which a value is dropped
        if dropped in (0, _LEVELS):
            return super().forward(inputs)
        return (inputs * _kept(inputs.shape, dropped)).mul_(_LEVELS / (_LEVELS - dropped))


def _kept(shape: torch.Size, dropped: int) -> Tensor:
    """Draw which values to keep; the numbers drawn are forgotten with the function, as they take half as much again."""
    numbers = torch.empty(-(-shape.numel() // 4), dtype=torch.int64).random_(_INT64.min, _INT64.max)
    levels = numbers.view(torch.int16)[: shape.numel()].view(shape)
    return levels >= _LOWEST + dropped


def is_traced() -> bool:
    """Whether a graph of the network is being made, rather than its numbers."""
    exporting = getattr(torch.compiler, "is_exporting", bool)  # since torch 2.7
    return torch.compiler.is_compiling() or exporting() or torch._C._get_tracing_state() is not None
