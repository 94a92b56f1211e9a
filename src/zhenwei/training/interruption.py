"""Ctrl-C and SIGTERM end a training between two steps, after its checkpoint is saved.

With several processes, a signal ends the run at once, and the last checkpoint remains.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType


class Interruption:
    """The signal that asked the run to end, if one came."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def __bool__(self) -> bool:
        return self.signal is not None


@contextmanager
def graceful_interruption(enabled: bool = True) -> Iterator[Interruption]:
    """Turn the first SIGINT or SIGTERM into a request to end; a second one acts at once.

    Args:
        enabled: False with several processes, which must not stop at different steps.
    """
    interruption = Interruption()
    if not enabled or threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    with ExitStack() as previous:

        def record(number: int, _frame: FrameType | None) -> None:
            interruption.signal = signal.Signals(number)
            previous.close()

        for which in (signal.SIGINT, signal.SIGTERM):
            previous.callback(signal.signal, which, signal.signal(which, record))
        yield interruption
