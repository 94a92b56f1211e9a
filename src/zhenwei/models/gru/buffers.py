"""Memory that one batch after another computes in."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod

from torch import Tensor, are_deterministic_algorithms_enabled, is_inference_mode_enabled

SMALL = 2**20  # numbers; what has more is made so large at once that it need not grow, and stays out of the heap:
LARGE = 2**25  # what is never written takes no memory


class Workspace:
    """Keeps memory of the largest batch so far: from the system it would come page by page, each to be zeroed.

    Who takes it has it alone until it is put back; meanwhile, and where it is too small, there is new memory. A copy of
    a workspace, as of the network that it belongs to, is empty. Threads may share one.
    """

    def __init__(self) -> None:
        self._kept: dict[str, Tensor] = {}

    def take(self, name: str, numbers: int, like: Tensor) -> Tensor:
        """Give the memory of a name for so many numbers of a tensor's type, on its device: [numbers or more]."""
        memory = self._kept.pop(name, None)
        if (
            memory is None
            or len(memory) < numbers
            or (memory.dtype, memory.device) != (like.dtype, like.device)
            or memory.is_inference() != is_inference_mode_enabled()  # autograd takes no tensor of that mode
        ):
            del memory  # before there is more
            is_exact = numbers <= SMALL or are_deterministic_algorithms_enabled()  # those fill all memory with NaN
            return like.new_empty(numbers if is_exact else -(-numbers // LARGE) * LARGE)
        return memory

    def put(self, name: str, memory: Tensor) -> None:
        """Take memory back."""
        self._kept[name] = memory

    @contextmanager
    def lent(self, name: str, shape: Sequence[int], like: Tensor) -> Iterator[Tensor]:
        """Lend memory of a shape for a while."""
        numbers = prod(shape)
        memory = self.take(name, numbers, like)
        try:
            yield memory[:numbers].view(shape)
        finally:
            self.put(name, memory)

    def clear(self) -> None:
        """Let all memory go."""
        self._kept.clear()

    def __reduce__(self) -> tuple[type["Workspace"], tuple[()]]:
        return type(self), ()
