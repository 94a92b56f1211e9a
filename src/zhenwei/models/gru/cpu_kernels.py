"""The steps of `gru_steps`, each in one pass over memory, by `cpp/gru.cpp`; PyTorch's operations where it cannot be.

A step of the published BiGRU is a dozen operations on half a megabyte each, beside its two matrix products; of a small
one, a dozen calls that take longer than the sums.
"""

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from zhenwei.models.gru.build import KINDS, load_library
from zhenwei.models.gru.steps import Reading, Room, WalkingBack

SOURCE = Path(__file__).parent / "cpp" / "gru.cpp"


class Steps(Protocol):
    """One way through the tokens."""

    def step(self, number: int, products: Sequence[Tensor]) -> None:
        """Take a step, given what came out of the products with the weights of either direction."""


def reading(room: Room, states: Tensor) -> Steps:
    """Give `Reading`, by a kernel where there is one."""
    library = load_library(SOURCE) if has_types(room) else None
    if library is None:
        return Reading(room, states)
    state = room.slots(room.heard.shape[-1], torch.float32).zero_()
    return _KernelSteps(library, "read", room, states=states, state=state)


def walking_back(room: Room, grad: Tensor) -> Steps:
    """Give `WalkingBack`, by a kernel where there is one."""
    library = load_library(SOURCE) if has_types(room) else None
    if library is None:
        return WalkingBack(room, grad)
    passed = room.slots(room.heard.shape[-1], torch.float32)
    return _KernelSteps(library, "walk_back", room, grad=grad, passed=passed)


class _KernelSteps:
    def __init__(self, library: ctypes.CDLL, name: str, room: Room, **tensors: Tensor) -> None:
        self._tensors, self._fields = room_fields(room, tensors)
        self._step = getattr(library, f"{name}_{KINDS[room.gates.dtype]}")
        self._step.argtypes = (ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)
        self._step.restype = None
        self._room = ctypes.byref(self._fields)

    def step(self, number: int, products: Sequence[Tensor]) -> None:
        """Take a step."""
        ahead, back = products
        self._step(self._room, number, ahead.data_ptr(), back.data_ptr())


class RoomFields(ctypes.Structure):
    """`struct Room` of the C++: sizes, and where tensors begin."""

    SIZES = ("hidden", "n_tokens", "n_rows", "threads", "keeps")
    TENSORS = (
        "firsts", "places", "index", "spots", "shared", "of_spots", "scale", "constant",
        "bias", "gates", "heard", "before", "state", "states", "grad", "passed",
    )  # fmt: skip
    _fields_ = [(name, ctypes.c_int64) for name in SIZES] + [(name, ctypes.c_void_p) for name in TENSORS]


def room_fields(room: Room, given: dict[str, Tensor]) -> tuple[dict[str, Tensor], RoomFields]:
    """Fill in the fields; the tensors have to be held as long as they are used."""
    packing, spoken = room.packing, room.spoken
    ends = packing.ends
    tensors: dict[str, Tensor | None] = {
        **given,
        "firsts": torch.tensor([0, *ends, ends[-1]]),  # behind the last step there is one of no rows
        "places": packing.places,
        "gates": room.gates,
        "heard": room.heard,
        "before": room.before,
        "bias": room.bias,
    }
    if spoken is not None:
        tensors |= {
            "shared": spoken.tokens, "index": spoken.index, "constant": spoken.constant,
            "of_spots": spoken.spots, "spots": spoken.places, "scale": spoken.scale,
        }  # fmt: skip
    held = {name: tensor.contiguous() for name, tensor in tensors.items() if tensor is not None}
    sizes = (room.heard.shape[-1], packing.n_tokens, packing.rows, torch.get_num_threads(), int(room.keeps))
    pointers = {name: tensor.data_ptr() for name, tensor in held.items()}
    return held, RoomFields(*sizes, **pointers)


def has_types(room: Room) -> bool:
    """Whether there are kernels for the types of a room, where they can be compiled."""
    return room.gates.dtype in KINDS and room.exact == torch.float32
