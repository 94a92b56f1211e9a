"""One bidirectional GRU layer on a graphics card: one kernel for each step of both directions, forward and backward.

cuDNN's layer launches some four kernels for each token and direction, which takes a processor longer than they take the
card. Here the product with the state, the gates and the new state are one kernel, and a CUDA graph (`StepGraphs`)
launches those of a whole step at once.

In the comments: B rows, T tokens, 2 directions, E features, H hidden units. Direction 0 reads from the first token to
the last, direction 1 from the last to the first; all that is stored stands at the token that it belongs to. What is
kept of a token and a direction are 4H numbers: what n hears of the state, r, z and n, or the gradients of these. Of the
weight for the state, the rows of n come first in the same way.
"""

import logging
from functools import cache
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from zhenwei.errors import first_line

logger = logging.getLogger(__name__)

# Rows and units of a tile, and how deep its product goes at a time; the fastest on an H200, for 64 rows of 768 units.
FORWARD_TILE = {"ROWS": 64, "UNITS": 16, "DEPTH": 64, "num_warps": 4, "num_stages": 4}
BACKWARD_TILE = {"ROWS": 64, "UNITS": 16, "DEPTH": 128, "num_warps": 4, "num_stages": 4}


@triton.jit(do_not_specialize=["t", "steps", "n_rows"])
def _forward_step(
    kept, states, exact, weight, bias, mask, t, steps, n_rows, HIDDEN: tl.constexpr, EVEN: tl.constexpr,
    ROWS: tl.constexpr, UNITS: tl.constexpr, DEPTH: tl.constexpr,
):  # fmt: skip
    """Take step t of a tile of rows and units in one direction.

    kept [B, T, 2, 4H] holds what the inputs say to r, z, n, and gets these and what n hears of the state; states
    [B, T, 2, H] and exact [2, B, 2, H], the last two of them in float32, get one more; weight [2, 3H, H], bias [2, 3H];
    mask [B, T]. EVEN: tiles and depth divide H.
    """
    direction = tl.program_id(2)
    token = tl.where(direction == 0, t, steps - 1 - t)
    rows = tl.program_id(1) * ROWS + tl.arange(0, ROWS)
    units = tl.program_id(0) * UNITS + tl.arange(0, UNITS)
    real_rows = (rows < n_rows)[:, None]
    there = real_rows if EVEN else real_rows & (units < HIDDEN)[None, :]
    at = (rows * steps + token) * 2 + direction  # of what is stored for each row, token and direction
    said_r = tl.zeros((ROWS, UNITS), tl.float32)
    said_z = tl.zeros((ROWS, UNITS), tl.float32)
    said_n = tl.zeros((ROWS, UNITS), tl.float32)
    if t > 0:
        weight += direction * 3 * HIDDEN * HIDDEN
        state = states + (at - 2 + 4 * direction)[:, None] * HIDDEN  # the token before, as the direction reads
        for start in range(0, HIDDEN, DEPTH):
            inner = start + tl.arange(0, DEPTH)
            column = weight + units[None, :] * HIDDEN + inner[:, None]  # [DEPTH, UNITS]
            if EVEN:
                before = tl.load(state + inner[None, :], real_rows, 0.0)  # [ROWS, DEPTH]
                of_n = tl.load(column)
                of_r = tl.load(column + HIDDEN * HIDDEN)
                of_z = tl.load(column + 2 * HIDDEN * HIDDEN)
            else:
                known = (inner < HIDDEN)[:, None] & (units < HIDDEN)[None, :]
                before = tl.load(state + inner[None, :], real_rows & (inner < HIDDEN)[None, :], 0.0)
                of_n = tl.load(column, known, 0.0)
                of_r = tl.load(column + HIDDEN * HIDDEN, known, 0.0)
                of_z = tl.load(column + 2 * HIDDEN * HIDDEN, known, 0.0)
            said_n = tl.dot(before, of_n, said_n)
            said_r = tl.dot(before, of_r, said_r)
            said_z = tl.dot(before, of_z, said_z)
    bias += direction * 3 * HIDDEN + units
    known_units = units < HIDDEN
    said_r += tl.load(bias, known_units, 0.0)[None, :]
    said_z += tl.load(bias + HIDDEN, known_units, 0.0)[None, :]
    said_n += tl.load(bias + 2 * HIDDEN, known_units, 0.0)[None, :]
    heard = kept + at[:, None] * (4 * HIDDEN) + units[None, :]
    reset = tl.sigmoid(tl.load(heard + HIDDEN, there, 0.0).to(tl.float32) + said_r)
    update = tl.sigmoid(tl.load(heard + 2 * HIDDEN, there, 0.0).to(tl.float32) + said_z)
    new = 2 * tl.sigmoid(2 * (tl.load(heard + 3 * HIDDEN, there, 0.0).to(tl.float32) + reset * said_n)) - 1  # tanh
    place = (rows * 2 + direction)[:, None] * HIDDEN + units[None, :]
    old = tl.load(exact + (t % 2) * n_rows * 2 * HIDDEN + place, there, 0.0)
    real = tl.load(mask + rows * steps + token, rows < n_rows, 0).to(tl.float32)
    now = (new + update * (old - new)) * real[:, None]
    tl.store(heard, said_n, there)
    tl.store(heard + HIDDEN, reset, there)
    tl.store(heard + 2 * HIDDEN, update, there)
    tl.store(heard + 3 * HIDDEN, new, there)
    tl.store(exact + ((t + 1) % 2) * n_rows * 2 * HIDDEN + place, now, there)
    tl.store(states + at[:, None] * HIDDEN + units[None, :], now, there)


