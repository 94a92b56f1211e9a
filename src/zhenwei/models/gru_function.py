"""One bidirectional GRU layer on a CPU, forward and backward, in as few and as large products as there can be.

PyTorch's own layer on a CPU reads one direction after the other, records some fifteen operations for each token, and
adds up the gradient of the weights token by token. Here both directions take each step in one product, nothing is
recorded, and the gradient of each weight is one product over all tokens.

In the comments: T tokens, B rows, E features, H hidden units; the directions stand first, [2, ...], and the second one
reads from the last token to the first.
"""

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from zhenwei.models.gru_inputs import Inputs

_tanh_backward = torch.ops.aten.tanh_backward.grad_input
_sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input


class BiGRUFunction(torch.autograd.Function):
    """A GRU layer (Cho et al., EMNLP 2014; PyTorch's variant, which resets after the product) in both directions.

    ``apply(vectors, inputs, keep, *weights)`` takes

    - vectors: [N, E], from which
    - inputs: make what the gates hear;
    - keep: for each of the first steps of the second direction, [B, 1]: 1 where a row has begun and 0 where it still
      reads padding, so that its state stays zero; none for the steps at which all rows have begun;
    - weights: those of the one direction and then of the other, as `torch.nn.GRU` orders them: [3H, E], [3H, H], [3H]
      twice;

    and returns the states [B, T, 2H]. Products are taken, and what the way back needs is kept, in the type of the
    vectors, which is also that of the states; from step to step, a state is held in that of the weights. A graph can be
    walked back once.
    """

    @staticmethod
    def forward(ctx: Any, vectors: Tensor, inputs: Inputs, keep: list[Tensor], *weights: Tensor) -> Tensor:
        """Read all rows."""
        states, gates, heard, before = _read(vectors, inputs, keep, weights, to_walk_back=True)
        ctx.save_for_backward(vectors, *weights, gates, heard, before)
        ctx.inputs, ctx.keep = inputs, keep
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Walk back from the last step of each direction; the gates' memory becomes that of their gradients."""
        vectors, *weights, gates, heard, before = ctx.saved_tensors
        w_ih, w_hh, _, _ = _paired(weights, vectors.dtype)
        hidden = w_hh.shape[-1]
        _walk_back(grad, gates, heard, before, w_hh, weights[0].dtype, ctx.keep)
        # From here on: `gates` holds the gradients of what the state says to r, z and n; `heard` that of what enters n.
        bias_hh = gates.sum(dim=(1, 2))  # [2, 3H]
        bias_ih = torch.cat([bias_hh[:, : 2 * hidden], heard.sum(dim=(1, 2))], dim=1)
        grad_hh = torch.bmm(gates.flatten(1, 2).transpose(1, 2), before[:, :-1].flatten(1, 2))
        gates[..., 2 * hidden :] = heard  # now what enters r, z and n
        grad_ih, grad_vectors = ctx.inputs.gradients(vectors, w_ih, gates, bias_ih, of_vectors=ctx.needs_input_grad[0])
        grads = [each[way] for way in (0, 1) for each in (grad_ih, grad_hh, bias_ih, bias_hh)]
        return grad_vectors, None, None, *(each.to(weight.dtype) for each, weight in zip(grads, weights, strict=True))


def read_both_ways(vectors: Tensor, inputs: Inputs, keep: list[Tensor], weights: Sequence[Tensor]) -> Tensor:
    """Give the states [B, T, 2H] that `BiGRUFunction` gives, where no gradient is asked for: one step is kept."""
    return _read(vectors, inputs, keep, weights, to_walk_back=False)[0]


