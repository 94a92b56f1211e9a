"""The queue and its thread: batching, limits, timeouts, errors, and the end."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from zhenwei.errors import DataError
from zhenwei.inference import Detector
from zhenwei.serving.http.errors import ApiError
from zhenwei.serving.loaded_bundle import LoadedBundle
from zhenwei.serving.micro_batcher import MicroBatcher

from .conftest import FAKE, REAL

LONG = 60.0  # seconds; no test waits for it


@pytest.fixture(scope="module")
def loaded(tiny_run: Path) -> LoadedBundle:
    return LoadedBundle.load(tiny_run, "cpu")


@contextmanager
def batching(loaded: LoadedBundle, **limits: Any) -> Iterator[tuple[MicroBatcher, list[int]]]:
    """A started batcher, and the sizes of its batches."""
    sizes: list[int] = []
    batcher = MicroBatcher(
        loaded,
        **{
            "max_batch": 8,
            "max_wait": 0.0,
            "max_queue": 16,
            "threads": 1,
            "on_batch": lambda texts, _: sizes.append(texts),
            **limits,
        },
    )
    batcher.start()
    try:
        yield batcher, sizes
    finally:
        batcher.close()


async def never() -> None:
    """A client that stays connected."""
    await asyncio.Event().wait()


@asynccontextmanager
async def busy(batcher: MicroBatcher) -> AsyncIterator[Callable[[], None]]:
    """Keep the detector's thread busy until `release` is called, so that new requests wait."""
    started, release = threading.Event(), threading.Event()

    def hold(_: Detector) -> None:
        started.set()
        assert release.wait(LONG)

    held = asyncio.create_task(batcher.run(hold, LONG, never))
    await asyncio.to_thread(started.wait, LONG)
    try:
        yield release.set
    finally:
        release.set()
        await held


def predict(batcher: MicroBatcher, *texts: str, timeout: float = LONG) -> "asyncio.Task[Any]":
    return asyncio.create_task(batcher.predict(texts, timeout, never))


async def waiting(batcher: MicroBatcher, texts: int) -> None:
    """Wait until the queue has so many texts."""
    while batcher.waiting_texts != texts:
        await asyncio.sleep(0)


def test_waiting_requests_form_one_batch_and_each_gets_its_own_results(loaded: LoadedBundle) -> None:
    async def scenario(batcher: MicroBatcher) -> list[Any]:
        async with busy(batcher) as release:
            tasks = [predict(batcher, FAKE), predict(batcher, REAL, FAKE), predict(batcher, REAL)]
            await waiting(batcher, 4)
            release()
            return await asyncio.gather(*tasks)

    with batching(loaded) as (batcher, sizes):
        found = asyncio.run(scenario(batcher))
    assert [[prediction.verdict for prediction in predictions] for _, predictions in found] == [
        ["fake"], ["real", "fake"], ["real"],
    ]  # fmt: skip
    assert sizes == [1, 4]  # the one that keeps the thread busy, and all others


def test_batches_are_limited_and_a_larger_request_is_a_batch_of_its_own(loaded: LoadedBundle) -> None:
    async def scenario(batcher: MicroBatcher) -> None:
        async with busy(batcher) as release:
            tasks = [predict(batcher, *[FAKE] * count) for count in (1, 1, 5, 1, 1)]
            await waiting(batcher, 9)
            release()
            await asyncio.gather(*tasks)

    with batching(loaded, max_batch=3) as (batcher, sizes):
        asyncio.run(scenario(batcher))
    assert sizes == [1, 2, 5, 2]


def test_without_micro_batching_every_request_is_a_batch(loaded: LoadedBundle) -> None:
    async def scenario(batcher: MicroBatcher) -> None:
        async with busy(batcher) as release:
            tasks = [predict(batcher, FAKE) for _ in range(5)]
            await waiting(batcher, 5)
            release()
            await asyncio.gather(*tasks)

    with batching(loaded, max_batch=1) as (batcher, sizes):
        asyncio.run(scenario(batcher))
    assert sizes == [1] * 6


def test_a_full_queue_answers_503_at_once_with_retry_after(loaded: LoadedBundle) -> None:
    async def scenario(batcher: MicroBatcher) -> ApiError:
        async with busy(batcher) as release:
            tasks = [predict(batcher, FAKE) for _ in range(16)]
            await waiting(batcher, 16)
            with pytest.raises(ApiError) as caught:
                await batcher.predict([FAKE], LONG, never)
            release()
            await asyncio.gather(*tasks)
            await batcher.predict([FAKE], LONG, never)  # the queue has space again
        return caught.value

    with batching(loaded) as (batcher, sizes):
        error = asyncio.run(scenario(batcher))
    assert error.status_code == 503
    assert error.detail == "busy: 16 texts are waiting, at most 16 may; try again later"
    assert 1 <= int(error.headers["retry-after"]) <= 60
    assert sum(sizes) == 1 + 16 + 1


