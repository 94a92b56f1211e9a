"""Work in several processes: results and their order, errors, and no process left behind.

A worker process must find the functions by their names: they are Python's own, or at the top of this file.
"""

import itertools
import multiprocessing
import operator
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from zhenwei.errors import DataError, ZhenweiError
from zhenwei.parallel import AHEAD, map_in_processes, peak_memory, run_in_subprocesses, usable_cores


class TestMapInProcesses:
    @pytest.mark.parametrize("processes", [1, 2])
    def test_results_come_in_the_order_of_the_chunks(self, processes: int) -> None:
        chunks = ((str(number), number) for number in range(40))
        results = list(map_in_processes(operator.neg, chunks, processes))
        assert results == [(str(number), -number) for number in range(40)]

    def test_a_slow_chunk_does_not_change_the_order_and_bounds_the_look_ahead(self) -> None:
        taken: list[int] = []

        def durations() -> Iterator[tuple[int, float]]:
            for number in range(30):
                taken.append(number)
                yield number, 0.5 if number == 0 else 0.0

        results = map_in_processes(time.sleep, durations(), 2)
        assert next(results) == (0, None)
        assert len(taken) <= 2 * AHEAD
        assert [number for number, _ in results] == list(range(1, 30))

    def test_closing_an_endless_stream_ends_the_workers(self) -> None:
        taken: list[int] = []
        results = map_in_processes(operator.neg, numbers(taken), 2)
        assert [result for _, result in itertools.islice(results, 20)] == [-number for number in range(20)]
        assert len(taken) <= 20 + 2 * AHEAD
        workers = multiprocessing.active_children()
        assert workers
        results.close()
        assert not any(worker.is_alive() for worker in workers)

    def test_arguments_and_results_may_be_larger_than_a_pipe(self) -> None:
        chunks = ((number, bytes([number]) * 1_000_000) for number in range(8))
        assert [result for _, result in map_in_processes(bytes.upper, chunks, 2)] == [
            bytes([number]) * 1_000_000 for number in range(8)
        ]

    def test_an_error_in_the_work_is_raised_here_with_its_traceback(self) -> None:
        with pytest.raises(ZeroDivisionError) as caught:
            list(map_in_processes(partial(operator.truediv, 1), ((None, 3 - number) for number in range(9)), 2))
        assert not multiprocessing.active_children()
        assert "In a worker process:\nTraceback" in caught.value.__notes__[0]

    def test_a_worker_that_dies_is_reported(self) -> None:
        with pytest.raises(ZhenweiError, match=r"one of 2 worker processes died \(exit status 1\); its error is above"):
            list(map_in_processes(os._exit, [(None, 1)], 2))

    def test_a_worker_that_is_killed_is_reported_with_a_hint_at_memory(self) -> None:
        with pytest.raises(ZhenweiError, match=r"died \(exit status -9\); if memory ran out, run fewer at a time$"):
            list(map_in_processes(signal.raise_signal, [(None, signal.SIGKILL)], 2))

    @pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
    def test_workers_end_when_their_parent_is_killed(self) -> None:
        code = (
            "import multiprocessing, time\n"
            "from zhenwei.parallel import map_in_processes\n"
            "if __name__ == '__main__':\n"
            "    results = map_in_processes(time.sleep, ((n, 0 if n == 0 else 1000) for n in range(4)), 2)\n"
            "    next(results)\n"
            "    print(*(child.pid for child in multiprocessing.active_children()), flush=True)\n"
            "    next(results)\n"
        )
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
            assert parent.stdout is not None
            workers = [int(pid) for pid in parent.stdout.readline().split()]
            parent.kill()
        assert len(workers) == 2
        deadline = time.monotonic() + 20
        while any(is_running(worker) for worker in workers) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not any(is_running(worker) for worker in workers)


@pytest.mark.slow
class TestRunInSubprocesses:
    def test_each_task_has_a_process_of_its_own(self) -> None:
        outcomes = dict(run_in_subprocesses(double, {"a": 1, "b": 2, "c": 3}, jobs=2))
        assert {name: result[0] for name, result in outcomes.items()} == {"a": 2, "b": 4, "c": 6}
        assert len({result[1] for result in outcomes.values()} | {os.getpid()}) == 4

    def test_processes_share_the_cores_and_do_not_change_our_own_threads(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("OMP_NUM_THREADS")
        monkeypatch.setattr("zhenwei.parallel.usable_cores", lambda: 8)
        assert dict(run_in_subprocesses(double, {"a": 1}, jobs=4))["a"][2] == "2"
        assert "OMP_NUM_THREADS" not in os.environ

    def test_an_error_is_raised_as_in_the_task(self) -> None:
        with pytest.raises(DataError, match=r"posts\.json: row 3 cannot be used"):
            list(run_in_subprocesses(fail, {"a": 1, "b": 2}, jobs=1))

    def test_a_process_that_dies_is_named(self) -> None:
        with pytest.raises(ZhenweiError, match=r"the process of 'a' died \(exit status -9\)"):
            list(run_in_subprocesses(signal.raise_signal, {"a": signal.SIGKILL}, jobs=1))

    def test_running_tasks_get_sigterm_and_time_to_save(self, tmp_path: Path) -> None:
        saved = tmp_path / "saved"
        tasks = {"long": str(saved), "short": f"{saved}.begun"}
        with closing(run_in_subprocesses(save_at_sigterm_or_wait, tasks, jobs=2)) as outcomes:
            assert next(outcomes) == ("short", "seen")
        assert saved.read_text() == "saved"


def test_the_peak_of_memory_is_that_of_this_process() -> None:
    peak = peak_memory()
    assert peak is None or 10 * 2**20 < peak < 100 * 2**30


def test_there_is_a_core_to_use() -> None:
    assert usable_cores() >= 1


def numbers(taken: list[int]) -> Iterator[tuple[str, int]]:
    for number in itertools.count():
        taken.append(number)
        yield str(number), number


def double(number: int) -> tuple[int, int, str | None]:
    return 2 * number, os.getpid(), os.environ.get("OMP_NUM_THREADS")


def fail(_task: object) -> None:
    raise DataError("posts.json: row 3 cannot be used")


def save_at_sigterm_or_wait(path: str) -> str | None:
    return wait_for(path) if path.endswith(".begun") else save_at_sigterm(path)


def save_at_sigterm(path: str) -> None:
    """Run until SIGTERM, and then save."""

    def save(*_: object) -> None:
        Path(path).write_text("saved")
        sys.exit(143)

    signal.signal(signal.SIGTERM, save)
    Path(f"{path}.begun").write_text("")
    while True:
        signal.pause()


def wait_for(path: str) -> str:
    """Run until a file exists."""
    while not Path(path).exists():
        time.sleep(0.01)
    return "seen"


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
