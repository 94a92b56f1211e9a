"""The tokens of a padded batch without its padding, step by step, as a recurrent layer reads them."""

from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor


@dataclass(frozen=True)
class Packing:
    """How N real tokens of a batch [B, T] follow each other: of all rows the first one, then of all the second one.

    Rows stand longest first, so that those which go on at a step are the first ones: the order of PyTorch's
    `PackedSequence`. Read from its own end, each row has its tokens at the same steps, in the other order.

    Attributes:
        rows: B.
        width: T.
        batch_sizes: How many rows are read at each step; none that is 0.
        places: [2, N] int64, for both directions: which of the B * T tokens is read.
        padding: [B * T - N] int64, which tokens are not read.
        mirror: [N] int64, where a token that the one direction reads stands in the order of the other.
    """

    rows: int
    width: int
    batch_sizes: list[int]
    places: Tensor
    padding: Tensor
    mirror: Tensor

    @classmethod
    def of(cls, mask: Tensor) -> "Packing":
        """Pack the real tokens of a mask [B, T] bool, which stand at the start of each row."""
        rows, width = mask.shape
        lengths, order = mask.sum(dim=1).sort(descending=True, stable=True)
        in_order = torch.arange(width).unsqueeze(1) < lengths  # [T, B]
        step, rank = in_order.nonzero(as_tuple=True)  # [N]
        sizes = in_order.sum(dim=1)  # [T]
        mirror = (sizes.cumsum(0) - sizes)[lengths[rank] - 1 - step] + rank
        places = order[rank] * width + step
        padding = (~mask).flatten().nonzero().squeeze(1)
        return cls(rows, width, sizes[sizes > 0].tolist(), torch.stack([places, places[mirror]]), padding, mirror)

    @property
    def n_tokens(self) -> int:
        """N."""
        return len(self.mirror)

    @property
    def ends(self) -> list[int]:
        """Where each step ends among the N tokens."""
        return list(accumulate(self.batch_sizes))

    def both_ways(self, of_tokens: Tensor) -> Tensor:
        """Pick from [B, T] what belongs to each token, as the directions read it: [2, N]."""
        return of_tokens.flatten()[self.places]
