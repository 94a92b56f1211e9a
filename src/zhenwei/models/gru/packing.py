"""The real tokens of a padded batch in the order in which a recurrent layer reads them, step by step."""

from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor


@dataclass(frozen=True)
class Packing:
    """The order of the N real tokens of a batch [B, T]: first tokens of all rows, then second tokens, and so on.

    Rows are sorted by length, longest first, so that the rows that continue at a step are the first ones: the order of
    PyTorch's `PackedSequence`. The backward direction reads each row from its own end, in the same steps.

    Attributes:
        rows: B.
        width: T.
        batch_sizes: Number of rows at each step; never 0.
        token_index: [2, N] int64, by direction: the position of each token among the B * T tokens of the batch.
        padding: [B * T - N] int64, the positions of padding.
        mirror: [N] int64, for each token of one direction, its position in the order of the other.
    """

    rows: int
    width: int
    batch_sizes: list[int]
    token_index: Tensor
    padding: Tensor
    mirror: Tensor

    @classmethod
    def from_mask(cls, mask: Tensor) -> "Packing":
        """Pack the real tokens of a mask [B, T] bool, which come first in each row."""
        rows, width = mask.shape
        lengths, order = mask.sum(dim=1).sort(descending=True, stable=True)
        sorted_mask = torch.arange(width).unsqueeze(1) < lengths  # [T, B]
        step, rank = sorted_mask.nonzero(as_tuple=True)  # [N]
        sizes = sorted_mask.sum(dim=1)  # [T]
        mirror = (sizes.cumsum(0) - sizes)[lengths[rank] - 1 - step] + rank
        forward = order[rank] * width + step
        padding = (~mask).flatten().nonzero().squeeze(1)
        token_index = torch.stack([forward, forward[mirror]])
        return cls(rows, width, sizes[sizes > 0].tolist(), token_index, padding, mirror)

    @property
    def n_tokens(self) -> int:
        """N."""
        return len(self.mirror)

    @property
    def step_ends(self) -> list[int]:
        """End of each step among the N tokens."""
        return list(accumulate(self.batch_sizes))

    def gather(self, values: Tensor) -> Tensor:
        """Pick the values [B, T] of all tokens in the order of each direction: [2, N]."""
        return values.flatten()[self.token_index]
