"""The queue and its thread: texts are judged together, nothing piles up, and nobody pays for another's mistake."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from zhenwei.errors import DataError
from zhenwei.inference import Detector
from zhenwei.serving.http.errors import Refusal
from zhenwei.serving.loaded_bundle import Served, load_served
from zhenwei.serving.micro_batcher import MicroBatcher

from .conftest import FAKE, REAL

LONG = 60.0  # seconds; no test waits for it


class Batches:
    """Keeps what it is told of each batch."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def batch(self, texts: int, seconds: float) -> None:
        assert seconds >= 0
        self.sizes.append(texts)


@pytest.fixture(scope="module")
def served(tiny_run: Path) -> Served:
    return load_served(tiny_run, "cpu")


@contextmanager
def batching(served: Served, **limits: Any) -> Iterator[tuple[MicroBatcher, list[int]]]:
    """A started batcher, and the sizes of its batches."""
    batches = Batches()
    batcher = MicroBatcher(
        served, **{"max_batch": 8, "max_wait": 0.0, "max_queue": 16, "threads": 1, "metrics": batches, **limits}
    )
    batcher.start()
    try:
        yield batcher, batches.sizes
    finally:
        batcher.close()


async def never() -> None:
    """A client that stays."""
    await asyncio.Event().wait()


@asynccontextmanager
async def busy(batcher: MicroBatcher) -> AsyncIterator[Callable[[], None]]:
    """Keep the detector's thread busy until told otherwise, so that what comes now waits."""
    begun, release = threading.Event(), threading.Event()

    def hold(_: Detector) -> None:
        begun.set()
        assert release.wait(LONG)

    held = asyncio.create_task(batcher.ask(hold, LONG, never))
    await asyncio.to_thread(begun.wait, LONG)
    try:
        yield release.set
    finally:
        release.set()
        await held


def judge(batcher: MicroBatcher, *texts: str, timeout: float = LONG) -> "asyncio.Task[Any]":
    return asyncio.create_task(batcher.judge(texts, timeout, never))


async def waiting(batcher: MicroBatcher, texts: int) -> None:
    """Wait until so many texts wait."""
    while batcher.waiting_texts != texts:
        await asyncio.sleep(0)


def test_what_waits_is_judged_together_and_each_gets_its_own(served: Served) -> None:
    async def scene(batcher: MicroBatcher) -> list[Any]:
        async with busy(batcher) as release:
            tasks = [judge(batcher, FAKE), judge(batcher, REAL, FAKE), judge(batcher, REAL)]
            await waiting(batcher, 4)
            release()
            return await asyncio.gather(*tasks)

    with batching(served) as (batcher, sizes):
        found = asyncio.run(scene(batcher))
    assert [[prediction.verdict for prediction in predictions] for _, predictions in found] == [
        ["fake"], ["real", "fake"], ["real"],
    ]  # fmt: skip
    assert sizes == [1, 4]  # the one that kept it busy, and all others


def test_a_batch_has_its_limit_and_a_larger_request_goes_alone(served: Served) -> None:
    async def scene(batcher: MicroBatcher) -> None:
        async with busy(batcher) as release:
            tasks = [judge(batcher, *[FAKE] * count) for count in (1, 1, 5, 1, 1)]
            await waiting(batcher, 9)
            release()
            await asyncio.gather(*tasks)

    with batching(served, max_batch=3) as (batcher, sizes):
        asyncio.run(scene(batcher))
    assert sizes == [1, 2, 5, 2]


def test_without_micro_batching_every_request_goes_alone(served: Served) -> None:
    async def scene(batcher: MicroBatcher) -> None:
        async with busy(batcher) as release:
            tasks = [judge(batcher, FAKE) for _ in range(5)]
            await waiting(batcher, 5)
            release()
            await asyncio.gather(*tasks)

    with batching(served, max_batch=1) as (batcher, sizes):
        asyncio.run(scene(batcher))
    assert sizes == [1] * 6


def test_a_full_queue_refuses_at_once_and_says_when_to_come_back(served: Served) -> None:
    async def scene(batcher: MicroBatcher) -> Refusal:
        async with busy(batcher) as release:
            tasks = [judge(batcher, FAKE) for _ in range(16)]
            await waiting(batcher, 16)
            with pytest.raises(Refusal) as caught:
                await batcher.judge([FAKE], LONG, never)
            release()
            await asyncio.gather(*tasks)
            await batcher.judge([FAKE], LONG, never)  # there is room again
        return caught.value

    with batching(served) as (batcher, sizes):
        refusal = asyncio.run(scene(batcher))
    assert refusal.status == 503
    assert refusal.message == "busy: 16 texts are waiting, and at most 16 may; try again later"
    assert 1 <= int(refusal.headers["retry-after"]) <= 60
    assert sum(sizes) == 1 + 16 + 1