@triton.jit(do_not_specialize=["t", "steps", "n_rows"])
def _backward_step(
    grads, kept, states, carried, weight, mask, t, steps, n_rows, HIDDEN: tl.constexpr, EVEN: tl.constexpr,
    ROWS: tl.constexpr, UNITS: tl.constexpr, DEPTH: tl.constexpr,
):  # fmt: skip
    """Walk back over step t of a tile of rows and units in one direction.

    grads [B, T, 2, H] are those of the states; kept, as `_forward_step` left it, becomes its gradients; carried
    [B, 2, H] is what a state owes to the next one directly. The rest as in `_forward_step`.
    """
    direction = tl.program_id(2)
    token = tl.where(direction == 0, t, steps - 1 - t)
    rows = tl.program_id(1) * ROWS + tl.arange(0, ROWS)
    units = tl.program_id(0) * UNITS + tl.arange(0, UNITS)
    real_rows = (rows < n_rows)[:, None]
    there = real_rows if EVEN else real_rows & (units < HIDDEN)[None, :]
    at = (rows * steps + token) * 2 + direction
    own = (rows * 2 + direction)[:, None] * HIDDEN + units[None, :]
    owed = tl.load(grads + at[:, None] * HIDDEN + units[None, :], there, 0.0).to(tl.float32)
    if t + 1 < steps:
        owed += tl.load(carried + own, there, 0.0)
        weight += direction * 3 * HIDDEN * HIDDEN
        later = kept + (at + 2 - 4 * direction)[:, None] * (4 * HIDDEN)
        for start in range(0, 3 * HIDDEN, DEPTH):  # of what n heard, r and z
            inner = start + tl.arange(0, DEPTH)
            row = weight + inner[:, None] * HIDDEN + units[None, :]  # [DEPTH, UNITS]
            if EVEN:
                owed = tl.dot(tl.load(later + inner[None, :], real_rows, 0.0), tl.load(row), owed)
            else:
                known = (inner < 3 * HIDDEN)[:, None] & (units < HIDDEN)[None, :]
                gradient = tl.load(later + inner[None, :], real_rows & (inner < 3 * HIDDEN)[None, :], 0.0)
                owed = tl.dot(gradient, tl.load(row, known, 0.0), owed)
    owed *= tl.load(mask + rows * steps + token, rows < n_rows, 0).to(tl.float32)[:, None]
    heard = kept + at[:, None] * (4 * HIDDEN) + units[None, :]
    said_n = tl.load(heard, there, 0.0).to(tl.float32)
    reset = tl.load(heard + HIDDEN, there, 0.0).to(tl.float32)
    update = tl.load(heard + 2 * HIDDEN, there, 0.0).to(tl.float32)
    new = tl.load(heard + 3 * HIDDEN, there, 0.0).to(tl.float32)
    before = tl.zeros((ROWS, UNITS), tl.float32)
    if t > 0:
        earlier = (at - 2 + 4 * direction)[:, None] * HIDDEN + units[None, :]
        before = tl.load(states + earlier, there, 0.0).to(tl.float32)
    to_new = owed * (1 - update) * (1 - new * new)
    to_update = owed * (before - new) * update * (1 - update)
    to_reset = to_new * said_n * reset * (1 - reset)
    tl.store(heard, to_new * reset, there)
    tl.store(heard + HIDDEN, to_reset, there)
    tl.store(heard + 2 * HIDDEN, to_update, there)
    tl.store(heard + 3 * HIDDEN, to_new, there)
    tl.store(carried + own, owed * update, there)


