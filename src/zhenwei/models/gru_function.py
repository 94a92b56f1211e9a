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

_tanh_backward = torch.ops.aten.tanh_backward.grad_input
_sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input


class BiGRUFunction(torch.autograd.Function):
    """A GRU layer (Cho et al., EMNLP 2014; PyTorch's variant, which resets after the product) in both directions.

    ``apply(inputs, keep, *weights)`` takes

    - inputs: [T, B, E];
    - keep: for each of the first steps of the second direction, [B, 1]: 1 where a row has begun and 0 where it still
      reads padding, so that its state stays zero; none for the steps at which all rows have begun;
    - weights: those of the one direction and then of the other, as `torch.nn.GRU` orders them: [3H, E], [3H, H], [3H]
      twice;

    and returns the states [B, T, 2H]. Products are taken, and what the way back needs is kept, in the type of the
    inputs; the state itself is held in that of the weights. A graph can be walked back once.
    """

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, keep: list[Tensor], *weights: Tensor) -> Tensor:
        """Read all rows."""
        states, gates, heard, before = _read(inputs, keep, weights, to_walk_back=True)
        ctx.save_for_backward(inputs, *weights, gates, heard, before)
        ctx.keep = keep
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Walk back from the last step of each direction; the gates' memory becomes that of their gradients."""
        inputs, *weights, gates, heard, before = ctx.saved_tensors
        w_ih, w_hh, _, _ = _paired(weights, inputs.dtype)
        hidden = w_hh.shape[-1]
        _walk_back(grad, gates, heard, before, w_hh, ctx.keep)
        # From here on: `gates` holds the gradients of what the state says to r, z and n; `heard` that of what enters n.
        bias_hh = gates.sum(dim=(1, 2))  # [2, 3H]
        bias_ih = torch.cat([bias_hh[:, : 2 * hidden], heard.sum(dim=(1, 2))], dim=1)
        grad_hh = torch.bmm(gates.flatten(1, 2).transpose(1, 2), before.flatten(1, 2))
        gates[..., 2 * hidden :] = heard  # now what enters r, z and n
        entered = gates.flatten(1, 2)  # [2, T * B, 3H]
        read = (inputs.flatten(0, 1), inputs.flip(0).flatten(0, 1))  # [T * B, E] each
        grads = [
            each
            for way in (0, 1)
            for each in (entered[way].t() @ read[way], grad_hh[way], bias_ih[way], bias_hh[way])
        ]  # fmt: skip
        grad_inputs = None
        if ctx.needs_input_grad[0]:
            ahead, back = torch.bmm(entered, w_ih).view(2, *inputs.shape)
            grad_inputs = ahead.add_(back.flip(0))
        return grad_inputs, None, *(each.to(weight.dtype) for each, weight in zip(grads, weights, strict=True))


def read_both_ways(inputs: Tensor, keep: list[Tensor], weights: Sequence[Tensor]) -> Tensor:
    """Give the states [B, T, 2H] that `BiGRUFunction` gives, where no gradient is asked for: one step is kept."""
    return _read(inputs, keep, weights, to_walk_back=False)[0]


