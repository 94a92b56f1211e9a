"""Micro-batching: one thread owns the detector and predicts the texts of several requests together.

As soon as the thread is free it takes everything that waits, so that batches grow with the load. While requests are
coming in it waits a few milliseconds for more of them; a single request never waits. The queue is bounded: a request
that does not fit fails at once, so that the waiting time of the others stays short.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from zhenwei.inference import Detector, Prediction
from zhenwei.serving.http.errors import ApiError, unavailable
from zhenwei.serving.loaded_bundle import LoadedBundle

Disconnected = Callable[[], Awaitable[None]]

INITIAL_PACE = 0.01  # seconds per text, until it has been measured


@dataclass(eq=False, slots=True)
class Job:
    """Work for the detector.

    Attributes:
        texts: The texts to predict.
        function: A function of the detector to call instead; it is not batched.
        future: Gets the bundle and the result; running from when the detector's thread has taken the job.
    """

    texts: Sequence[str]
    function: Callable[[Detector], Any] | None = None
    future: Future[tuple[LoadedBundle, Any]] = field(default_factory=Future)


class MicroBatcher:
    """A bounded queue, and the thread that owns the detector.

    Args:
        loaded: The detector; another one that is assigned later is used from the next batch on.
        max_batch: Maximum texts of a batch; a larger request is predicted alone.
        max_wait: Seconds to wait for more requests under load.
        max_queue: Maximum texts that wait; a request of any size is accepted if none wait.
        threads: Threads of PyTorch.
        on_batch: Called after each batch with its texts and seconds, in the detector's thread.
    """

    def __init__(
        self, loaded: LoadedBundle, *, max_batch: int, max_wait: float, max_queue: int, threads: int,
        on_batch: Callable[[int, float], None],
    ) -> None:  # fmt: skip
        self.loaded = loaded
        self.max_batch, self.max_wait, self.max_queue = max_batch, max_wait, max_queue
        self.threads, self.on_batch = threads, on_batch
        self.waiting_texts = 0
        self._queue: deque[Job] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._under_load = False  # requests are coming in, so that waiting for more of them pays
        self._pace = INITIAL_PACE  # seconds per text, a moving average
        self._thread = threading.Thread(target=self._work, name="detector", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Finish the queue, and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def alive(self) -> bool:
        """Whether the thread accepts work."""
        return self._thread.is_alive() and not self._closing

    async def predict(
        self, texts: Sequence[str], timeout: float, disconnected: Disconnected
    ) -> tuple[LoadedBundle, list[Prediction]]:
        """Predict texts together with those of other requests.

        Args:
            texts: At least one.
            timeout: Seconds after which to give up.
            disconnected: Returns when the client has disconnected.

        Returns:
            The bundle that was used, and its predictions in the order of the texts.

        Raises:
            ApiError: 503 if the queue is full or the texts wait for longer than the timeout, 504 if the prediction
                takes longer, 499 if the client has disconnected.
            DataError: If the detector cannot process a text.
        """
        return await self._result(Job(texts), timeout, disconnected)

    async def run(
        self, function: Callable[[Detector], Any], timeout: float, disconnected: Disconnected
    ) -> tuple[LoadedBundle, Any]:
        """Call a function of the detector in its thread; see `predict`."""
        return await self._result(Job(("",), function), timeout, disconnected)

    async def _result(self, job: Job, timeout: float, disconnected: Disconnected) -> tuple[LoadedBundle, Any]:
        self._enqueue(job)
        result, watcher = asyncio.wrap_future(job.future), asyncio.ensure_future(disconnected())
        try:
            done, _ = await asyncio.wait((result, watcher), timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            if result in done:
                return result.result()
            if watcher in done:
                raise ApiError(499, "the client has disconnected")
            if job.future.running():
                raise ApiError(504, f"not done within {timeout:g} seconds; send fewer or shorter texts")
            wait = self._pace * self.waiting_texts
            raise unavailable(f"still waiting after {timeout:g} seconds; try again later", wait)
        finally:
            watcher.cancel()
            result.cancel()
            with self._changed:
                if job.future.cancel():  # the thread has not taken it
                    self._queue.remove(job)
                    self.waiting_texts -= len(job.texts)

    def _enqueue(self, job: Job) -> None:
        with self._changed:
            if self._closing:
                raise unavailable("the service is shutting down", 5)
            if self._queue and self.waiting_texts + len(job.texts) > self.max_queue:
                raise unavailable(
                    f"busy: {self.waiting_texts} texts are waiting, at most {self.max_queue} may; try again later",
                    self._pace * self.waiting_texts,
                )
            self._queue.append(job)
            self.waiting_texts += len(job.texts)
            self._changed.notify()

    def _work(self) -> None:
        """Predict batch after batch, until the end."""
        import torch  # noqa: PLC0415  # loaded with the detector

        torch.set_num_threads(self.threads)  # a setting of the calling thread, where PyTorch uses OpenMP
        while jobs := self._next_batch():
            loaded, start = self.loaded, time.perf_counter()
            _complete(jobs, loaded)
            seconds, texts = time.perf_counter() - start, sum(len(job.texts) for job in jobs)
            self._pace += 0.1 * (seconds / texts - self._pace)
            self.on_batch(texts, seconds)

    def _next_batch(self) -> list[Job]:
        """Wait for work and take up to a batch of it; return nothing at the end."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._queue or self._closing)
                if self._under_load and self.max_batch > 1:
                    self._changed.wait_for(lambda: self.waiting_texts >= self.max_batch or self._closing, self.max_wait)
                jobs = self._take()
                if jobs or self._closing:  # no jobs: those that waited were canceled
                    return jobs

    def _take(self) -> list[Job]:
        jobs: list[Job] = []
        texts = 0
        while self._queue and (not jobs or self._fits(jobs[-1], self._queue[0], texts)):
            job = self._queue.popleft()
            job.future.set_running_or_notify_cancel()
            jobs.append(job)
            texts += len(job.texts)
        self.waiting_texts -= texts
        self._under_load = len(jobs) > 1 or bool(self._queue)
        return jobs

    def _fits(self, last: Job, job: Job, texts: int) -> bool:
        return last.function is None and job.function is None and texts + len(job.texts) <= self.max_batch


def _complete(jobs: list[Job], loaded: LoadedBundle) -> None:
    """Compute the results of jobs together; after an error one by one, so that only the job that caused it fails."""
    try:
        results = _results(jobs, loaded.detector)
    except Exception as error:
        if len(jobs) == 1:
            jobs[0].future.set_exception(error)
            return
        for job in jobs:
            _complete([job], loaded)
    else:
        for job, result in zip(jobs, results, strict=True):
            job.future.set_result((loaded, result))


def _results(jobs: list[Job], detector: Detector) -> list[Any]:
    """Return one result per job."""
    if jobs[0].function is not None:
        return [jobs[0].function(detector)]
    predictions = iter(detector.predict(text for job in jobs for text in job.texts))
    return [[next(predictions) for _ in job.texts] for job in jobs]
