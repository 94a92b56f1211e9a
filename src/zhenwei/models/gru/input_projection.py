"""Input projections of a bidirectional GRU, W_ih x + b, and their gradients, in as few products as possible.

A batch of posts has few unique tokens. Where the embeddings of tokens factor into those of unique tokens, positions and
a scale (`FactoredEmbeddings`), only the factors are multiplied by W_ih, and gathered at each step.

Shapes: N tokens in the order of `Packing`, E features, H hidden units, M projected vectors. Directions come first:
[2, ...]; the second one reads each row from its end.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from zhenwei.models.gru.packing import Packing
from zhenwei.models.gru.segment_sum import segment_sum


@dataclass(frozen=True)
class FactoredEmbeddings:
    """Embeddings [B, T, D] of the form ``scale * (unique[index] + positions) + shift``.

    Attributes:
        unique: [U, D], one vector per unique token.
        index: [B, T] int64, the unique token at each place.
        positions: [T, D] or longer, added by position; None: nothing.
        scale: [B, T]; None: 1.
        shift: [D], added to all; None: nothing.
    """

    unique: Tensor
    index: Tensor
    positions: Tensor | None = None
    scale: Tensor | None = None
    shift: Tensor | None = None

    def select(self, rows: Tensor, width: int) -> "FactoredEmbeddings":
        """Return the first tokens of some rows [b]: [b, width], with the same unique tokens."""
        scale = None if self.scale is None else self.scale[rows, :width]
        return FactoredEmbeddings(self.unique, self.index[rows, :width], self.positions, scale, self.shift)

    def dense(self) -> Tensor:
        """Return the embeddings themselves [B, T, D]."""
        vectors = self.unique[self.index]
        if self.positions is not None:
            vectors = vectors + self.positions[: vectors.shape[1]]
        if self.scale is not None:
            vectors = vectors * self.scale.unsqueeze(-1)
        return vectors if self.shift is None else vectors + self.shift


@dataclass(frozen=True)
class InputProjection:
    """Input projections: ``scale * (unique_proj[unique_index] + position_proj[position_index]) + constant``.

    Attributes:
        unique_proj: [2 * U, 3H], the two directions of each unique token.
        unique_index: [2, N] int64.
        constant: [2, 3H].
        position_proj: [2 * T, 3H], the two directions of each position; None: nothing.
        position_index: [2, N] int64.
        scale: [2, N]; None: 1.
    """

    unique_proj: Tensor
    unique_index: Tensor
    constant: Tensor
    position_proj: Tensor | None = None
    position_index: Tensor | None = None
    scale: Tensor | None = None


class DenseInputs:
    """One vector per token: vectors [B * T, E], padding included.

    Attributes:
        packing: The order of the tokens.
        is_dense: Whether all input projections are written to the gates before the first step, and not gathered at each
            step.
        n_projected: M, the number of projected vectors to allocate; 0 where none are needed.
    """

    is_dense = True
    n_projected = 0

    def __init__(self, packing: Packing) -> None:
        self.packing = packing

    def project_inputs(
        self, vectors: Tensor, w_ih: Tensor, bias: Tensor, gates: Tensor, projected: Tensor
    ) -> InputProjection | None:
        """Multiply the vectors by W_ih [2, 3H, E], and write all projections to the gates [2, N, 3H]."""
        for direction, inputs in enumerate(self._gather(vectors)):
            torch.addmm(bias[direction], inputs, w_ih[direction].t(), out=gates[direction])
        return None

    def backward(
        self, vectors: Tensor, w_ih: Tensor, grad_gates: Tensor, grad_bias: Tensor, projected: Tensor, spare: Tensor,
        *, needs_vectors: bool,
    ) -> tuple[Tensor, Tensor | None]:  # fmt: skip
        """Return the gradients of W_ih [2, 3H, E] and, if needed, of the vectors.

        Args:
            vectors: As in `project_inputs`.
            w_ih: [2, 3H, E].
            grad_gates: [2, N, 3H], the gradient of the input projections.
            grad_bias: [2, 3H], its sum over all tokens.
            projected: As in `project_inputs`; may be overwritten.
            spare: [any size], of the vectors' type: memory that may be overwritten and returned.
            needs_vectors: Whether the gradient of the vectors is needed.
        """
        pairs = zip(grad_gates, self._gather(vectors), strict=True)
        grad_w_ih = torch.stack([grad.t() @ inputs for grad, inputs in pairs])
        if not needs_vectors:
            return grad_w_ih, None
        forward, backward = torch.bmm(grad_gates, w_ih)
        forward += backward.index_select(0, self.packing.mirror)
        return grad_w_ih, torch.zeros_like(vectors).index_copy_(0, self.packing.token_index[0], forward)

    def _gather(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Pick the real tokens in the order of each direction: [N, E] twice."""
        forward = vectors.index_select(0, self.packing.token_index[0])
        return forward, forward.index_select(0, self.packing.mirror)


