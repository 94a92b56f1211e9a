"""One bidirectional GRU layer on a CPU, forward and backward, in as few and as large products as there can be.

PyTorch's own layer on a CPU reads one direction after the other, records some fifteen operations for each token, and
adds up the gradient of the weights token by token. Here both directions take each step in one product, nothing is
recorded, padding is not read, and the gradient of each weight is one product over all tokens.

In the comments: N tokens, as `Packing` has them, B rows, T tokens of the longest, E features, H hidden units; the
directions stand first, [2, ...], and the second one reads each row from its end.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from zhenwei.models.gru.buffers import Workspace
from zhenwei.models.gru.cpu_kernels import reading, walking_back
from zhenwei.models.gru.input_projection import Inputs
from zhenwei.models.gru.int8 import read_in_int8
from zhenwei.models.gru.steps import Room

W_IH, W_HH, B_IH, B_HH = range(4)  # the weights of a direction, as `torch.nn.GRU` orders them


class BiGRUFunction(torch.autograd.Function):
    """A GRU layer (Cho et al., EMNLP 2014; PyTorch's variant, which resets after the product) in both directions.

    ``apply(vectors, inputs, *weights)`` takes

    - vectors, from which
    - inputs: make what the gates hear;
    - workspace: has memory for what the way back needs;
    - states_stay: False: it has memory for the states, too, in which a batch after the way back may compute;
    - weights: those of the one direction and then of the other, as `torch.nn.GRU` orders them: [3H, E], [3H, H], [3H]
      twice;

    and returns the states [B, T, 2H], zeros at padding. Products are taken, and what the way back needs is kept, in the
    type of the vectors, which is also that of the states; from step to step, a state is held in that of the weights. A
    graph can be walked back once.
    """

    @staticmethod
    def forward(
        ctx: Any, vectors: Tensor, inputs: Inputs, workspace: Workspace, states_stay: bool, *weights: Tensor
    ) -> Tensor:
        """Read all rows."""
        states, parts, ctx.taken = _read(vectors, inputs, weights, workspace, states_stay, to_walk_back=True)
        ctx.save_for_backward(vectors, *weights, *parts)
        ctx.inputs, ctx.workspace = inputs, workspace
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Walk back from the last step of each direction; the gates' memory becomes that of their gradients."""
        vectors, *weights, gates, heard, before, told = ctx.saved_tensors
        inputs: Inputs = ctx.inputs
        hidden = heard.shape[-1]
        with _paired(weights, W_HH, vectors, ctx.workspace) as w_hh:
            room = Room(inputs.packing, gates, heard, before, None, None, keeps=True, exact=weights[0].dtype)
            _walk_back(grad, room, w_hh)
        # From here on: `gates` holds the gradients of what the state says to r, z and n; `heard` that of what enters n.
        bias_hh = gates.sum(dim=1)  # [2, 3H]
        bias_ih = torch.cat([bias_hh[:, : 2 * hidden], heard.sum(dim=1)], dim=1)
        begun = sum(inputs.packing.batch_sizes[:1])  # the first step began with nothing
        grad_hh = [
            (to_gates.t() @ held).to(weight.dtype)
            for to_gates, held, weight in zip(gates[:, begun:], before[:, begun:], weights[W_HH::4], strict=True)
        ]
        gates[..., 2 * hidden :] = heard  # now what enters r, z and n
        # A gradient that need not be turned into another type is given away as it is: in memory of its own.
        spare = before.view(-1) if vectors.dtype != weights[W_IH].dtype else before.new_empty(0)
        with _paired(weights, W_IH, vectors, ctx.workspace) as w_ih:
            grad_ih, grad_vectors = inputs.gradients(
                vectors, w_ih, gates, bias_ih, told, spare, of_vectors=ctx.needs_input_grad[0]
            )
        grads = [
            each[way].to(weights[number].dtype)
            for way in (0, 1)
            for number, each in enumerate((grad_ih, grad_hh, bias_ih, bias_hh))
        ]  # fmt: skip
        while ctx.taken:  # who keeps the graph keeps no memory
            ctx.workspace.put(*ctx.taken.popitem())
        return grad_vectors, None, None, None, *grads


def read_both_ways(
    vectors: Tensor, inputs: Inputs, weights: Sequence[Tensor], workspace: Workspace, *, states_stay: bool = True
) -> Tensor:
    """Give the states [B, T, 2H] that `BiGRUFunction` gives, where no gradient is asked for: one step is kept.

    Args:
        vectors: As there.
        inputs: As there.
        weights: As there.
        workspace: As there.
        states_stay: False: whoever uses the workspace next overwrites them.
    """
    states, _, taken = _read(vectors, inputs, weights, workspace, states_stay, to_walk_back=False)
    for name, memory in taken.items():
        workspace.put(name, memory)
    return states


def _read(
    vectors: Tensor, inputs: Inputs, weights: Sequence[Tensor], workspace: Workspace, states_stay: bool, *,
    to_walk_back: bool,
) -> tuple[Tensor, list[Tensor], dict[str, Tensor]]:  # fmt: skip
    """Read all rows; return the states [B, T, 2H], the parts of the room, and what was taken of the workspace."""
    packing, hidden = inputs.packing, weights[W_HH].shape[-1]
    shapes = _room_shapes(inputs, hidden, to_walk_back=to_walk_back)
    numbers = [prod(shape) for shape in shapes]
    taken = {"room": workspace.take("room", sum(numbers), vectors)}
    pieces = torch.split(taken["room"][: sum(numbers)], numbers)
    parts = [piece.view(shape) for piece, shape in zip(pieces, shapes, strict=True)]
    shape = (packing.rows, packing.width, 2 * hidden)
    if not states_stay:
        taken["states"] = workspace.take("states", prod(shape), vectors)
    states = vectors.new_empty(shape) if states_stay else taken["states"][: prod(shape)].view(shape)
    states.flatten(0, 1).index_fill_(0, packing.padding, 0)
    gates, heard, before, told = parts
    b_ih, b_hh = (_pair(weights, number, vectors.new_empty(2, 3 * hidden)) for number in (B_IH, B_HH))
    b_ih[:, : 2 * hidden] += b_hh[:, : 2 * hidden]
    with _paired(weights, W_IH, vectors, workspace) as w_ih:
        spoken = inputs.begin(vectors, w_ih, b_ih, gates, told)
    b_n = b_hh[:, 2 * hidden :].contiguous()
    room = Room(packing, gates, heard, before, b_n, spoken, keeps=to_walk_back, exact=weights[0].dtype)
    if to_walk_back or not read_in_int8(room, weights[W_HH::4], states.view(-1, hidden)):
        with _paired(weights, W_HH, vectors, workspace) as w_hh:
            _read_steps(room, states, w_hh)
    return states, parts, taken


def _read_steps(room: Room, states: Tensor, weight: Tensor) -> None:
    """Take all steps."""
    packing, before, hidden = room.packing, room.before, weight.shape[-1]
    if not packing.batch_sizes:
        return
    transposed = weight.transpose(1, 2)
    before[:, : packing.batch_sizes[0]].zero_()
    said: Sequence[Tensor] = [before.new_zeros(packing.batch_sizes[0], 3 * hidden)] * 2  # by states of zeros
    steps = reading(room, states.view(-1, hidden))
    ends = packing.ends
    for number, rows in enumerate(packing.batch_sizes):
        if number:
            first = ends[number - 1] if room.keeps else 0
            said = torch.bmm(before[:, first : first + rows], transposed).unbind(0)
        steps.step(number, said)


def _walk_back(grad: Tensor, room: Room, weight: Tensor) -> None:
    """Turn what `_read` kept into gradients, in place, from the last step on."""
    if not room.packing.batch_sizes:
        return
    hidden = weight.shape[-1]
    sent: Sequence[Tensor] = [grad.new_zeros(0, hidden)] * 2
    steps = walking_back(room, grad.contiguous().view(-1, hidden))
    sizes, ends = room.packing.batch_sizes, room.packing.ends
    for number in reversed(range(len(sizes))):
        steps.step(number, sent)
        if number:
            sent = torch.bmm(room.gates[:, ends[number] - sizes[number] : ends[number]], weight).unbind(0)


def _pair(weights: Sequence[Tensor], number: int, into: Tensor) -> Tensor:
    """Lay a weight of the two directions above each other [2, ...], in the type of the products."""
    into[0], into[1] = weights[number::4]
    return into


@contextmanager
def _paired(weights: Sequence[Tensor], number: int, like: Tensor, workspace: Workspace) -> Iterator[Tensor]:
    """Do so in memory of the workspace, which is that of whichever weight is in use."""
    with workspace.lent("weight", (2, *weights[number].shape), like) as memory:
        yield _pair(weights, number, memory)


def _room_shapes(inputs: Inputs, hidden: int, *, to_walk_back: bool) -> list[tuple[int, ...]]:
    """Return the shapes of what `_read` computes in: [2, N, 3H], [2, N, H] and [2, N, H]; and [M, 6H].

    What need not be kept has room for one step, [2, B, ...].
    """
    packing = inputs.packing
    kept, not_kept = packing.n_tokens, packing.rows
    of_gates = kept if to_walk_back or inputs.all_at_once else not_kept
    others = kept if to_walk_back else not_kept
    return [(2, of_gates, 3 * hidden), (2, others, hidden), (2, others, hidden), (inputs.n_said, 6 * hidden)]
