"""How coarsely a network may compute while it scores, beside what autocast says."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_ALLOWED: ContextVar[bool] = ContextVar("int8_states", default=False)


@contextmanager
def int8_states() -> Iterator[None]:
    """Let recurrent layers multiply their states in 8 bits, where the processor has instructions for it."""
    token = _ALLOWED.set(True)
    try:
        yield
    finally:
        _ALLOWED.reset(token)


def allows_int8_states() -> bool:
    """Whether that is so here."""
    return _ALLOWED.get()