class UniqueTokenInputs:
    """Factored embeddings: vectors [U + T + 1, E] of the unique tokens, then positions and shift.

    Each of them is projected once, and gathered at each step. The attributes are those of `DenseInputs`.
    """

    is_dense = False

    def __init__(
        self, embeddings: FactoredEmbeddings, packing: Packing, dtype: torch.dtype, *, is_projected: bool = False
    ) -> None:
        """Prepare the indices.

        Args:
            embeddings: The embeddings.
            packing: The order of the tokens.
            dtype: The type of the products.
            is_projected: Whether the vectors are the projected ones, [U + T + 1, 6H]: in inference, parts of a batch
                share the product.
        """
        self.packing = packing
        self.n_unique = len(embeddings.unique)
        self.n_positions = 0 if embeddings.positions is None else len(embeddings.positions)
        self.has_shift = embeddings.shift is not None
        self.is_projected = is_projected
        self.n_projected = 0 if is_projected else self.n_unique + self.n_positions + int(self.has_shift)
        # The two directions of a projected vector are adjacent rows.
        self.unique_index = _by_direction(packing.gather(embeddings.index))
        self.position_index = _by_direction(packing.token_index % packing.width) if self.n_positions else None
        self.scale = None if embeddings.scale is None else packing.gather(embeddings.scale.to(dtype))

    @staticmethod
    def vectors(embeddings: FactoredEmbeddings, dtype: torch.dtype) -> Tensor:
        """Concatenate unique tokens, positions and shift in a type: [U + T + 1, E], without those that are None."""
        shift = None if embeddings.shift is None else embeddings.shift.unsqueeze(0)
        parts = (embeddings.unique, embeddings.positions, shift)
        return torch.cat([part.to(dtype) for part in parts if part is not None])

    def project_inputs(
        self, vectors: Tensor, w_ih: Tensor, bias: Tensor, gates: Tensor, projected: Tensor
    ) -> InputProjection | None:
        """Multiply the vectors by W_ih [2, 3H, E]; return the products, in `projected` [M, 6H], with their indices."""
        products = vectors if self.is_projected else torch.mm(vectors, w_ih.flatten(0, 1).t(), out=projected)
        unique, positions, shift = self._split(products)
        size = bias.shape[1]
        return InputProjection(
            unique.view(-1, size),
            self.unique_index,
            bias + shift.sum(dim=0).view(2, -1),
            positions.view(-1, size) if self.n_positions else None,
            self.position_index,
            self.scale,
        )

    def backward(
        self, vectors: Tensor, w_ih: Tensor, grad_gates: Tensor, grad_bias: Tensor, projected: Tensor, spare: Tensor,
        *, needs_vectors: bool,
    ) -> tuple[Tensor, Tensor | None]:  # fmt: skip
        """Sum the gradients of each projected vector, and go back through the product; see `DenseInputs.backward`."""
        grad_unique, grad_positions, grad_shift = self._split(projected)
        scale = None if self.scale is None else self.scale.flatten()
        width = grad_gates.shape[-1]
        segment_sum(grad_gates.flatten(0, 1), self.unique_index.flatten(), scale, grad_unique.view(-1, width))
        if self.position_index is not None:
            segment_sum(grad_gates.flatten(0, 1), self.position_index.flatten(), scale, grad_positions.view(-1, width))
        grad_shift.copy_(grad_bias.view(1, -1))
        memory = spare[: w_ih.numel()] if w_ih.numel() <= len(spare) else torch.empty_like(w_ih)
        grad_w_ih = torch.mm(projected.t(), vectors, out=memory.view(-1, w_ih.shape[-1]))
        return grad_w_ih.view_as(w_ih), projected @ w_ih.flatten(0, 1) if needs_vectors else None

    def _split(self, projected: Tensor) -> Sequence[Tensor]:
        """Split [U + T + 1, ...] into unique tokens, positions and shift; each may be empty."""
        return torch.split(projected, [self.n_unique, self.n_positions, int(self.has_shift)])


GRUInputs = DenseInputs | UniqueTokenInputs
"""Computes input projections from vectors, the tensor that autograd tracks, and their gradients."""


def _by_direction(index: Tensor) -> Tensor:
    """Turn an index [2, N] of projected vectors [M, 6H] into an index of their directions [2 * M, 3H]."""
    return 2 * index + torch.arange(2).unsqueeze(1)