def _read(
    inputs: Tensor, keep: list[Tensor], weights: Sequence[Tensor], *, to_walk_back: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Read all rows; return the states [B, T, 2H] and, if they are wanted, what the way back needs.

    That is [2, T, B, ...] each: the gates r, z and n [3H], what the state said to n before the reset [H], and the
    states from which each step began [H].
    """
    steps, rows, _ = inputs.shape
    w_ih, w_hh, b_ih, b_hh = _paired(weights, inputs.dtype)
    hidden = w_hh.shape[-1]
    b_ih[:, : 2 * hidden] += b_hh[:, : 2 * hidden]
    b_n, weight = b_hh[:, None, 2 * hidden :], w_hh.transpose(1, 2)  # [2, 1, H], [2, H, 3H]
    gates, heard, before = _room(inputs, hidden, steps if to_walk_back else 1)
    _enter(inputs, w_ih, b_ih, gates)  # becomes r, z, n in place
    states = weights[0].new_empty(rows, steps, 2 * hidden)
    state = weights[0].new_zeros(2, rows, hidden)
    state_ahead, state_back = state.unbind(0)
    said = inputs.new_empty(2, rows, 3 * hidden)
    said_rz, said_n = said[..., : 2 * hidden], said[..., 2 * hidden :]
    reset_update = _steps(gates[..., : 2 * hidden])
    reset, update, new = (_steps(part) for part in gates.chunk(3, dim=-1))
    kept, begun = _steps(heard), _steps(before)
    past, future = states[..., :hidden].unbind(1), states[..., hidden:].unbind(1)
    for t in range(steps):
        torch.bmm(begun[t].copy_(state), weight, out=said)
        reset_update[t].add_(said_rz).sigmoid_()
        torch.add(said_n, b_n, out=kept[t])
        new[t].addcmul_(reset[t], kept[t]).tanh_()
        torch.lerp(new[t].to(state.dtype), state, update[t].to(state.dtype), out=state)
        if t < len(keep):
            state_back.mul_(keep[t])
        past[t].copy_(state_ahead)
        future[steps - 1 - t].copy_(state_back)
    return states, gates, heard, before


def _walk_back(grad: Tensor, gates: Tensor, heard: Tensor, before: Tensor, weight: Tensor, keep: list[Tensor]) -> None:
    """Turn what `_read` kept into gradients, in place, from the last step on.

    With h = n + z (h' - n), n = tanh(x_n + r s), r and z sigmoids of x + s: the chain rule, gate by gate. Of the gates,
    n becomes the gradient of s; what the state said to n becomes that of x_n.
    """
    _, steps, rows, hidden = heard.shape
    total = grad.new_zeros(2, rows, hidden)
    carry, first, second = (torch.empty_like(total) for _ in range(3))  # carry: what a state passes on to that before
    total_ahead, total_back = total.unbind(0)
    step_gates, said_n, begun = _steps(gates), _steps(heard), _steps(before)
    ahead, back = grad[..., :hidden].unbind(1), grad[..., hidden:].unbind(1)
    for t in reversed(range(steps)):
        total_ahead.add_(ahead[t])
        total_back.add_(back[steps - 1 - t])
        if t < len(keep):
            total_back.mul_(keep[t])
        whole, said = step_gates[t].to(grad.dtype), said_n[t].to(grad.dtype)
        reset, update, new = whole.chunk(3, dim=-1)
        torch.mul(total, update, out=carry)
        torch.sub(begun[t].to(grad.dtype), new, out=second).mul_(total)
        torch.sub(total, carry, out=first)
        _tanh_backward(first, new, grad_input=first)
        _sigmoid_backward(second, update, grad_input=update)
        torch.mul(first, reset, out=new)
        said.mul_(first)
        _sigmoid_backward(said, reset, grad_input=reset)
        said_n[t].copy_(first)
        step_gates[t].copy_(whole)
        if t:
            _add_product(carry, step_gates[t], weight, total)


def _add_product(start: Tensor, left: Tensor, right: Tensor, out: Tensor) -> None:
    """Put start + left @ right into `out`; the product's type may be coarser."""
    if start.dtype == left.dtype:
        torch.baddbmm(start, left, right, out=out)
    else:
        torch.add(start, torch.bmm(left, right), out=out)


def _paired(weights: Sequence[Tensor], dtype: torch.dtype) -> list[Tensor]:
    """Lay the weights of the two directions above each other, in the type of the products."""
    pairs = [weight.new_empty(2, *weight.shape, dtype=dtype) for weight in weights[:4]]
    for number, weight in enumerate(weights):
        pairs[number % 4][number // 4] = weight
    return pairs


def _room(inputs: Tensor, hidden: int, kept_steps: int) -> list[Tensor]:
    """Return empty [2, T, B, 3H], [2, T, B, H] and [2, T, B, H], the last two of which hold some steps in turn.

    All in one piece: a large one goes back to the system when it is free, where three would leave gaps.
    """
    steps, rows, _ = inputs.shape
    shapes = [(2, steps, rows, 3 * hidden), (2, kept_steps, rows, hidden), (2, kept_steps, rows, hidden)]
    sizes = [prod(shape) for shape in shapes]
    pieces = torch.split(inputs.new_empty(sum(sizes)), sizes)
    return [piece.view(shape).expand(2, steps, -1, -1) for piece, shape in zip(pieces, shapes, strict=True)]


def _enter(inputs: Tensor, weight: Tensor, bias: Tensor, gates: Tensor) -> None:
    """Put what inputs [T, B, E] say to the gates [2, T, B, 3H], each direction in the order in which it reads."""
    for way, read in enumerate((inputs, inputs.flip(0))):
        torch.addmm(bias[way], read.flatten(0, 1), weight[way].t(), out=gates[way].flatten(0, 1))


def _steps(tensor: Tensor) -> tuple[Tensor, ...]:
    """Return the steps [2, B, ...] of [2, T, B, ...], all at once: one by one they would take as long as the sums."""
    return tensor.unbind(1)
