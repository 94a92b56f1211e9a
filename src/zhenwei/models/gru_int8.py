"""All steps of a bidirectional GRU that is only scored, its states multiplied in 8 bits, by `cpp/gru_int8.cpp`.

A state is between -1 and 1 by nature, and 255 values stand evenly in between; a row of the weights has a unit of its
own, as in PyTorch's dynamic quantisation of linear layers. The state that goes from step to step is float32 all the
same, and so are the gates: what is coarse is what the state says to them. The instructions (AVX-512 VNNI) do twice as
many products as those for bf16.
"""

import ctypes
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from zhenwei.models.coarse import allows_int8_states
from zhenwei.models.cpp_library import KINDS, load_library
from zhenwei.models.gru_kernels import has_types, room_fields
from zhenwei.models.gru_steps import Room

SOURCE = Path(__file__).parent / "cpp" / "gru_int8.cpp"
FEWEST_UNITS = 256  # hidden ones, below which nothing is gained
LANES = 16  # they come in multiples of this
ROWS = 6  # that are computed at a time


def int8_reading(room: Room) -> Callable[[Sequence[Tensor], Tensor], None] | None:
    """Give what takes all steps in a room, called with the weights and with where the states go.

    The weights are [3H, H] float32 of each direction, the states [B * T * 2, H] in the type of the room.

    Returns:
        None where that is not allowed (`int8_states`), of no use, or cannot be: for want of a compiler or of the
        instructions, for other types than float32 and bf16, or where H is no multiple of 16.
    """
    hidden = room.heard.shape[-1]
    if hidden < FEWEST_UNITS or hidden % LANES or not (allows_int8_states() and has_types(room)):
        return None
    library = _library()
    if library is None or not room.packing.batch_sizes:
        return None
    return lambda weights, states: _read_all(library, room, weights, states)


class _Quantised(ctypes.Structure):
    """`struct Quantised` of the C++."""

    _fields_ = [
        ("steps", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in ("weights", "units", "offsets", "held", "ahead", "back")),
    ]  # fmt: skip


def _library() -> ctypes.CDLL | None:
    library = load_library(SOURCE)
    return library if library is not None and library.multiplies_int8() else None


def _read_all(library: ctypes.CDLL, room: Room, weights: Sequence[Tensor], states: Tensor) -> None:
    """Turn the weights into whole numbers, and take all steps."""
    hidden = states.shape[-1]
    state = room.slots(hidden, torch.float32).zero_()
    tensors, fields = room_fields(room, {"states": states, "state": state})
    ahead, back = (weight.contiguous() for weight in weights)
    whole = torch.empty(2, 3 * hidden, hidden, dtype=torch.int8)
    units, offsets = torch.empty(2, 2, 3 * hidden)
    held = torch.empty(2, 2, -(-room.packing.rows // ROWS) * ROWS, hidden, dtype=torch.uint8)
    memory = [each.data_ptr() for each in (whole, units, offsets, held, ahead, back)]
    quantised = _Quantised(len(room.packing.batch_sizes), *memory)
    for name in ("quantise", f"read_all_{KINDS[room.gates.dtype]}"):
        function = getattr(library, name)
        function.argtypes, function.restype = (ctypes.c_void_p, ctypes.c_void_p), None
        function(ctypes.byref(fields), ctypes.byref(quantised))
    del tensors  # held until here: the fields only point to them
