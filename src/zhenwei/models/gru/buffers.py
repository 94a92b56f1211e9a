"""Memory that consecutive batches reuse."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod

from torch import Tensor, are_deterministic_algorithms_enabled, is_inference_mode_enabled

# Elements. Buffers above SMALL are rounded up to multiples of LARGE, so that they need not grow and come from mmap
# instead of the heap; pages that are never written take no memory.
SMALL = 2**20
LARGE = 2**25


class BufferPool:
    """Named buffers, each as large as the largest batch so far needed.

    New memory would come from the system page by page, each to be zeroed. An acquired buffer belongs to its user until
    it is released; meanwhile, and where it is too small, a new one is allocated. A copy of a pool, as of the network
    that owns it, is empty. Threads may share a pool.
    """

    def __init__(self) -> None:
        self._free: dict[str, Tensor] = {}

    def acquire(self, name: str, size: int, like: Tensor) -> Tensor:
        """Return a buffer of at least `size` elements, of a tensor's type and device."""
        buffer = self._free.pop(name, None)
        if (
            buffer is None
            or len(buffer) < size
            or (buffer.dtype, buffer.device) != (like.dtype, like.device)
            or buffer.is_inference() != is_inference_mode_enabled()  # autograd rejects tensors of inference mode
        ):
            del buffer  # before allocating more
            is_exact = size <= SMALL or are_deterministic_algorithms_enabled()  # which fill new memory with NaN
            return like.new_empty(size if is_exact else -(-size // LARGE) * LARGE)
        return buffer

    def release(self, name: str, buffer: Tensor) -> None:
        """Take a buffer back."""
        self._free[name] = buffer

    @contextmanager
    def borrow(self, name: str, shape: Sequence[int], like: Tensor) -> Iterator[Tensor]:
        """Acquire a buffer of a shape, and release it on exit."""
        size = prod(shape)
        buffer = self.acquire(name, size, like)
        try:
            yield buffer[:size].view(shape)
        finally:
            self.release(name, buffer)

    def clear(self) -> None:
        """Free all buffers."""
        self._free.clear()

    def __reduce__(self) -> tuple[type["BufferPool"], tuple[()]]:
        return type(self), ()
