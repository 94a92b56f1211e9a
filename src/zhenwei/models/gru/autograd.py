"""One bidirectional GRU layer on a CPU as one autograd function, in as few and as large products as possible.

PyTorch's own layer on a CPU reads one direction after the other, records some fifteen operations per token, and sums
the gradients of the weights token by token. Here both directions share each step's product, autograd records one node,
padding is not read, and the gradient of each weight is one product over all tokens.

Shapes: N tokens in the order of `Packing`, B rows, T tokens of the longest one, E features, H hidden units. Directions
come first: [2, ...]; the second one reads each row from its end.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from zhenwei.models.gru.buffers import BufferPool
from zhenwei.models.gru.cpu_kernels import backward_steps, forward_steps
from zhenwei.models.gru.input_projection import GRUInputs
from zhenwei.models.gru.int8 import forward_int8
from zhenwei.models.gru.steps import GRUBuffers

W_IH, W_HH, B_IH, B_HH = range(4)  # the weights of a direction in the order of `torch.nn.GRU`


class BiGRUFunction(torch.autograd.Function):
    """A GRU layer (Cho et al., EMNLP 2014; PyTorch's variant, see `steps.py`) in both directions.

    ``apply(vectors, inputs, pool, reuse_output, *weights)`` takes

    - vectors: what `inputs` projects;
    - inputs: computes the input projections;
    - pool: memory for what the backward pass needs;
    - reuse_output: True: memory for the returned states, too, which the next batch after the backward pass overwrites;
    - weights: those of the forward and then of the backward direction, in the order of `torch.nn.GRU`: [3H, E],
      [3H, H], [3H], [3H];

    and returns the states [B, T, 2H], zeros at padding. Products are computed, and tensors kept for the backward pass,
    in the type of the vectors, which is also that of the states; from step to step, a state has the type of the
    weights. A graph can be walked back once.
    """

    @staticmethod
    def forward(
        ctx: Any, vectors: Tensor, inputs: GRUInputs, pool: BufferPool, reuse_output: bool, *weights: Tensor
    ) -> Tensor:
        """Compute the states of all rows."""
        output, parts, ctx.acquired = _forward(vectors, inputs, weights, pool, reuse_output, keep_all=True)
        ctx.save_for_backward(vectors, *weights, *parts)
        ctx.inputs, ctx.pool = inputs, pool
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        """Backpropagate from the last step of each direction; the memory of the gates receives their gradients."""
        vectors, *weights, gates, hidden_new, prev_hidden, projected = ctx.saved_tensors
        inputs: GRUInputs = ctx.inputs
        hidden = hidden_new.shape[-1]
        with _stacked(weights, W_HH, vectors, ctx.pool) as w_hh:
            state_dtype = weights[0].dtype
            buffers = GRUBuffers(
                inputs.packing, gates, hidden_new, prev_hidden, None, None, keep_all=True, state_dtype=state_dtype
            )
            _run_backward_steps(grad_output, buffers, w_hh)
        # Now `gates` holds the gradients of W_hh h, and `hidden_new` the gradient of the input of n.
        grad_b_hh = gates.sum(dim=1)  # [2, 3H]
        grad_b_ih = torch.cat([grad_b_hh[:, : 2 * hidden], hidden_new.sum(dim=1)], dim=1)
        first = sum(inputs.packing.batch_sizes[:1])  # the first step starts from zeros
        grad_w_hh = [
            (grad.t() @ h).to(weight.dtype)
            for grad, h, weight in zip(gates[:, first:], prev_hidden[:, first:], weights[W_HH::4], strict=True)
        ]
        gates[..., 2 * hidden :] = hidden_new  # now the gradient of the input projections
        # A gradient that needs no conversion is returned as it is, and must not lie in pooled memory.
        spare = prev_hidden.view(-1) if vectors.dtype != weights[W_IH].dtype else prev_hidden.new_empty(0)
        with _stacked(weights, W_IH, vectors, ctx.pool) as w_ih:
            grad_w_ih, grad_vectors = inputs.backward(
                vectors, w_ih, gates, grad_b_ih, projected, spare, needs_vectors=ctx.needs_input_grad[0]
            )
        grads = [
            each[direction].to(weights[number].dtype)
            for direction in (0, 1)
            for number, each in enumerate((grad_w_ih, grad_w_hh, grad_b_ih, grad_b_hh))
        ]
        while ctx.acquired:  # also where the graph is retained
            ctx.pool.release(*ctx.acquired.popitem())
        return grad_vectors, None, None, None, *grads


def bigru_inference(
    vectors: Tensor, inputs: GRUInputs, weights: Sequence[Tensor], pool: BufferPool, *, reuse_output: bool = False
) -> Tensor:
    """Return the states [B, T, 2H] of `BiGRUFunction` without gradients, keeping one step in memory.

    Args:
        vectors: As in `BiGRUFunction`.
        inputs: As in `BiGRUFunction`.
        weights: As in `BiGRUFunction`.
        pool: As in `BiGRUFunction`.
        reuse_output: True: the next use of the pool overwrites the states.
    """
    output, _, acquired = _forward(vectors, inputs, weights, pool, reuse_output, keep_all=False)
    for name, buffer in acquired.items():
        pool.release(name, buffer)
    return output


def _forward(
    vectors: Tensor, inputs: GRUInputs, weights: Sequence[Tensor], pool: BufferPool, reuse_output: bool, *,
    keep_all: bool,
) -> tuple[Tensor, list[Tensor], dict[str, Tensor]]:  # fmt: skip
    """Compute the states [B, T, 2H]; also return the parts of the buffers, and what was acquired from the pool."""
    packing, hidden = inputs.packing, weights[W_HH].shape[-1]
    shapes = _buffer_shapes(inputs, hidden, keep_all=keep_all)
    sizes = [prod(shape) for shape in shapes]
    acquired = {"steps": pool.acquire("steps", sum(sizes), vectors)}
    pieces = torch.split(acquired["steps"][: sum(sizes)], sizes)
    parts = [piece.view(shape) for piece, shape in zip(pieces, shapes, strict=True)]
    shape = (packing.rows, packing.width, 2 * hidden)
    if reuse_output:
        acquired["output"] = pool.acquire("output", prod(shape), vectors)
    output = acquired["output"][: prod(shape)].view(shape) if reuse_output else vectors.new_empty(shape)
    output.flatten(0, 1).index_fill_(0, packing.padding, 0)
    gates, hidden_new, prev_hidden, projected = parts
    b_ih, b_hh = (_stack(weights, number, vectors.new_empty(2, 3 * hidden)) for number in (B_IH, B_HH))
    b_ih[:, : 2 * hidden] += b_hh[:, : 2 * hidden]
    with _stacked(weights, W_IH, vectors, pool) as w_ih:
        projection = inputs.project_inputs(vectors, w_ih, b_ih, gates, projected)
    b_hn = b_hh[:, 2 * hidden :].contiguous()
    buffers = GRUBuffers(
        packing, gates, hidden_new, prev_hidden, b_hn, projection, keep_all=keep_all, state_dtype=weights[0].dtype
    )
    if keep_all or not forward_int8(buffers, weights[W_HH::4], output.view(-1, hidden)):
        with _stacked(weights, W_HH, vectors, pool) as w_hh:
            _run_forward_steps(buffers, output, w_hh)
    return output, parts, acquired


def _run_forward_steps(buffers: GRUBuffers, output: Tensor, w_hh: Tensor) -> None:
    """Take all forward steps."""
    sizes, ends, h = buffers.packing.batch_sizes, buffers.packing.step_ends, buffers.prev_hidden
    if not sizes:
        return
    hidden, transposed = w_hh.shape[-1], w_hh.transpose(1, 2)
    h[:, : sizes[0]].zero_()
    hidden_proj: Sequence[Tensor] = [h.new_zeros(sizes[0], 3 * hidden)] * 2
    steps = forward_steps(buffers, output.view(-1, hidden))
    for number, size in enumerate(sizes):
        if number:
            first = ends[number - 1] if buffers.keep_all else 0
            hidden_proj = torch.bmm(h[:, first : first + size], transposed).unbind(0)
        steps.step(number, hidden_proj)


def _run_backward_steps(grad_output: Tensor, buffers: GRUBuffers, w_hh: Tensor) -> None:
    """Turn the buffers of `_run_forward_steps` into gradients, in place, from the last step on."""
    sizes, ends = buffers.packing.batch_sizes, buffers.packing.step_ends
    if not sizes:
        return
    hidden = w_hh.shape[-1]
    grad_hidden: Sequence[Tensor] = [grad_output.new_zeros(0, hidden)] * 2
    steps = backward_steps(buffers, grad_output.contiguous().view(-1, hidden))
    for number in reversed(range(len(sizes))):
        steps.step(number, grad_hidden)
        if number:
            grad_hidden = torch.bmm(buffers.gates[:, ends[number - 1] : ends[number]], w_hh).unbind(0)


def _stack(weights: Sequence[Tensor], number: int, out: Tensor) -> Tensor:
    """Copy a weight of both directions to out [2, ...]."""
    out[0], out[1] = weights[number::4]
    return out


@contextmanager
def _stacked(weights: Sequence[Tensor], number: int, like: Tensor, pool: BufferPool) -> Iterator[Tensor]:
    """Stack a weight of both directions in pooled memory, which every weight in turn uses."""
    with pool.borrow("weight", (2, *weights[number].shape), like) as buffer:
        yield _stack(weights, number, buffer)


def _buffer_shapes(inputs: GRUInputs, hidden: int, *, keep_all: bool) -> list[tuple[int, ...]]:
    """Return the shapes of gates, hidden_new, prev_hidden and the projected vectors.

    [2, N, 3H], [2, N, H], [2, N, H] and [M, 6H]; what is not kept has space for one step, [2, B, ...].
    """
    packing = inputs.packing
    n_gates = packing.n_tokens if keep_all or inputs.is_dense else packing.rows
    n_states = packing.n_tokens if keep_all else packing.rows
    return [(2, n_gates, 3 * hidden), (2, n_states, hidden), (2, n_states, hidden), (inputs.n_projected, 6 * hidden)]
