"""Limits on the memory of a long training."""

import pytest

from zhenwei.training import memory
from zhenwei.training.memory import TRIM_SECONDS, MemoryTrimmer


def test_memory_is_trimmed_every_few_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now, calls = [100.0], []
    monkeypatch.setattr(memory, "_malloc_trim", lambda: calls.append)
    monkeypatch.setattr(memory.time, "monotonic", lambda: now[0])
    trim = MemoryTrimmer()
    for seconds in (0.0, TRIM_SECONDS / 2, TRIM_SECONDS / 2, 1.0):
        now[0] += seconds
        trim()
    assert calls == [0, 0]


def test_without_glibc_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_malloc_trim", lambda: None)
    MemoryTrimmer()()


def test_without_malloc_trim_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    memory._malloc_trim.cache_clear()
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _name: object())
    assert memory._malloc_trim() is None
    memory._malloc_trim.cache_clear()
