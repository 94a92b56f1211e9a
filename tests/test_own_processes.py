"""Work in processes of its own: what comes back, what goes wrong, and that nobody is left behind."""

import os
import signal
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from zhenwei.errors import DataError, ZhenweiError
from zhenwei.own_processes import peak_memory, run_in_subprocesses

pytestmark = pytest.mark.slow


def double(number: int) -> tuple[int, int, str | None]:
    return 2 * number, os.getpid(), os.environ.get("OMP_NUM_THREADS")


def fail(_task: object) -> None:
    raise DataError("posts.json: row 3 cannot be used")


def die(_task: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def save_when_told(path: str) -> None:
    """Work that only ends when it is asked to, and then saves."""

    def save(*_: object) -> None:
        Path(path).write_text("saved")
        sys.exit(143)

    signal.signal(signal.SIGTERM, save)
    Path(f"{path}.begun").write_text("")
    while True:
        signal.pause()


def wait_for(path: str) -> str:
    """Work that ends when a file is there."""
    while not Path(path).exists():
        time.sleep(0.01)
    return "seen"


def test_each_task_has_a_process_of_its_own() -> None:
    outcomes = dict(run_in_subprocesses(double, {"a": 1, "b": 2, "c": 3}, jobs=2))
    assert {name: result[0] for name, result in outcomes.items()} == {"a": 2, "b": 4, "c": 6}
    assert len({result[1] for result in outcomes.values()} | {os.getpid()}) == 4


def test_processes_share_the_cores_and_leave_our_own_threads_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr("zhenwei.own_processes.usable_cores", lambda: 8)
    assert dict(run_in_subprocesses(double, {"a": 1}, jobs=4))["a"][2] == "2"
    assert "OMP_NUM_THREADS" not in os.environ


def test_a_mistake_comes_out_as_it_was_raised() -> None:
    with pytest.raises(DataError, match=r"posts\.json: row 3 cannot be used"):
        list(run_in_subprocesses(fail, {"a": 1, "b": 2}, jobs=1))


def test_a_process_that_dies_is_named() -> None:
    with pytest.raises(ZhenweiError, match=r"the process of 'a' died \(exit status -9\)"):
        list(run_in_subprocesses(die, {"a": 1}, jobs=1))


def test_those_that_still_run_are_asked_to_end_and_waited_for(tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    with closing(run_in_subprocesses(_either, {"long": str(saved), "short": f"{saved}.begun"}, jobs=2)) as outcomes:
        assert next(outcomes) == ("short", "seen")
    assert saved.read_text() == "saved"


def _either(path: str) -> str | None:
    return wait_for(path) if path.endswith(".begun") else save_when_told(path)


def test_the_peak_of_memory_is_this_processs_own() -> None:
    peak = peak_memory()
    assert peak is None or 10 * 2**20 < peak < 100 * 2**30
