"""Long work in processes of their own: each has its own memory and threads, and none is left behind."""

import logging
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, TypeVar

from zhenwei.errors import ZhenweiError
from zhenwei.parallel import usable_cores

T = TypeVar("T")
R = TypeVar("R")

THREADS = "OMP_NUM_THREADS"
GRACE = 60.0  # seconds that a process has to save its checkpoint when it is asked to end


def run_in_subprocesses(work: Callable[[T], R], tasks: Mapping[str, T], jobs: int) -> Generator[tuple[str, R]]:
    """Do each task in a spawned process, several at a time; results come as they are ready.

    Close the generator (`contextlib.closing`): the processes that still run are then asked to end by SIGTERM, upon
    which a training saves its checkpoint. They also end, at once, when this process dies. Ctrl-C does not reach them.

    Args:
        work: Can be pickled, and so can its tasks and results.
        tasks: By name.
        jobs: How many run at a time; they share the cores, unless `OMP_NUM_THREADS` says how many threads each has.

    Raises:
        ZhenweiError: What the first process that failed raised, or that it died.
        OSError: Likewise.
    """
    waiting = deque(tasks.items())
    running: dict[Connection, tuple[str, SpawnProcess]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                name, task = waiting.popleft()
                _start(work, name, task, jobs, running)
            for connection in wait(list(running)):
                assert isinstance(connection, Connection)
                name, process = running[connection]
                result = _result(name, connection, process)
                del running[connection]
                connection.close()
                yield name, result
    finally:
        _end(running)


def peak_memory() -> int | None:
    """Return the most resident memory that this process has had, in bytes; None where the system does not tell."""
    with suppress(OSError, ValueError, IndexError):
        # Linux: unlike getrusage, this does not begin with the peak of the process that started this one.
        with open("/proc/self/status", encoding="ascii") as status:
            peak = next(line for line in status if line.startswith("VmHWM:"))
        return int(peak.split()[1]) * 1024
    try:
        import resource  # noqa: PLC0415  # not on Windows
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # macOS counts bytes


def _start(
    work: Callable[[T], R], name: str, task: T, jobs: int, running: dict[Connection, tuple[str, SpawnProcess]]
) -> None:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_child, args=(work, task, theirs), name=name)
    with _inherited(jobs):
        process.start()
    theirs.close()
    running[ours] = name, process


def _child(work: Callable[[T], R], task: T, connection: Connection) -> None:
    """Be the process: do the task, and tell what came of it."""
    logging.getLogger("zhenwei").addHandler(logging.NullHandler())  # a run has its own log; the terminal is not ours
    threading.Thread(target=_end_with, args=(connection,), daemon=True).start()
    try:
        connection.send((work(task), None))
    except (ZhenweiError, OSError) as error:
        connection.send((None, error))


def _end_with(connection: Connection) -> None:
    connection.poll(None)  # nothing is ever sent this way: what comes is the other process's end
    os._exit(1)


def _result(name: str, connection: Connection, process: SpawnProcess) -> Any:
    try:
        result, error = connection.recv()
    except (EOFError, ConnectionResetError):
        process.join()
        killed = process.exitcode is not None and process.exitcode < 0  # by a signal
        remedy = (
            "where memory ran out, fewer at a time (--jobs) or a smaller training.batch_size need less"
            if killed
            else "what it said is above. In a script of your own, keep the call behind `if __name__ == '__main__':`"
        )
        raise ZhenweiError(f"the process of '{name}' died (exit status {process.exitcode}); {remedy}") from None
    process.join()
    if error is not None:
        raise error
    return result


def _end(running: dict[Connection, tuple[str, SpawnProcess]]) -> None:
    for _, process in running.values():
        process.terminate()
    for connection, (_, process) in running.items():
        process.join(GRACE)
        if process.is_alive():
            process.kill()
            process.join()
        connection.close()
    running.clear()


@contextmanager
def _inherited(jobs: int) -> Iterator[None]:
    """Give a process that is started its share of the cores, and keep Ctrl-C from it: its parent tells it to end."""
    given = os.environ.get(THREADS)
    blocked = hasattr(signal, "pthread_sigmask")
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if blocked else set()
    os.environ[THREADS] = given or str(max(1, usable_cores() // jobs))
    try:
        yield
    finally:
        if given is None:
            del os.environ[THREADS]
        if blocked:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