class BiGRUTriton(torch.autograd.Function):
    """A GRU layer (Cho et al., EMNLP 2014; PyTorch's variant, which resets after the product) in both directions.

    ``apply(inputs, mask, w_ih, w_hh, b_ih, b_hh)`` takes

    - inputs: [B, T, E] in half or bfloat16;
    - mask: bool [B, T], True at real tokens, which stand at the start of each row;
    - the weights as `torch.nn.GRU` names them, one direction above the other: [2, 3H, E], [2, 3H, H], [2, 3H] twice,
      in float32, H a multiple of 16;

    and returns the states [B, T, 2H] in the type of the inputs, zeros at padding. Sums and the state from step to step
    are float32, what is kept for the way back has the type of the inputs. A graph can be walked back once.
    """

    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, mask: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor
    ) -> Tensor:
        """Read all rows."""
        rows, steps, features = inputs.shape
        hidden, low = w_hh.shape[-1], inputs.dtype
        flat = inputs.reshape(rows * steps, features)
        kept = inputs.new_empty(rows * steps, 2, 4 * hidden)
        for place, bias, weight in zip(kept.unbind(1), b_ih.to(low), w_ih.to(low), strict=True):
            torch.addmm(bias, flat, weight.t(), out=place[:, hidden:])
        states = inputs.new_empty(rows, steps, 2 * hidden)
        exact = w_hh.new_zeros(2, rows, 2, hidden)
        recurrent = w_hh.to(low).roll(hidden, dims=1)  # the rows of n first
        numbers = mask.contiguous().view(torch.uint8)
        for t in range(steps):
            _launch(_forward_step, FORWARD_TILE, hidden, kept, states, exact, recurrent, b_hh, numbers, t, steps, rows)
        ctx.save_for_backward(flat, numbers, w_ih, recurrent, kept, states)
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, None, Tensor, Tensor, Tensor, Tensor]:
        """Walk back from the last step of each direction; what was kept becomes its gradients."""
        flat, numbers, w_ih, recurrent, kept, states = ctx.saved_tensors
        rows, steps, _ = states.shape
        hidden = recurrent.shape[-1]
        grad = grad.to(flat.dtype).contiguous()
        carried = torch.empty(rows, 2, hidden, device=grad.device)
        for t in reversed(range(steps)):
            _launch(
                _backward_step, BACKWARD_TILE, hidden, grad, kept, states, carried, recurrent, numbers, t, steps, rows
            )
        torch.autograd.graph.increment_version(kept)  # whoever walks back twice is told
        by_direction = kept.permute(1, 2, 0)  # [2, 4H, B * T]
        grad_hh = torch.bmm(by_direction[:, : 3 * hidden], _states_before(states)).roll(-hidden, dims=1)
        grad_ih = torch.bmm(by_direction[:, hidden:], flat.expand(2, -1, -1))
        sums = kept.sum(dim=0, dtype=torch.float32)  # [2, 4H]
        bias_ih = sums[:, hidden:]
        bias_hh = sums[:, : 3 * hidden].roll(-hidden, dims=1)
        grad_inputs = None
        if ctx.needs_input_grad[0]:
            each = torch.bmm(kept[..., hidden:].transpose(0, 1), w_ih.to(flat.dtype))  # [2, B * T, E]
            grad_inputs = each.sum(dim=0).view(rows, steps, -1)
        return grad_inputs, None, grad_ih.to(w_ih.dtype), grad_hh.to(w_ih.dtype), bias_ih, bias_hh


@cache
def works_on(device: torch.device) -> bool:
    """Try a tiny layer on a card; where Triton cannot compile, as without a C compiler, warn once and say no."""
    ones = [torch.ones(2, 48, 16), torch.ones(2, 48, 16), torch.ones(2, 48), torch.ones(2, 48)]
    weights = [weight.to(device).requires_grad_() for weight in ones]
    inputs, mask = torch.ones(1, 2, 16, dtype=torch.bfloat16, device=device), torch.ones(1, 2, device=device).bool()
    try:
        with torch.enable_grad(), torch.autocast("cuda", enabled=False):
            BiGRUTriton.apply(inputs, mask, *weights).sum().backward()  # type: ignore[no-untyped-call]
    except Exception as error:  # a missing compiler, an unknown card: anything may come out of a compiler
        why = first_line(error)
        logger.warning("kernels for the GRU cannot be made on '%s', going on with cuDNN's: %s", device, why)
        return False
    return True


def _launch(kernel: Any, tile: dict[str, int], hidden: int, *arguments: Any) -> None:
    """Run a step's kernel over all tiles; its last argument is the number of rows."""
    grid = triton.cdiv(hidden, tile["UNITS"]), triton.cdiv(arguments[-1], tile["ROWS"]), 2
    even = hidden % tile["DEPTH"] == 0 and hidden % tile["UNITS"] == 0
    kernel[grid](*arguments, HIDDEN=hidden, EVEN=even, **tile)


def _states_before(states: Tensor) -> Tensor:
    """Return the state [2, B * T, H] that each step found, of the states [B, T, 2H]."""
    rows, steps, width = states.shape
    before = states.new_zeros(2, rows, steps, width // 2)
    before[0, :, 1:] = states[:, :-1, : width // 2]
    before[1, :, :-1] = states[:, 1:, width // 2 :]
    return before.flatten(1, 2)
