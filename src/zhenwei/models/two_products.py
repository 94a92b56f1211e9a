"""The products of two small matrices with two large ones, of which the large ones stay the same."""

from collections.abc import Sequence

import torch
from torch import Tensor


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

    def __call__(self, inputs: Tensor) -> Sequence[Tensor]:
        """Multiply inputs [2, n, K], each by its weight: [n, M] twice."""
        if isinstance(self._weights, Tensor):
            return torch.bmm(inputs, self._weights).unbind(0)
        pairs = zip(inputs.unbind(0), self._weights, strict=True)
        return [torch.ops.mkldnn._linear_pointwise(left, right, None, "none", [], "") for left, right in pairs]


def _can_pack() -> bool:
    """Whether this PyTorch has what it takes."""
    return bool(torch.backends.mkldnn.enabled) and all(
        hasattr(torch.ops.mkldnn, name) for name in ("_reorder_linear_weight", "_linear_pointwise")
    )
