"""Work on a stream in several processes: results in order, memory flat, and nobody left behind."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from zhenwei.errors import ZhenweiError

K = TypeVar("K")
T = TypeVar("T")
R = TypeVar("R")

AHEAD = 4  # chunks that wait for each process: enough that none is idle, few enough that memory stays flat

_work: Callable[[Any], Any]


def usable_cores() -> int:
    """How many cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def map_in_processes(work: Callable[[T], R], chunks: Iterable[tuple[K, T]], processes: int) -> Generator[tuple[K, R]]:
    """Apply a function to each chunk, in several processes; the results come in the order of the chunks.

    The processes are spawned, and each gets the function once. When the iterator is closed, at its end or before,
    they have ended.

    Args:
        work: Can be pickled, and so can its arguments and results.
        chunks: Pairs of what stays here, to come back beside the result, and what is worked on. They are taken only
            so far ahead as the processes need.
        processes: How many; with 1, the work is done in this one.

    Raises:
        ZhenweiError: A process died, as it does where memory runs out.
    """
    if processes == 1:
        yield from ((kept, work(sent)) for kept, sent in chunks)
        return
    context = multiprocessing.get_context("spawn")
    watched, held = context.Pipe(duplex=False)  # each worker ends when our end of it is closed, or dies with us
    pool = ProcessPoolExecutor(processes, mp_context=context, initializer=_begin, initargs=(work, watched))
    waiting: deque[tuple[K, Future[R]]] = deque()
    try:
        for kept, sent in chunks:
            with _interrupts_held():  # a worker that is being born cannot ignore Ctrl-C yet: it inherits that
                waiting.append((kept, pool.submit(_apply, sent)))
            if len(waiting) >= AHEAD * processes:
                yield _first(waiting)
        while waiting:
            yield _first(waiting)
        pool.shutdown()
    except BrokenProcessPool:
        raise ZhenweiError(
            f"one of {processes} worker processes died; where memory ran out, fewer of them need less. In a script of "
            "your own, keep the call behind `if __name__ == '__main__':`"
        ) from None
    finally:
        held.close()
        pool.shutdown(cancel_futures=True)
        watched.close()


def _first(waiting: deque[tuple[K, Future[R]]]) -> tuple[K, R]:
    kept, future = waiting.popleft()
    return kept, future.result()


def _begin(work: Callable[[Any], Any], watched: Connection) -> None:
    """Make ready a worker: it leaves Ctrl-C to its parent, and ends at once when that lets go of it."""
    global _work  # noqa: PLW0603 - a worker has no other place to keep it
    _work = work
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(watched,), daemon=True).start()


def _end_with(watched: Connection) -> None:
    watched.poll(None)  # nothing is ever sent: what comes is the end
    os._exit(1)


def _apply(chunk: Any) -> Any:
    return _work(chunk)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back for a moment; who is started in it inherits that. Without effect on Windows."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