def test_a_request_that_waits_too_long_gets_503_and_leaves_the_queue(loaded: LoadedBundle) -> None:
    async def scenario(batcher: MicroBatcher) -> ApiError:
        async with busy(batcher):
            with pytest.raises(ApiError) as caught:
                await predict(batcher, FAKE, timeout=0.01)
            assert batcher.waiting_texts == 0
        return caught.value

    with batching(loaded) as (batcher, sizes):
        error = asyncio.run(scenario(batcher))
    assert (error.status_code, error.detail) == (503, "still waiting after 0.01 seconds; try again later")
    assert "retry-after" in error.headers
    assert sizes == [1]  # it was not predicted


def test_a_prediction_that_takes_too_long_gets_504(loaded: LoadedBundle) -> None:
    async def scenario(batcher: MicroBatcher) -> ApiError:
        release, started = threading.Event(), threading.Event()

        def hold(_: Detector) -> None:
            started.set()
            release.wait(LONG)

        asked = asyncio.create_task(batcher.run(hold, 0.5, never))
        await asyncio.to_thread(started.wait, LONG)
        with pytest.raises(ApiError) as caught:
            await asked
        release.set()
        return caught.value

    with batching(loaded) as (batcher, _):
        assert asyncio.run(scenario(batcher)).status_code == 504


def test_the_request_of_a_disconnected_client_is_not_predicted(loaded: LoadedBundle) -> None:
    async def scenario(batcher: MicroBatcher) -> int:
        leave = asyncio.Event()

        async def disconnected() -> None:
            await leave.wait()

        async with busy(batcher) as release:
            leaving = asyncio.create_task(batcher.predict([FAKE], LONG, disconnected))
            staying = predict(batcher, REAL)
            await waiting(batcher, 2)
            leave.set()
            with pytest.raises(ApiError) as caught:
                await leaving
            assert batcher.waiting_texts == 1
            release()
            await staying
        return caught.value.status_code

    with batching(loaded) as (batcher, sizes):
        assert asyncio.run(scenario(batcher)) == 499
    assert sizes == [1, 1]


def test_an_invalid_text_does_not_fail_the_rest_of_the_batch(loaded: LoadedBundle) -> None:
    async def scenario(batcher: MicroBatcher) -> list[Any]:
        async with busy(batcher) as release:
            tasks = [predict(batcher, FAKE), predict(batcher, " "), predict(batcher, REAL)]
            await waiting(batcher, 3)
            release()
            return await asyncio.gather(*tasks, return_exceptions=True)

    with batching(loaded) as (batcher, _):
        good, bad, other = asyncio.run(scenario(batcher))
    assert good[1][0].verdict == "fake"
    assert isinstance(bad, DataError)
    assert other[1][0].verdict == "real"


def test_an_error_in_a_function_does_not_end_the_thread(loaded: LoadedBundle) -> None:
    async def scenario(batcher: MicroBatcher) -> None:
        with pytest.raises(ZeroDivisionError):
            await batcher.run(lambda _: 1 / 0, LONG, never)
        await batcher.predict([FAKE], LONG, never)

    with batching(loaded) as (batcher, _):
        asyncio.run(scenario(batcher))
        assert batcher.alive


def test_another_detector_is_used_from_the_next_batch_on(loaded: LoadedBundle, tiny_run: Path) -> None:
    other = LoadedBundle(Detector.load(tiny_run, "cpu"), "other", "1" * 64)

    async def scenario(batcher: MicroBatcher) -> list[str]:
        async with busy(batcher) as release:
            waits = predict(batcher, FAKE)
            await waiting(batcher, 1)
            batcher.loaded = other
            release()
            first, _ = await waits
        return [first.name]

    with batching(loaded) as (batcher, _):
        assert asyncio.run(scenario(batcher)) == ["other"]


def test_closing_finishes_the_queue_and_accepts_no_more(loaded: LoadedBundle) -> None:
    async def scenario(batcher: MicroBatcher) -> tuple[Any, ApiError]:
        async with busy(batcher) as release:
            task = predict(batcher, FAKE)
            await waiting(batcher, 1)
            closing = asyncio.create_task(asyncio.to_thread(batcher.close))
            while batcher.alive:
                await asyncio.sleep(0)
            with pytest.raises(ApiError) as caught:
                await batcher.predict([REAL], LONG, never)
            release()
            await closing
            return await task, caught.value

    with batching(loaded) as (batcher, _):
        (_, predictions), error = asyncio.run(scenario(batcher))
    assert predictions[0].verdict == "fake"
    assert (error.status_code, error.detail) == (503, "the service is shutting down")
