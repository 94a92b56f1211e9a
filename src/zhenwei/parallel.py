"""Run work in spawned processes that never outlive this one.

`map_in_processes` sends many chunks through a few long-lived workers and keeps their order. `run_in_subprocesses` gives
each of a few long tasks a fresh process, whose memory and threads are its own. Both use one pool: unlike
`concurrent.futures.ProcessPoolExecutor`, it knows which task a dead process had and its exit status, and it ends
running tasks by SIGTERM, on which a training saves its checkpoint.
"""

import logging
import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple, Self, TypeVar

from zhenwei.errors import ZhenweiError

K = TypeVar("K")
T = TypeVar("T")
R = TypeVar("R")

AHEAD = 4  # chunks per worker that are taken ahead of the first result that is due: bounds the memory
GRACE = 60.0  # seconds that a process has to save its checkpoint after SIGTERM
THREADS = "OMP_NUM_THREADS"


def usable_cores() -> int:
    """Return the number of cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def map_in_processes(work: Callable[[T], R], chunks: Iterable[tuple[K, T]], processes: int) -> Generator[tuple[K, R]]:
    """Apply a function to each chunk in several processes; yield the results in the order of the chunks.

    Each worker process receives the function once. All workers have ended when the generator is closed or exhausted.

    Args:
        work: The function; it can be pickled, and so can its arguments and results.
        chunks: Pairs of what stays in this process, to be yielded beside the result, and the argument. They are taken
            only a few chunks ahead.
        processes: Number of workers; with 1, the work is done in this process.

    Raises:
        ZhenweiError: A worker died, for example because memory ran out.
        Exception: Whatever the function raised first.
    """
    if processes == 1:
        yield from ((key, work(argument)) for key, argument in chunks)
        return
    numbered = enumerate(chunks)
    keys: deque[K] = deque()  # of the chunks that were taken and not yet yielded
    results: dict[Hashable, R] = {}
    due = 0  # number of the first of them
    with _Pool(work, processes, fresh=False) as pool:
        while True:
            while pool.has_room and len(keys) < AHEAD * processes and (taken := next(numbered, None)) is not None:
                number, (key, argument) = taken
                keys.append(key)
                pool.start(number, argument)
            if not keys:
                return
            results.update(pool.collect(block=due not in results))
            if due in results:
                yield keys.popleft(), results.pop(due)
                due += 1


def run_in_subprocesses(work: Callable[[T], R], tasks: Mapping[str, T], jobs: int) -> Generator[tuple[str, R]]:
    """Run each task in a fresh process, several at a time; yield the results as they are ready.

    Close the generator (`contextlib.closing`) to end the running processes: they receive SIGTERM, on which a training
    saves its checkpoint. Ctrl-C does not reach them, and they end at once if this process dies.

    Args:
        work: The function; it can be pickled, and so can its tasks and results.
        tasks: Its argument for each task, by the task's name.
        jobs: Number of processes at a time. They share the cores, unless `OMP_NUM_THREADS` sets the threads of each.

    Raises:
        ZhenweiError: A process died.
        Exception: Whatever the first task that failed raised.
    """
    remaining = deque(tasks.items())
    with _Pool(work, jobs, fresh=True) as pool:
        while remaining or pool.is_busy:
            while remaining and pool.has_room:
                pool.start(*remaining.popleft())
            for name, result in pool.collect(block=True):
                yield str(name), result


def peak_memory() -> int | None:
    """Return the largest resident memory that this process has had, in bytes; None if the system does not report it."""
    with suppress(OSError, ValueError, IndexError):
        # Linux: unlike getrusage, this does not include the peak of the parent process before the start of this one.
        with open("/proc/self/status", encoding="ascii") as status:
            peak = next(line for line in status if line.startswith("VmHWM:"))
        return int(peak.split()[1]) * 1024
    try:
        import resource  # noqa: PLC0415  # not on Windows
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


class _Worker(NamedTuple):
    process: BaseProcess
    connection: Connection


class _Pool:
    """Worker processes that each run one task at a time.

    Args:
        work: The function that the workers apply to each task.
        size: Largest number of workers.
        fresh: Whether each task gets a process of its own, which is silent: it logs nothing to the terminal.
    """

    def __init__(self, work: Callable[[Any], Any], size: int, *, fresh: bool) -> None:
        self._work, self._size, self._fresh = work, size, fresh
        self._idle: list[_Worker] = []
        self._busy: dict[Connection, tuple[_Worker, Hashable]] = {}

    def __enter__(self) -> Self:
        return self

    @property
    def is_busy(self) -> bool:
        """Whether any task is running."""
        return bool(self._busy)

    @property
    def has_room(self) -> bool:
        """Whether another task can be started now."""
        return len(self._busy) < self._size

    def start(self, key: Hashable, argument: Any) -> None:
        """Start a task; there must be room."""
        if not self._idle:
            # Long-lived workers start all at once: sending a large argument blocks until its worker is ready.
            self._idle += [self._spawn() for _ in range(1 if self._fresh else self._size)]
        worker = self._idle.pop()
        self._busy[worker.connection] = worker, key
        with suppress(BrokenPipeError, ConnectionResetError):  # it died: `collect` reports that
            worker.connection.send(argument)

    def collect(self, *, block: bool) -> Iterator[tuple[Hashable, Any]]:
        """Yield the results that are ready, with the keys of their tasks.

        Args:
            block: Whether to wait until at least one is ready.

        Raises:
            ZhenweiError: A worker died.
            Exception: Whatever a task raised.
        """
        for connection in wait(list(self._busy), timeout=None if block else 0):
            assert isinstance(connection, Connection)
            worker, key = self._busy[connection]
            try:
                result, error = connection.recv()
            except (EOFError, ConnectionResetError):
                worker.process.join()
                raise ZhenweiError(self._death_message(worker.process.exitcode, key)) from None
            if error is not None:
                raise error
            del self._busy[connection]
            if self._fresh:
                _dismiss(worker)
            else:
                self._idle.append(worker)
            yield key, result

    def __exit__(self, *_: object) -> None:
        """End all workers: idle ones by closing their connection, busy ones by SIGTERM."""
        for worker, _key in self._busy.values():
            worker.process.terminate()
        for worker in [*self._idle, *(worker for worker, _key in self._busy.values())]:
            _dismiss(worker)

    def _spawn(self) -> _Worker:
        ours, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        process = context.Process(target=_serve, args=(self._work, theirs, self._fresh), daemon=not self._fresh)
        with _environment_of_workers(self._size):
            process.start()
            theirs.close()
        return _Worker(process, ours)

    def _death_message(self, exit_status: int | None, key: Hashable) -> str:
        who = f"the process of '{key}'" if self._fresh else f"one of {self._size} worker processes"
        if exit_status is not None and exit_status < 0:  # by a signal
            remedy = "if memory ran out, run fewer at a time"
            remedy += " (--jobs) or with a smaller training.batch_size" if self._fresh else ""
        else:
            remedy = "its error is above. In your own script, keep the call behind `if __name__ == '__main__':`"
        return f"{who} died (exit status {exit_status}); {remedy}"


def _dismiss(worker: _Worker) -> None:
    """Close the connection of a worker, on which it ends, and wait for its end."""
    worker.connection.close()
    worker.process.join(GRACE)
    if worker.process.is_alive():
        worker.process.kill()
        worker.process.join()


def _serve(work: Callable[[Any], Any], connection: Connection, fresh: bool) -> None:
    """Be a worker: run tasks until the connection is closed, or one task if it is a fresh process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends its workers
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    if fresh:
        logging.getLogger("zhenwei").addHandler(logging.NullHandler())
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            connection.send(_outcome(work, connection.recv()))
            if fresh:
                return


def _outcome(work: Callable[[Any], Any], argument: Any) -> tuple[Any, Exception | None]:
    """Return the result of a task, or its error in a form that can be pickled."""
    try:
        return work(argument), None
    except (ZhenweiError, OSError) as error:
        return None, error
    except Exception as error:
        error.add_note(f"In a worker process:\n{traceback.format_exc()}")
        try:
            # The pool pickles the error for the parent process. Some exceptions can be pickled but not rebuilt, which
            # would break the pool; this round trip tells. It reads only the bytes that it has just made itself.
            pickle.loads(pickle.dumps(error))
        except Exception:
            return None, RuntimeError(traceback.format_exc())
        return None, error


def _exit_with_parent() -> None:
    """Wait for the end of the parent process, however it comes, and exit at once."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


@contextmanager
def _environment_of_workers(count: int) -> Iterator[None]:
    """Let processes that are started here inherit their share of the cores, and a block on Ctrl-C (not on Windows)."""
    threads = os.environ.get(THREADS)
    can_block = hasattr(signal, "pthread_sigmask")
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if can_block else set()
    os.environ[THREADS] = threads or str(max(1, usable_cores() // count))
    try:
        yield
    finally:
        if threads is None:
            del os.environ[THREADS]
        if can_block:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
