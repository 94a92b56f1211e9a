"""One bidirectional GRU layer on an NVIDIA GPU: one Triton kernel per step for both directions, forward and backward.

cuDNN's layer launches some four kernels per token and direction, which takes the CPU longer than the GPU. Here the
product with the state, the gates and the new state are one kernel, and a CUDA graph (`StepGraphs`) launches the kernels
of a whole training step at once. `steps.py` has the equations.

Shapes: B rows, T tokens, 2 directions, E features, H hidden units. Direction 0 reads forward, direction 1 backward;
every stored value belongs to the position of its token. 4H values are kept per token and direction: W_hn h + b_hn,
r, z and n, or their gradients. The rows of W_hh are ordered in the same way, those of n first.
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

# Rows and units of a tile, and the depth of its product at a time; the fastest on an H200 for 64 rows of 768 units.
FORWARD_TILE = {"ROWS": 64, "UNITS": 16, "DEPTH": 64, "num_warps": 4, "num_stages": 4}
BACKWARD_TILE = {"ROWS": 64, "UNITS": 16, "DEPTH": 128, "num_warps": 4, "num_stages": 4}


@triton.jit(do_not_specialize=["t", "steps", "n_rows"])
def _forward_step(
    kept, states, exact, w_hh, b_hh, mask, t, steps, n_rows, HIDDEN: tl.constexpr, EVEN: tl.constexpr,
    ROWS: tl.constexpr, UNITS: tl.constexpr, DEPTH: tl.constexpr,
):  # fmt: skip
    """Take step t for a tile of rows and units in one direction.

    kept [B, T, 2, 4H] holds W_ih x + b_ih for r, z, n, and receives W_hn h + b_hn, r, z and n; states [B, T, 2, H]
    receive the new state, and so does exact [2, B, 2, H], the last two states in float32; w_hh [2, 3H, H],
    b_hh [2, 3H]; mask [B, T]. EVEN: tile and depth divide H.
    """
    direction = tl.program_id(2)
    token = tl.where(direction == 0, t, steps - 1 - t)
    rows = tl.program_id(1) * ROWS + tl.arange(0, ROWS)
    units = tl.program_id(0) * UNITS + tl.arange(0, UNITS)
    valid_rows = (rows < n_rows)[:, None]
    valid = valid_rows if EVEN else valid_rows & (units < HIDDEN)[None, :]
    at = (rows * steps + token) * 2 + direction  # index of row, token and direction
    hidden_r = tl.zeros((ROWS, UNITS), tl.float32)
    hidden_z = tl.zeros((ROWS, UNITS), tl.float32)
    hidden_n = tl.zeros((ROWS, UNITS), tl.float32)
    if t > 0:
        w_hh += direction * 3 * HIDDEN * HIDDEN
        state = states + (at - 2 + 4 * direction)[:, None] * HIDDEN  # of the previous token in this direction
        for start in range(0, HIDDEN, DEPTH):
            inner = start + tl.arange(0, DEPTH)
            column = w_hh + units[None, :] * HIDDEN + inner[:, None]  # [DEPTH, UNITS]
            if EVEN:
                h = tl.load(state + inner[None, :], valid_rows, 0.0)  # [ROWS, DEPTH]
                w_n = tl.load(column)
                w_r = tl.load(column + HIDDEN * HIDDEN)
                w_z = tl.load(column + 2 * HIDDEN * HIDDEN)
            else:
                valid_weights = (inner < HIDDEN)[:, None] & (units < HIDDEN)[None, :]
                h = tl.load(state + inner[None, :], valid_rows & (inner < HIDDEN)[None, :], 0.0)
                w_n = tl.load(column, valid_weights, 0.0)
                w_r = tl.load(column + HIDDEN * HIDDEN, valid_weights, 0.0)
                w_z = tl.load(column + 2 * HIDDEN * HIDDEN, valid_weights, 0.0)
            hidden_n = tl.dot(h, w_n, hidden_n)
            hidden_r = tl.dot(h, w_r, hidden_r)
            hidden_z = tl.dot(h, w_z, hidden_z)
    b_hh += direction * 3 * HIDDEN + units
    valid_units = units < HIDDEN
    hidden_r += tl.load(b_hh, valid_units, 0.0)[None, :]
    hidden_z += tl.load(b_hh + HIDDEN, valid_units, 0.0)[None, :]
    hidden_n += tl.load(b_hh + 2 * HIDDEN, valid_units, 0.0)[None, :]
    gates = kept + at[:, None] * (4 * HIDDEN) + units[None, :]
    r = tl.sigmoid(tl.load(gates + HIDDEN, valid, 0.0).to(tl.float32) + hidden_r)
    z = tl.sigmoid(tl.load(gates + 2 * HIDDEN, valid, 0.0).to(tl.float32) + hidden_z)
    n = 2 * tl.sigmoid(2 * (tl.load(gates + 3 * HIDDEN, valid, 0.0).to(tl.float32) + r * hidden_n)) - 1  # tanh
    slot = (rows * 2 + direction)[:, None] * HIDDEN + units[None, :]
    previous = tl.load(exact + (t % 2) * n_rows * 2 * HIDDEN + slot, valid, 0.0)
    is_token = tl.load(mask + rows * steps + token, rows < n_rows, 0).to(tl.float32)
    h_new = (n + z * (previous - n)) * is_token[:, None]
    tl.store(gates, hidden_n, valid)
    tl.store(gates + HIDDEN, r, valid)
    tl.store(gates + 2 * HIDDEN, z, valid)
    tl.store(gates + 3 * HIDDEN, n, valid)
    tl.store(exact + ((t + 1) % 2) * n_rows * 2 * HIDDEN + slot, h_new, valid)
    tl.store(states + at[:, None] * HIDDEN + units[None, :], h_new, valid)


@triton.jit(do_not_specialize=["t", "steps", "n_rows"])
def _backward_step(
    grads, kept, states, carried, w_hh, mask, t, steps, n_rows, HIDDEN: tl.constexpr, EVEN: tl.constexpr,
    ROWS: tl.constexpr, UNITS: tl.constexpr, DEPTH: tl.constexpr,
):  # fmt: skip
    """Backpropagate through step t for a tile of rows and units in one direction.

    grads [B, T, 2, H] are the gradients of the states; kept, as `_forward_step` left it, becomes its gradients; carried
    [B, 2, H] is the gradient that the next step passes on directly, without W_hh. The rest as in `_forward_step`.
    """
    direction = tl.program_id(2)
    token = tl.where(direction == 0, t, steps - 1 - t)
    rows = tl.program_id(1) * ROWS + tl.arange(0, ROWS)
    units = tl.program_id(0) * UNITS + tl.arange(0, UNITS)
    valid_rows = (rows < n_rows)[:, None]
    valid = valid_rows if EVEN else valid_rows & (units < HIDDEN)[None, :]
    at = (rows * steps + token) * 2 + direction
    slot = (rows * 2 + direction)[:, None] * HIDDEN + units[None, :]
    grad_h = tl.load(grads + at[:, None] * HIDDEN + units[None, :], valid, 0.0).to(tl.float32)
    if t + 1 < steps:
        grad_h += tl.load(carried + slot, valid, 0.0)
        w_hh += direction * 3 * HIDDEN * HIDDEN
        later = kept + (at + 2 - 4 * direction)[:, None] * (4 * HIDDEN)
        for start in range(0, 3 * HIDDEN, DEPTH):  # over W_hn, W_hr and W_hz
            inner = start + tl.arange(0, DEPTH)
            row = w_hh + inner[:, None] * HIDDEN + units[None, :]  # [DEPTH, UNITS]
            if EVEN:
                grad_h = tl.dot(tl.load(later + inner[None, :], valid_rows, 0.0), tl.load(row), grad_h)
            else:
                valid_weights = (inner < 3 * HIDDEN)[:, None] & (units < HIDDEN)[None, :]
                gradient = tl.load(later + inner[None, :], valid_rows & (inner < 3 * HIDDEN)[None, :], 0.0)
                grad_h = tl.dot(gradient, tl.load(row, valid_weights, 0.0), grad_h)
    grad_h *= tl.load(mask + rows * steps + token, rows < n_rows, 0).to(tl.float32)[:, None]
    gates = kept + at[:, None] * (4 * HIDDEN) + units[None, :]
    hidden_n = tl.load(gates, valid, 0.0).to(tl.float32)
    r = tl.load(gates + HIDDEN, valid, 0.0).to(tl.float32)
    z = tl.load(gates + 2 * HIDDEN, valid, 0.0).to(tl.float32)
    n = tl.load(gates + 3 * HIDDEN, valid, 0.0).to(tl.float32)
    previous = tl.zeros((ROWS, UNITS), tl.float32)
    if t > 0:
        earlier = (at - 2 + 4 * direction)[:, None] * HIDDEN + units[None, :]
        previous = tl.load(states + earlier, valid, 0.0).to(tl.float32)
    grad_n = grad_h * (1 - z) * (1 - n * n)
    grad_z = grad_h * (previous - n) * z * (1 - z)
    grad_r = grad_n * hidden_n * r * (1 - r)
    tl.store(gates, grad_n * r, valid)
    tl.store(gates + HIDDEN, grad_r, valid)
    tl.store(gates + 2 * HIDDEN, grad_z, valid)
    tl.store(gates + 3 * HIDDEN, grad_n, valid)
    tl.store(carried + slot, grad_h * z, valid)


class BiGRUTriton(torch.autograd.Function):
    """A GRU layer (Cho et al., EMNLP 2014; PyTorch's variant, see `steps.py`) in both directions.

    ``apply(inputs, mask, w_ih, w_hh, b_ih, b_hh)`` takes

    - inputs: [B, T, E] in half or bfloat16;
    - mask: bool [B, T], True at real tokens, which come first in each row;
    - the weights as `torch.nn.GRU` names them, both directions stacked: [2, 3H, E], [2, 3H, H], [2, 3H], [2, 3H], in
      float32, H a multiple of 16;

    and returns the states [B, T, 2H] in the type of the inputs, zeros at padding. Sums and the state from step to step
    are float32; what is kept for the backward pass has the type of the inputs. A graph can be walked back once.
    """

    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, mask: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor
    ) -> Tensor:
        """Compute the states of all rows."""
        rows, steps, features = inputs.shape
        hidden, dtype = w_hh.shape[-1], inputs.dtype
        flat = inputs.reshape(rows * steps, features)
        kept = inputs.new_empty(rows * steps, 2, 4 * hidden)
        for out, bias, weight in zip(kept.unbind(1), b_ih.to(dtype), w_ih.to(dtype), strict=True):
            torch.addmm(bias, flat, weight.t(), out=out[:, hidden:])
        states = inputs.new_empty(rows, steps, 2 * hidden)
        exact = w_hh.new_zeros(2, rows, 2, hidden)
        recurrent = w_hh.to(dtype).roll(hidden, dims=1)  # the rows of n first
        byte_mask = mask.contiguous().view(torch.uint8)
        for t in range(steps):
            _launch(
                _forward_step, FORWARD_TILE, hidden, kept, states, exact, recurrent, b_hh, byte_mask, t, steps, rows
            )
        ctx.save_for_backward(flat, byte_mask, w_ih, recurrent, kept, states)
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, None, Tensor, Tensor, Tensor, Tensor]:
        """Backpropagate from the last step of each direction; `kept` becomes its gradients."""
        flat, byte_mask, w_ih, recurrent, kept, states = ctx.saved_tensors
        rows, steps, _ = states.shape
        hidden = recurrent.shape[-1]
        grad = grad.to(flat.dtype).contiguous()
        carried = torch.empty(rows, 2, hidden, device=grad.device)
        for t in reversed(range(steps)):
            _launch(
                _backward_step, BACKWARD_TILE, hidden, grad, kept, states, carried, recurrent, byte_mask, t, steps,
                rows,
            )  # fmt: skip
        torch.autograd.graph.increment_version(kept)  # a second backward pass is then an error
        by_direction = kept.permute(1, 2, 0)  # [2, 4H, B * T]
        grad_w_hh = torch.bmm(by_direction[:, : 3 * hidden], _previous_states(states)).roll(-hidden, dims=1)
        grad_w_ih = torch.bmm(by_direction[:, hidden:], flat.expand(2, -1, -1))
        sums = kept.sum(dim=0, dtype=torch.float32)  # [2, 4H]
        grad_b_ih = sums[:, hidden:]
        grad_b_hh = sums[:, : 3 * hidden].roll(-hidden, dims=1)
        grad_inputs = None
        if ctx.needs_input_grad[0]:
            each = torch.bmm(kept[..., hidden:].transpose(0, 1), w_ih.to(flat.dtype))  # [2, B * T, E]
            grad_inputs = each.sum(dim=0).view(rows, steps, -1)
        return grad_inputs, None, grad_w_ih.to(w_ih.dtype), grad_w_hh.to(w_ih.dtype), grad_b_ih, grad_b_hh


@cache
def compiles_on(device: torch.device) -> bool:
    """Run a tiny layer on a GPU; where Triton cannot compile, as without a C compiler, warn once and return False."""
    ones = [torch.ones(2, 48, 16), torch.ones(2, 48, 16), torch.ones(2, 48), torch.ones(2, 48)]
    weights = [weight.to(device).requires_grad_() for weight in ones]
    inputs, mask = torch.ones(1, 2, 16, dtype=torch.bfloat16, device=device), torch.ones(1, 2, device=device).bool()
    try:
        with torch.enable_grad(), torch.autocast("cuda", enabled=False):
            BiGRUTriton.apply(inputs, mask, *weights).sum().backward()  # type: ignore[no-untyped-call]
    except Exception as error:  # a compiler may raise anything
        logger.warning("cannot compile the GRU kernels on '%s', using cuDNN instead: %s", device, first_line(error))
        return False
    return True


def _launch(kernel: Any, tile: dict[str, int], hidden: int, *arguments: Any) -> None:
    """Run a step's kernel over all tiles; its last argument is the number of rows."""
    grid = triton.cdiv(hidden, tile["UNITS"]), triton.cdiv(arguments[-1], tile["ROWS"]), 2
    even = hidden % tile["DEPTH"] == 0 and hidden % tile["UNITS"] == 0
    kernel[grid](*arguments, HIDDEN=hidden, EVEN=even, **tile)


def _previous_states(states: Tensor) -> Tensor:
    """Return the state [2, B * T, H] before each step, from the states [B, T, 2H]."""
    rows, steps, width = states.shape
    previous = states.new_zeros(2, rows, steps, width // 2)
    previous[0, :, 1:] = states[:, :-1, : width // 2]
    previous[1, :, :-1] = states[:, 1:, width // 2 :]
    return previous.flatten(1, 2)
