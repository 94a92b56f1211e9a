"""The products of two small matrices with two large ones, of which the large ones stay the same."""

from collections.abc import Sequence

import torch
from torch import Tensor

ROUNDED = 8  # rows: oneDNN compiles a product for each number of rows, and keeps it


class TwoProducts:
    """Multiply by two weights, time after time, on a CPU.

    In bf16 the processor multiplies by pairs of rows, which a product would lay side by side each time anew. oneDNN can
    keep the weights so laid, which saves a sixth of the time; PyTorch offers that to its own compiler alone
    (`torch.ops.mkldnn`, as Inductor calls it), so that where it is not found, an ordinary product is taken.
    """

    def __init__(self, weights: Tensor, rows: int) -> None:
        """Take over weights.

        Args:
            weights: [2, M, K], as those of `torch.nn.Linear`, but without gradients.
            rows: How many rows are multiplied at a time, about.
        """
        self._weights: Tensor | list[Tensor] = weights.transpose(1, 2)
        if weights.dtype == torch.bfloat16 and _can_pack():
            self._weights = [torch.ops.mkldnn._reorder_linear_weight(each, rows) for each in weights]

    def __call__(self, inputs: Tensor, first: int, rows: int) -> Sequence[Tensor]:
        """Multiply some rows of inputs [2, N, K], from the first on, each by its weight: [rows, M] twice."""
        if isinstance(self._weights, Tensor):
            return torch.bmm(inputs[:, first : first + rows], self._weights).unbind(0)
        rounded = inputs[:, first : first - (-rows // ROUNDED) * ROUNDED]  # what comes of rows behind is thrown away
        pairs = zip(rounded.unbind(0), self._weights, strict=True)
        linear = torch.ops.mkldnn._linear_pointwise
        return [linear(left, right, None, "none", [], "")[:rows] for left, right in pairs]


def _can_pack() -> bool:
    """Whether this PyTorch has what it takes."""
    return bool(torch.backends.mkldnn.enabled) and all(
        hasattr(torch.ops.mkldnn, name) for name in ("_reorder_linear_weight", "_linear_pointwise")
    )
