"""Ctrl-C and SIGTERM become requests; handlers are restored."""

import os
import signal
import threading

import pytest

from zhenwei.training.interruption import graceful_interruption


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_recorded_and_the_previous_handlers_receive_the_second(which: signal.Signals) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with graceful_interruption() as asked:
        assert not asked
        os.kill(os.getpid(), which)
        assert asked
        assert asked.signal == which
        assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_disabled_it_does_not_change_handlers() -> None:
    before = signal.getsignal(signal.SIGINT)
    with graceful_interruption(enabled=False):
        assert signal.getsignal(signal.SIGINT) == before

    def elsewhere() -> None:
        with graceful_interruption() as asked:
            assert not asked

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGINT) == before
