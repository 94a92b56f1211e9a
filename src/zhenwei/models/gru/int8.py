"""All steps of a bidirectional GRU that is only scored, its states multiplied in 8 bits, by `cpp/gru_int8.cpp`.

A state is between -1 and 1 by nature, and 255 values stand evenly in between; a row of the weights has a unit of its
own, as in PyTorch's dynamic quantisation of linear layers. The state that goes from step to step is float32 all the
same, and so are the gates: what is coarse is what the state says to them. The instructions (AVX-512 VNNI) do twice as
many products as those for bf16.
"""

import ctypes
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from zhenwei.models.gru.build import KINDS, load_library
from zhenwei.models.gru.coarse import allows_int8_states
from zhenwei.models.gru.cpu_kernels import has_types, room_fields
from zhenwei.models.gru.steps import Room

SOURCE = Path(__file__).parent / "cpp" / "gru_int8.cpp"
FEWEST_UNITS = 256  # hidden ones, below which nothing is gained


def multiplies_int8(hidden: int) -> bool:
    """Whether states of so many units may be multiplied so (`int8_states`), can be, and are the faster for it."""
    return allows_int8_states() and hidden >= FEWEST_UNITS and _rows_at_once(hidden) > 0


def read_in_int8(room: Room, weights: Sequence[Tensor], states: Tensor) -> bool:
    """Take all steps in a room, if `multiplies_int8` says so, and the room's types are float32 or bf16.

    Args:
        room: Where to read, and what.
        weights: [3H, H] float32 of each direction.
        states: [B * T * 2, H], where the states go, in the type of the room.

    Returns:
        Whether that was done.
    """
    hidden = states.shape[-1]
    if not (multiplies_int8(hidden) and has_types(room) and room.packing.batch_sizes):
        return False
    library = load_library(SOURCE)
    assert library is not None  # or there would be nothing to multiply by
    state = room.slots(hidden, torch.float32).zero_()
    tensors, fields = room_fields(room, {"states": states, "state": state})
    ahead, back = (weight.contiguous() for weight in weights)
    new, at_once = room.gates.new_empty, _rows_at_once(hidden)
    whole = new(2, 3 * hidden, hidden, dtype=torch.int8)
    nothing, units = new(2, 3 * hidden, dtype=torch.int32), new(2, 3 * hidden, dtype=torch.float32)
    held = new(2, 2, -(-room.packing.rows // at_once) * at_once, hidden, dtype=torch.uint8)
    memory = [each.data_ptr() for each in (whole, nothing, units, held, ahead, back)]
    quantised = _Quantised(len(room.packing.batch_sizes), *memory)
    for name in ("quantise", f"read_all_{KINDS[room.gates.dtype]}"):
        function = getattr(library, name)
        function.argtypes, function.restype = (ctypes.c_void_p, ctypes.c_void_p), None
        function(ctypes.byref(fields), ctypes.byref(quantised))
    del tensors  # held until here: the fields only point to them
    return True


class _Quantised(ctypes.Structure):
    """`struct Quantised` of the C++."""

    POINTERS = ("weights", "nothing", "units", "held", "ahead", "back")
    _fields_ = [("steps", ctypes.c_int64), *((name, ctypes.c_void_p) for name in POINTERS)]


def _rows_at_once(hidden: int) -> int:
    """Return how many rows are computed at a time; 0 without a compiler or the instructions, or for such a size."""
    library = load_library(SOURCE)
    return 0 if library is None else int(library.rows_at_once(ctypes.c_int64(hidden)))