def _read(
    vectors: Tensor, inputs: Inputs, keep: list[Tensor], weights: Sequence[Tensor], *, to_walk_back: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Read all rows; return the states [B, T, 2H] and, if they are wanted, what the way back needs.

    That is [2, T, B, ...] each: the gates r, z and n [3H], what the state said to n before the reset [H], and the
    states from which each step began, and the last ones, [2, T + 1, B, H].
    """
    steps, rows = inputs.steps, inputs.rows
    w_ih, w_hh, b_ih, b_hh = _paired(weights, vectors.dtype)
    hidden = w_hh.shape[-1]
    b_ih[:, : 2 * hidden] += b_hh[:, : 2 * hidden]
    b_n, weight = b_hh[:, None, 2 * hidden :], w_hh.transpose(1, 2)  # [2, 1, H], [2, H, 3H]
    gates, heard, before = _room(vectors, inputs, hidden, to_walk_back)
    inputs.begin(vectors, w_ih, b_ih, gates)
    states = vectors.new_empty(rows, steps, 2 * hidden)
    said = vectors.new_empty(2, rows, 3 * hidden)
    said_rz, said_n = said[..., : 2 * hidden], said[..., 2 * hidden :]
    step_gates = _steps(gates)
    reset_update, update_new = _steps(gates[..., : 2 * hidden]), _steps(gates[..., hidden:])
    reset, update, new = (_steps(part) for part in gates.chunk(3, dim=-1))
    kept, begun = _steps(heard), _steps(before)
    past, future = states[..., :hidden].unbind(1), states[..., hidden:].unbind(1)
    begun[0].zero_()
    state = begun[0].to(weights[0].dtype)
    mixed = state.dtype != vectors.dtype
    exact = state.new_empty(2, rows, 2 * hidden if mixed else 0)  # z and n, in the type of the state
    exact_update, exact_new = exact.chunk(2, dim=-1)
    for t in range(steps):
        inputs.say(t, step_gates[t])
        torch.bmm(begun[t], weight, out=said)
        reset_update[t].add_(said_rz).sigmoid_()
        torch.add(said_n, b_n, out=kept[t])
        new[t].addcmul_(reset[t], kept[t]).tanh_()
        if mixed:
            exact.copy_(update_new[t])
            torch.lerp(exact_new, state, exact_update, out=state)
        else:
            state = torch.lerp(new[t], begun[t], update[t], out=begun[t + 1])
        if t < len(keep):
            state[1].mul_(keep[t])
        if mixed:
            begun[t + 1].copy_(state)
        ahead, back = begun[t + 1]
        past[t].copy_(ahead)
        future[steps - 1 - t].copy_(back)
    return states, gates, heard, before


def _walk_back(
    grad: Tensor, gates: Tensor, heard: Tensor, before: Tensor, weight: Tensor, exact: torch.dtype, keep: list[Tensor]
) -> None:
    """Turn what `_read` kept into gradients, in place, from the last step on.

    With h = n + z (h' - n), n = tanh(x_n + r s), r and z sigmoids of x + s: the chain rule, gate by gate. Of the gates,
    n becomes the gradient of s; what the state said to n becomes that of x_n. The gradient of the state is held in the
    type `exact`.
    """
    _, steps, rows, hidden = heard.shape
    total = grad.new_zeros(2, rows, hidden, dtype=exact)
    first, second = (heard.new_empty(2, rows, hidden) for _ in range(2))
    total_ahead, total_back = total.unbind(0)
    step_gates, said_n, begun = _steps(gates), _steps(heard), _steps(before)
    reset_steps, update_steps, new_steps = (_steps(part) for part in gates.chunk(3, dim=-1))
    ahead, back = grad[..., :hidden].unbind(1), grad[..., hidden:].unbind(1)
    for t in reversed(range(steps)):
        reset, update, new, said = reset_steps[t], update_steps[t], new_steps[t], said_n[t]
        total_ahead.add_(ahead[t])
        total_back.add_(back[steps - 1 - t])
        if t < len(keep):
            total_back.mul_(keep[t])
        coarse = total.to(gates.dtype)
        torch.addcmul(coarse, coarse, update, value=-1, out=first)
        _tanh_backward(first, new, grad_input=first)
        torch.sub(begun[t], new, out=second).mul_(coarse)
        total.mul_(update)  # what a state passes on to that before
        _sigmoid_backward(second, update, grad_input=update)
        torch.mul(first, reset, out=new)
        _sigmoid_backward(said.mul_(first), reset, grad_input=reset)
        said.copy_(first)
        if t:
            _add_product(total, step_gates[t], weight)


def _add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """Add left @ right to `total`; the product's type may be coarser."""
    if total.dtype == left.dtype:
        total.baddbmm_(left, right)
    else:
        total.add_(torch.bmm(left, right))


def _paired(weights: Sequence[Tensor], dtype: torch.dtype) -> list[Tensor]:
    """Lay the weights of the two directions above each other, in the type of the products."""
    pairs = [weight.new_empty(2, *weight.shape, dtype=dtype) for weight in weights[:4]]
    for number, weight in enumerate(weights):
        pairs[number % 4][number // 4] = weight
    return pairs


def _room(vectors: Tensor, inputs: Inputs, hidden: int, to_walk_back: bool) -> list[Tensor]:
    """Return empty [2, T, B, 3H], [2, T, B, H] and [2, T + 1, B, H]; what need not be kept shares the room of one step.

    All in one piece: a large one goes back to the system when it is free, where three would leave gaps.
    """
    steps, rows = inputs.steps, inputs.rows
    sizes = [3 * hidden, hidden, hidden]
    wanted = [steps, steps, steps + 1]
    kept = wanted if to_walk_back else [steps if inputs.all_at_once else 1, 1, 1]
    shapes = [(2, n_kept, rows, size) for n_kept, size in zip(kept, sizes, strict=True)]
    numbers = [prod(shape) for shape in shapes]
    pieces = torch.split(vectors.new_empty(sum(numbers)), numbers)
    return [
        piece.view(shape).expand(2, n_steps, -1, -1)
        for piece, shape, n_steps in zip(pieces, shapes, wanted, strict=True)
    ]  # fmt: skip


def _steps(tensor: Tensor) -> tuple[Tensor, ...]:
    """Return the steps [2, B, ...] of [2, T, B, ...], all at once: one by one they would take as long as the sums."""
    return tensor.unbind(1)
