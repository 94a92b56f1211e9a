"""Ctrl-C and SIGTERM end a training in one process between two steps, with its checkpoint saved.

With several processes a signal ends the run at once, and the last checkpoint remains.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Interruption:
    """Remembers that somebody asked the run to end."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def __bool__(self) -> bool:
        return self.signal is not None


@contextmanager
def graceful_interruption(enabled: bool = True) -> Iterator[Interruption]:
    """Turn the first SIGINT or SIGTERM into a request to end; a second one acts at once.

    Args:
        enabled: False where processes must not stop at steps of their own choice, or signals are not ours to take.
    """
    asked = Interruption()
    if not enabled or threading.current_thread() is not threading.main_thread():
        yield asked
        return
    earlier: dict[signal.Signals, Any] = {}

    def note(number: int, _frame: FrameType | None) -> None:
        asked.signal = signal.Signals(number)
        for which, handler in earlier.items():
            signal.signal(which, handler)

    for which in (signal.SIGINT, signal.SIGTERM):
        earlier[which] = signal.signal(which, note)
    try:
        yield asked
    finally:
        for which, handler in earlier.items():
            signal.signal(which, handler)
