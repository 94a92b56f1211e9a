"""One step of a bidirectional GRU between its matrix products, forward and backward, by PyTorch's operations.

In the comments: N tokens and n rows at a step, as `Packing` has them, B rows, H hidden units; the directions stand
first, [2, ...].
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from zhenwei.models.gru.input_projection import Spoken
from zhenwei.models.gru.packing import Packing

_tanh_backward = torch.ops.aten.tanh_backward.grad_input
_sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input


@dataclass(frozen=True)
class Room:
    """Where the steps read and write. What the way back needs is kept of all tokens, or else of one step.

    Attributes:
        packing: The order of the tokens.
        gates: r, z and n, [2, N, 3H] or [2, B, 3H]. All that the gates hear stands there unless `spoken` has it. On
            the way back: the gradients of what the state says to them.
        heard: What the state said to n before the reset, [2, N, H] or [2, B, H]. On the way back: the gradient of what
            enters n.
        before: The states from which each step began, [2, N, H] or [2, B, H].
        bias: [2, H], what the state says to n in any case; None on the way back, which has no use for it.
        spoken: What the tokens say, if they share it.
        keeps: Whether all is kept.
        exact: The type of the state from step to step.
    """

    packing: Packing
    gates: Tensor
    heard: Tensor
    before: Tensor
    bias: Tensor | None
    spoken: Spoken | None
    keeps: bool
    exact: torch.dtype

    def by_step(self, tensor: Tensor) -> Sequence[Tensor]:
        """Return the steps [2, n, ...] of one of these, all at once: one by one they would take as long as the sums."""
        sizes = self.packing.batch_sizes
        if tensor.shape[1] == self.packing.n_tokens:
            return torch.split(tensor, sizes, dim=1)
        return [tensor[:, :size] for size in sizes]

    def slots(self, size: int, dtype: torch.dtype) -> Tensor:
        """Make room for something of each row at one step: [2, B, size]."""
        return self.gates.new_empty(2, self.packing.rows, size, dtype=dtype)


class Reading:
    """The steps of a GRU, r, z = sigmoid(x + s) and n = tanh(x + r s), to the state n + z (h - n)."""

    def __init__(self, room: Room, states: Tensor) -> None:
        """Begin with states of zero.

        Args:
            room: Where to read and write.
            states: [B * T * 2, H], where the states go, those of the directions one after the other.
        """
        self.room, self.states = room, states
        hidden = room.heard.shape[-1]
        self._gates, self._heard, self._before = (room.by_step(each) for each in (room.gates, room.heard, room.before))
        self._state = room.slots(hidden, room.exact).zero_()
        self._places = _state_places(room.packing)
        self._spoken = None if room.spoken is None else _SpokenByStep(room.spoken, room.packing)

    def step(self, number: int, said: Sequence[Tensor]) -> None:
        """Take a step, where the products of state and weight are [n, 3H] twice."""
        gates, kept = self._gates[number], self._heard[number]
        hidden = kept.shape[-1]
        if self._spoken is not None:
            self._spoken.say(number, gates)
        # A gate that lets next to nothing through must not be rounded to one that is shut.
        exact = gates.to(self.room.exact)
        reset, update, new = exact.chunk(3, dim=-1)
        told = torch.stack(list(said))
        assert self.room.bias is not None
        exact[..., : 2 * hidden].add_(told[..., : 2 * hidden]).sigmoid_()
        torch.add(told[..., 2 * hidden :], self.room.bias.unsqueeze(1), out=kept)
        new.addcmul_(reset, kept.to(exact.dtype)).tanh_()
        state = self._state[:, : kept.shape[1]]
        torch.lerp(new, state, update, out=state)
        gates.copy_(exact)
        coarse = state.to(gates.dtype)
        self.states.index_copy_(0, self._places[number].flatten(), coarse.flatten(0, 1))
        if number + 1 < len(self._before):
            going_on = self._before[number + 1]
            going_on.copy_(coarse[:, : going_on.shape[1]])


class WalkingBack:
    """The way back through these steps: the chain rule, gate by gate, in place."""

    def __init__(self, room: Room, grad: Tensor) -> None:
        """Begin behind the last step.

        Args:
            room: What `Reading` kept.
            grad: [B * T * 2, H], the gradient of the states.
        """
        self._gates, self._heard, self._before = (room.by_step(each) for each in (room.gates, room.heard, room.before))
        self._total = room.slots(room.heard.shape[-1], room.exact).zero_()
        self._places = _state_places(room.packing)
        self._grad = grad

    def step(self, number: int, sent: Sequence[Tensor]) -> None:
        """Take a step back, given the products of the next step's gradients and the weights, [n, H] twice."""
        gates, said, begun = (each[number] for each in (self._gates, self._heard, self._before))
        total = self._total[:, : said.shape[1]]
        for before, more in zip(total, sent, strict=True):
            before[: len(more)].add_(more)
        total.add_(self._grad.index_select(0, self._places[number].flatten()).view_as(said))
        reset, update, new = gates.chunk(3, dim=-1)
        coarse = total.to(gates.dtype)
        first = torch.addcmul(coarse, coarse, update, value=-1)
        _tanh_backward(first, new, grad_input=first)
        second = torch.sub(begun, new).mul_(coarse)
        total.mul_(update)  # what a state passes on to that before
        _sigmoid_backward(second, update, grad_input=update)
        torch.mul(first, reset, out=new)
        _sigmoid_backward(said.mul_(first), reset, grad_input=reset)
        said.copy_(first)


def _state_places(packing: Packing) -> Sequence[Tensor]:
    """Return where each step's states [2, n] stand among B * T * 2."""
    return torch.split(2 * packing.places + torch.arange(2).unsqueeze(1), packing.batch_sizes, dim=1)


class _SpokenByStep:
    def __init__(self, spoken: Spoken, packing: Packing) -> None:
        self._tokens, self._spots = spoken.tokens, spoken.spots
        self._constant = spoken.constant.unsqueeze(1)
        sizes = packing.batch_sizes
        self._index = torch.split(spoken.index, sizes, dim=1)
        self._places = None if spoken.places is None else torch.split(spoken.places, sizes, dim=1)
        self._scale = None if spoken.scale is None else torch.split(spoken.scale.unsqueeze(-1), sizes, dim=1)

    def say(self, number: int, gates: Tensor) -> None:
        """Put together what a step's tokens say: [2, n, 3H]."""
        for way, told in enumerate(gates):
            torch.index_select(self._tokens, 0, self._index[number][way], out=told)
        if self._spots is not None and self._places is not None:
            gates.add_(self._spots[self._places[number]])
        if self._scale is None:
            gates.add_(self._constant)
        else:
            torch.addcmul(self._constant, gates, self._scale[number], out=gates)
