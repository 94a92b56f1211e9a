"""One bidirectional GRU layer on a CPU, forward and backward, in as few and as large products as there can be.

PyTorch's own layer on a CPU reads one direction after the other, records some fifteen operations for each token, and
adds up the gradient of the weights token by token. Here both directions take each step in one product, nothing is
recorded, padding is not read, and the gradient of each weight is one product over all tokens.

In the comments: N tokens, as `Packing` has them, B rows, T tokens of the longest, E features, H hidden units; the
directions stand first, [2, ...], and the second one reads each row from its end.
"""

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from zhenwei.models.gru_inputs import Inputs
from zhenwei.models.gru_kernels import reading, walking_back
from zhenwei.models.gru_steps import Room
from zhenwei.models.two_products import TwoProducts


class BiGRUFunction(torch.autograd.Function):
    """A GRU layer (Cho et al., EMNLP 2014; PyTorch's variant, which resets after the product) in both directions.

    ``apply(vectors, inputs, *weights)`` takes

    - vectors, from which
    - inputs: make what the gates hear;
    - weights: those of the one direction and then of the other, as `torch.nn.GRU` orders them: [3H, E], [3H, H], [3H]
      twice;

    and returns the states [B, T, 2H], zeros at padding. Products are taken, and what the way back needs is kept, in the
    type of the vectors, which is also that of the states; from step to step, a state is held in that of the weights. A
    graph can be walked back once.
    """

    @staticmethod
    def forward(ctx: Any, vectors: Tensor, inputs: Inputs, *weights: Tensor) -> Tensor:
        """Read all rows."""
        states, room = _read(vectors, inputs, weights, to_walk_back=True)
        ctx.save_for_backward(vectors, *weights, room.gates, room.heard, room.before)
        ctx.inputs = inputs
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Walk back from the last step of each direction; the gates' memory becomes that of their gradients."""
        vectors, *weights, gates, heard, before = ctx.saved_tensors
        inputs: Inputs = ctx.inputs
        w_ih, w_hh, _, b_hh = _paired(weights, vectors.dtype)
        hidden = w_hh.shape[-1]
        room = Room(
            inputs.packing, gates, heard, before, b_hh[:, 2 * hidden :], None, keeps=True, exact=weights[0].dtype
        )  # fmt: skip
        _walk_back(grad, room, w_hh)
        # From here on: `gates` holds the gradients of what the state says to r, z and n; `heard` that of what enters n.
        bias_hh = gates.sum(dim=1)  # [2, 3H]
        bias_ih = torch.cat([bias_hh[:, : 2 * hidden], heard.sum(dim=1)], dim=1)
        begun = sum(inputs.packing.batch_sizes[:1])  # the first step began with nothing
        grad_hh = [told.t() @ held for told, held in zip(gates[:, begun:], before[:, begun:], strict=True)]
        gates[..., 2 * hidden :] = heard  # now what enters r, z and n
        grad_ih, grad_vectors = inputs.gradients(vectors, w_ih, gates, bias_ih, of_vectors=ctx.needs_input_grad[0])
        grads = [each[way] for way in (0, 1) for each in (grad_ih, grad_hh, bias_ih, bias_hh)]
        return grad_vectors, None, *(each.to(weight.dtype) for each, weight in zip(grads, weights, strict=True))


def read_both_ways(vectors: Tensor, inputs: Inputs, weights: Sequence[Tensor]) -> Tensor:
    """Give the states [B, T, 2H] that `BiGRUFunction` gives, where no gradient is asked for: one step is kept."""
    return _read(vectors, inputs, weights, to_walk_back=False)[0]


def _read(
    vectors: Tensor, inputs: Inputs, weights: Sequence[Tensor], *, to_walk_back: bool
) -> tuple[Tensor, Room]:  # fmt: skip
    """Read all rows; return the states [B, T, 2H] and what the way back needs, if it is wanted."""
    packing = inputs.packing
    w_ih, w_hh, b_ih, b_hh = _paired(weights, vectors.dtype)
    hidden = w_hh.shape[-1]
    b_ih[:, : 2 * hidden] += b_hh[:, : 2 * hidden]
    gates, heard, before = _empty(vectors, inputs, hidden, to_walk_back)
    spoken = inputs.begin(vectors, w_ih, b_ih, gates)
    b_n = b_hh[:, 2 * hidden :].contiguous()
    room = Room(packing, gates, heard, before, b_n, spoken, keeps=to_walk_back, exact=weights[0].dtype)
    states = vectors.new_empty(packing.rows, packing.width, 2 * hidden)
    states.flatten(0, 1).index_fill_(0, packing.padding, 0)
    if not packing.batch_sizes:
        return states, room
    begun, product = room.by_step(before), TwoProducts(w_hh, packing.rows)
    begun[0].zero_()
    said: Sequence[Tensor] = [vectors.new_zeros(packing.batch_sizes[0], 3 * hidden)] * 2  # by states of zeros
    steps = reading(room, states.view(-1, hidden))
    for number in range(len(begun)):
        steps.step(number, product(begun[number]) if number else said)
    return states, room


def _walk_back(grad: Tensor, room: Room, weight: Tensor) -> None:
    """Turn what `_read` kept into gradients, in place, from the last step on."""
    if not room.packing.batch_sizes:
        return
    hidden = weight.shape[-1]
    gates, product = room.by_step(room.gates), TwoProducts(weight.transpose(1, 2), room.packing.rows)
    sent: Sequence[Tensor] = [grad.new_zeros(0, hidden)] * 2
    steps = walking_back(room, grad.contiguous().view(-1, hidden))
    for number in reversed(range(len(gates))):
        steps.step(number, sent)
        sent = product(gates[number]) if number else []


def _paired(weights: Sequence[Tensor], dtype: torch.dtype) -> list[Tensor]:
    """Lay the weights of the two directions above each other, in the type of the products."""
    pairs = [weight.new_empty(2, *weight.shape, dtype=dtype) for weight in weights[:4]]
    for number, weight in enumerate(weights):
        pairs[number % 4][number // 4] = weight
    return pairs


def _empty(vectors: Tensor, inputs: Inputs, hidden: int, to_walk_back: bool) -> list[Tensor]:
    """Return empty [2, N, 3H], [2, N, H] and [2, N, H]; what need not be kept has room for one step, [2, B, ...].

    All in one piece: a large one goes back to the system when it is free, where three would leave gaps.
    """
    packing = inputs.packing
    kept, not_kept = packing.n_tokens, packing.rows
    of_gates = kept if to_walk_back or inputs.all_at_once else not_kept
    others = kept if to_walk_back else not_kept
    shapes = [(2, of_gates, 3 * hidden), (2, others, hidden), (2, others, hidden)]
    numbers = [prod(shape) for shape in shapes]
    pieces = torch.split(vectors.new_empty(sum(numbers)), numbers)
    return [piece.view(shape) for piece, shape in zip(pieces, shapes, strict=True)]