def test_who_waits_too_long_is_told_so_and_leaves_room(served: Served) -> None:
    async def scene(batcher: MicroBatcher) -> Refusal:
        async with busy(batcher):
            with pytest.raises(Refusal) as caught:
                await judge(batcher, FAKE, timeout=0.01)
            assert batcher.waiting_texts == 0
        return caught.value

    with batching(served) as (batcher, sizes):
        refusal = asyncio.run(scene(batcher))
    assert (refusal.status, refusal.message) == (503, "still waiting after 0.01 seconds; try again later")
    assert "retry-after" in refusal.headers
    assert sizes == [1]  # it was not judged


def test_what_takes_too_long_itself_is_another_matter(served: Served) -> None:
    async def scene(batcher: MicroBatcher) -> Refusal:
        release, begun = threading.Event(), threading.Event()

        def hold(_: Detector) -> None:
            begun.set()
            release.wait(LONG)

        asked = asyncio.create_task(batcher.ask(hold, 0.5, never))
        await asyncio.to_thread(begun.wait, LONG)
        with pytest.raises(Refusal) as caught:
            await asked
        release.set()
        return caught.value

    with batching(served) as (batcher, _):
        assert asyncio.run(scene(batcher)).status == 504


def test_a_request_whose_client_has_gone_is_not_judged(served: Served) -> None:
    async def scene(batcher: MicroBatcher) -> int:
        leave = asyncio.Event()

        async def gone() -> None:
            await leave.wait()

        async with busy(batcher) as release:
            leaving = asyncio.create_task(batcher.judge([FAKE], LONG, gone))
            staying = judge(batcher, REAL)
            await waiting(batcher, 2)
            leave.set()
            with pytest.raises(Refusal) as caught:
                await leaving
            assert batcher.waiting_texts == 1
            release()
            await staying
        return caught.value.status

    with batching(served) as (batcher, sizes):
        assert asyncio.run(scene(batcher)) == 499
    assert sizes == [1, 1]


def test_a_text_that_the_detector_refuses_does_not_fail_those_of_others(served: Served) -> None:
    async def scene(batcher: MicroBatcher) -> list[Any]:
        async with busy(batcher) as release:
            tasks = [judge(batcher, FAKE), judge(batcher, " "), judge(batcher, REAL)]
            await waiting(batcher, 3)
            release()
            return await asyncio.gather(*tasks, return_exceptions=True)

    with batching(served) as (batcher, _):
        good, bad, other = asyncio.run(scene(batcher))
    assert good[1][0].verdict == "fake"
    assert isinstance(bad, DataError)
    assert other[1][0].verdict == "real"


def test_an_error_of_a_question_does_not_end_the_thread(served: Served) -> None:
    async def scene(batcher: MicroBatcher) -> None:
        with pytest.raises(ZeroDivisionError):
            await batcher.ask(lambda _: 1 / 0, LONG, never)
        await batcher.judge([FAKE], LONG, never)

    with batching(served) as (batcher, _):
        asyncio.run(scene(batcher))
        assert batcher.alive


def test_another_detector_takes_over_between_two_batches(served: Served, tiny_run: Path) -> None:
    other = Served(Detector.load(tiny_run, "cpu"), "other", "1" * 64)

    async def scene(batcher: MicroBatcher) -> list[str]:
        async with busy(batcher) as release:
            waits = judge(batcher, FAKE)
            await waiting(batcher, 1)
            batcher.swap(other)
            release()
            first, _ = await waits
        return [first.name]

    with batching(served) as (batcher, _):
        assert asyncio.run(scene(batcher)) == ["other"]


def test_closing_finishes_what_waits_and_takes_no_more(served: Served) -> None:
    async def scene(batcher: MicroBatcher) -> tuple[Any, Refusal]:
        async with busy(batcher) as release:
            task = judge(batcher, FAKE)
            await waiting(batcher, 1)
            closing = asyncio.create_task(asyncio.to_thread(batcher.close))
            while batcher.alive:
                await asyncio.sleep(0)
            with pytest.raises(Refusal) as caught:
                await batcher.judge([REAL], LONG, never)
            release()
            await closing
            return await task, caught.value

    with batching(served) as (batcher, _):
        (_, predictions), refusal = asyncio.run(scene(batcher))
    assert predictions[0].verdict == "fake"
    assert (refusal.status, refusal.message) == (503, "the service is shutting down")
