"""One bidirectional GRU layer on a CPU, forward and backward, in as few and as large products as there can be.

PyTorch's own layer on a CPU reads one direction after the other, records some fifteen operations for each token, and
adds up the gradient of the weights token by token. Here both directions take each step in one product, nothing is
recorded, and the gradient of each weight is one product over all tokens.

In the comments: T tokens, B rows, E features, H hidden units; the directions stand first, [2, ...], and the second one
reads from the last token to the first.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_tanh_backward = torch.ops.aten.tanh_backward.grad_input
_sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input


class BiGRUFunction(torch.autograd.Function):
    """A GRU layer (Cho et al., EMNLP 2014; PyTorch's variant, which resets after the product) in both directions.

    ``apply(inputs, keep, w_ih, w_hh, b_ih, b_hh)`` takes

    - inputs: [2, T, B, E], each direction in the order in which it reads;
    - keep: for each of the first steps of the second direction, [B, 1]: 1 where a row has begun and 0 where it still
      reads padding, so that its state stays zero; none for the steps at which all rows have begun;
    - the weights as `torch.nn.GRU` names them, one direction above the other: [2, 3H, E], [2, 3H, H], [2, 3H] twice;

    and returns the states [2, T, B, H], each direction in the order in which it reads. Products are taken in the type
    of the inputs, states and gates are held in that of the weights. A graph can be walked back once.
    """

    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, keep: list[Tensor], w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor
    ) -> Tensor:
        """Read all rows."""
        _, steps, rows, _ = inputs.shape
        hidden, low = w_hh.shape[-1], inputs.dtype
        gates = _product(inputs, w_ih, b_ih).to(w_hh.dtype)  # [2, T, B, 3H]; becomes r, z, n in place
        states = gates.new_empty(2, steps + 1, rows, hidden)
        states[:, 0] = 0
        heard = gates.new_empty(2, steps, rows, hidden)  # what the state says to n, before the reset
        weight, bias = w_hh.to(low).transpose(1, 2), b_hh.to(low).unsqueeze(1)  # [2, H, 3H], [2, 1, 3H]
        said = inputs.new_empty(2, rows, 3 * hidden)
        said_rz, said_n = said[..., : 2 * hidden], said[..., 2 * hidden :]
        reset, update, new = (_steps(part) for part in _parts(gates))
        reset_update, kept, state = _steps(gates[..., : 2 * hidden]), _steps(heard), _steps(states)
        for t in range(steps):
            torch.baddbmm(bias, state[t].to(low), weight, out=said)
            reset_update[t].add_(said_rz).sigmoid_()
            new[t].addcmul_(reset[t], said_n).tanh_()
            torch.lerp(new[t], state[t], update[t], out=state[t + 1])
            if t < len(keep):
                state[t + 1][1].mul_(keep[t])
            kept[t].copy_(said_n)
        ctx.save_for_backward(inputs, w_ih, w_hh, gates, heard, states)
        ctx.keep = keep
        return states[:, 1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, None, Tensor, Tensor, Tensor, Tensor]:
        """Walk back from the last step of each direction; the gates' memory becomes that of their gradients."""
        inputs, w_ih, w_hh, gates, heard, states = ctx.saved_tensors
        hidden, low = w_hh.shape[-1], inputs.dtype
        _walk_back(grad, gates, heard, states, w_hh.to(low), ctx.keep)
        # From here on: `gates` holds the gradients of what enters r, z and n; `heard` that of what the state says to n.
        before = states[:, :-1].to(low).flatten(1, 2)  # [2, T * B, H]
        entered = gates.to(low).flatten(1, 2)  # [2, T * B, 3H]
        said_n = heard.to(low).flatten(1, 2)  # [2, T * B, H]
        grad_hh = w_hh.new_empty(w_hh.shape, dtype=low)
        torch.bmm(entered[..., : 2 * hidden].transpose(1, 2), before, out=grad_hh[:, : 2 * hidden])
        torch.bmm(said_n.transpose(1, 2), before, out=grad_hh[:, 2 * hidden :])
        grad_ih = torch.bmm(entered.transpose(1, 2), inputs.flatten(1, 2))
        bias_ih = gates.sum(dim=(1, 2))
        bias_hh = torch.cat([bias_ih[:, : 2 * hidden], heard.sum(dim=(1, 2))], dim=1)
        grad_inputs = None
        if ctx.needs_input_grad[0]:
            grad_inputs = torch.bmm(entered, w_ih.to(low)).view(inputs.shape)
        return grad_inputs, None, grad_ih.to(w_ih.dtype), grad_hh.to(w_hh.dtype), bias_ih, bias_hh


def _walk_back(grad: Tensor, gates: Tensor, heard: Tensor, states: Tensor, weight: Tensor, keep: list[Tensor]) -> None:
    """Turn gates [2, T, B, 3H] and what n heard [2, T, B, H] into their gradients, in place, from the last step on.

    With h = n + z (h' - n), n = tanh(x_n + r s), r and z sigmoids of x + s: the chain rule, gate by gate.
    """
    _, steps, rows, hidden = heard.shape
    low = weight.dtype
    reset, update, new = (_steps(part) for part in _parts(gates))
    reset_update, said_n, state, grads = _steps(gates[..., : 2 * hidden]), _steps(heard), _steps(states), _steps(grad)
    weight_rz, weight_n = weight[:, : 2 * hidden], weight[:, 2 * hidden :]
    total, first, second = (gates.new_empty(2, rows, hidden) for _ in range(3))
    carry = gates.new_zeros(2, rows, hidden)  # what a state owes to the steps after it
    for t in reversed(range(steps)):
        torch.add(carry, grads[t], out=total)
        if t < len(keep):
            total[1].mul_(keep[t])
        torch.mul(total, update[t], out=carry)
        torch.sub(state[t], new[t], out=second).mul_(total)
        torch.sub(total, carry, out=first)
        _tanh_backward(first, new[t], grad_input=new[t])
        _sigmoid_backward(second, update[t], grad_input=update[t])
        torch.mul(new[t], said_n[t], out=first)
        torch.mul(new[t], reset[t], out=said_n[t])
        _sigmoid_backward(first, reset[t], grad_input=reset[t])
        if not t:
            break
        if low == carry.dtype:
            carry.baddbmm_(reset_update[t], weight_rz).baddbmm_(said_n[t], weight_n)
        else:
            carry += torch.bmm(reset_update[t].to(low), weight_rz)
            carry += torch.bmm(said_n[t].to(low), weight_n)


def _product(inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return what inputs [2, T, B, E] say to the gates [2, T, B, 3H], in the type of the inputs."""
    low = inputs.dtype
    product = torch.baddbmm(bias.to(low).unsqueeze(1), inputs.flatten(1, 2), weight.to(low).transpose(1, 2))
    return product.view(*inputs.shape[:-1], -1)


def _parts(gates: Tensor) -> tuple[Tensor, ...]:
    """Return r, z and n [2, T, B, H] of gates [2, T, B, 3H]."""
    return gates.view(*gates.shape[:-1], 3, -1).unbind(-2)


def _steps(tensor: Tensor) -> tuple[Tensor, ...]:
    """Return the steps [2, B, ...] of [2, T, B, ...], all at once: one by one they would take as long as the sums."""
    return tensor.unbind(1)
