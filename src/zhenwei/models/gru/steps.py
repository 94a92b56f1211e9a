"""One step of a bidirectional GRU, without its matrix products, in PyTorch operations, forward and backward.

    r = sigmoid(W_ir x + b_ir + W_hr h + b_hr)
    z = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
    n = tanh(W_in x + b_in + r * (W_hn h + b_hn))
    h' = (1 - z) * n + z * h

(Cho et al., EMNLP 2014, in PyTorch's variant, which applies r after the product.)

Shapes: N tokens, n of them at a step (see `Packing`), B rows, H hidden units. Directions come first: [2, ...].
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from zhenwei.models.gru.input_projection import InputProjection
from zhenwei.models.gru.packing import Packing

_tanh_backward = torch.ops.aten.tanh_backward.grad_input
_sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input


@dataclass(frozen=True)
class GRUBuffers:
    """Tensors that the steps read and write: those of all tokens in training, of one step in inference.

    Attributes:
        packing: The order of the tokens.
        gates: r, z and n, [2, N, 3H] or [2, B, 3H]. Before a step: W_ih x + b, unless `projection` has it. After the
            backward pass: the gradients of W_hh h.
        hidden_new: W_hn h + b_hn, [2, N, H] or [2, B, H]. After the backward pass: the gradient of the input of n.
        prev_hidden: The state h before each step, [2, N, H] or [2, B, H].
        b_hn: [2, H]; None in the backward pass, which does not need it.
        projection: W_ih x + b in factored form, where tokens share embeddings.
        keep_all: Whether the tensors hold all tokens.
        state_dtype: The type of the state from step to step.
    """

    packing: Packing
    gates: Tensor
    hidden_new: Tensor
    prev_hidden: Tensor
    b_hn: Tensor | None
    projection: InputProjection | None
    keep_all: bool
    state_dtype: torch.dtype

    def split_steps(self, tensor: Tensor) -> Sequence[Tensor]:
        """Return the steps [2, n, ...] of one of the tensors, all at once: slicing them one by one is slow."""
        sizes = self.packing.batch_sizes
        if tensor.shape[1] == self.packing.n_tokens:
            return torch.split(tensor, sizes, dim=1)
        return [tensor[:, :size] for size in sizes]

    def new_state(self, dtype: torch.dtype) -> Tensor:
        """Allocate a state [2, B, H]."""
        return self.gates.new_empty(2, self.packing.rows, self.hidden_new.shape[-1], dtype=dtype)


class ForwardSteps:
    """Forward steps: from W_hh h to r, z, n and the new state h."""

    def __init__(self, buffers: GRUBuffers, output: Tensor) -> None:
        """Start from states of zero.

        Args:
            buffers: What to read and write.
            output: [B * T * 2, H], receives the states, the two directions of a token one after the other.
        """
        self.buffers, self.output = buffers, output
        self._gates, self._hidden_new, self._prev_hidden = (
            buffers.split_steps(each) for each in (buffers.gates, buffers.hidden_new, buffers.prev_hidden)
        )
        self._h = buffers.new_state(buffers.state_dtype).zero_()
        self._output_index = _output_index(buffers.packing)
        self._projection = None
        if buffers.projection is not None:
            self._projection = _ProjectionSteps(buffers.projection, buffers.packing)

    def step(self, number: int, hidden_proj: Sequence[Tensor]) -> None:
        """Take a step, given W_hh h of both directions, [n, 3H] each."""
        gates, hidden_new = self._gates[number], self._hidden_new[number]
        hidden = hidden_new.shape[-1]
        if self._projection is not None:
            self._projection.write(number, gates)
        # In the state's type: a z close to 1 must not be rounded to 1.
        exact = gates.to(self.buffers.state_dtype)
        r, z, n = exact.chunk(3, dim=-1)
        products = torch.stack(list(hidden_proj))
        assert self.buffers.b_hn is not None
        exact[..., : 2 * hidden].add_(products[..., : 2 * hidden]).sigmoid_()
        torch.add(products[..., 2 * hidden :], self.buffers.b_hn.unsqueeze(1), out=hidden_new)
        n.addcmul_(r, hidden_new.to(exact.dtype)).tanh_()
        h = self._h[:, : hidden_new.shape[1]]
        torch.lerp(n, h, z, out=h)
        gates.copy_(exact)
        rounded = h.to(gates.dtype)
        self.output.index_copy_(0, self._output_index[number].flatten(), rounded.flatten(0, 1))
        if number + 1 < len(self._prev_hidden):
            continuing = self._prev_hidden[number + 1]
            continuing.copy_(rounded[:, : continuing.shape[1]])


class BackwardSteps:
    """Backward steps: the chain rule, gate by gate, in place."""

    def __init__(self, buffers: GRUBuffers, grad_output: Tensor) -> None:
        """Start after the last step.

        Args:
            buffers: What `ForwardSteps` kept.
            grad_output: [B * T * 2, H], the gradient of the states.
        """
        self._gates, self._hidden_new, self._prev_hidden = (
            buffers.split_steps(each) for each in (buffers.gates, buffers.hidden_new, buffers.prev_hidden)
        )
        self._grad_h = buffers.new_state(buffers.state_dtype).zero_()
        self._output_index = _output_index(buffers.packing)
        self._grad_output = grad_output

    def step(self, number: int, grad_hidden: Sequence[Tensor]) -> None:
        """Take a step back, given the gradients that reach h through W_hh of the next step, [n, H] each."""
        gates, hidden_new, prev_hidden = (each[number] for each in (self._gates, self._hidden_new, self._prev_hidden))
        grad_h = self._grad_h[:, : hidden_new.shape[1]]
        for total, more in zip(grad_h, grad_hidden, strict=True):
            total[: len(more)].add_(more)
        grad_h.add_(self._grad_output.index_select(0, self._output_index[number].flatten()).view_as(hidden_new))
        r, z, n = gates.chunk(3, dim=-1)
        rounded = grad_h.to(gates.dtype)
        grad_n = torch.addcmul(rounded, rounded, z, value=-1)
        _tanh_backward(grad_n, n, grad_input=grad_n)
        grad_z = torch.sub(prev_hidden, n).mul_(rounded)
        grad_h.mul_(z)  # passes to the previous state directly
        _sigmoid_backward(grad_z, z, grad_input=z)
        torch.mul(grad_n, r, out=n)
        _sigmoid_backward(hidden_new.mul_(grad_n), r, grad_input=r)
        hidden_new.copy_(grad_n)


def _output_index(packing: Packing) -> Sequence[Tensor]:
    """Return the positions of each step's states [2, n] among B * T * 2."""
    return torch.split(2 * packing.token_index + torch.arange(2).unsqueeze(1), packing.batch_sizes, dim=1)


class _ProjectionSteps:
    """Factored input projections, step by step."""

    def __init__(self, projection: InputProjection, packing: Packing) -> None:
        self._unique, self._positions = projection.unique_proj, projection.position_proj
        self._constant = projection.constant.unsqueeze(1)
        sizes = packing.batch_sizes
        self._unique_index = torch.split(projection.unique_index, sizes, dim=1)
        self._position_index, self._scale = None, None
        if projection.position_index is not None:
            self._position_index = torch.split(projection.position_index, sizes, dim=1)
        if projection.scale is not None:
            self._scale = torch.split(projection.scale.unsqueeze(-1), sizes, dim=1)

    def write(self, number: int, gates: Tensor) -> None:
        """Write the input projections of a step to gates [2, n, 3H]."""
        for direction, out in enumerate(gates):
            torch.index_select(self._unique, 0, self._unique_index[number][direction], out=out)
        if self._positions is not None and self._position_index is not None:
            gates.add_(self._positions[self._position_index[number]])
        if self._scale is None:
            gates.add_(self._constant)
        else:
            torch.addcmul(self._constant, gates, self._scale[number], out=gates)
