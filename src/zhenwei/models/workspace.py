"""Memory that one batch after another computes in."""

from torch import Tensor


class Workspace:
    """Keeps the memory of the largest batch so far: from the system it would come page by page, each to be zeroed.

    Who takes it has it alone until it is put back; meanwhile, and where it is too small, there is new memory. A copy of
    it, as of the network that it belongs to, is empty.
    """

    def __init__(self) -> None:
        self._memory: Tensor | None = None

    def take(self, numbers: int, like: Tensor) -> Tensor:
        """Give memory for so many numbers, at least, of the type and on the device of a tensor: [numbers or more]."""
        memory, self._memory = self._memory, None
        if memory is None or len(memory) < numbers or memory.dtype != like.dtype:
            del memory  # before there is more
            return like.new_empty(numbers)
        return memory

    def put(self, memory: Tensor) -> None:
        """Take memory back."""
        self._memory = memory

    def clear(self) -> None:
        """Let the memory go."""
        self._memory = None

    def __reduce__(self) -> tuple[type["Workspace"], tuple[()]]:
        return type(self), ()
