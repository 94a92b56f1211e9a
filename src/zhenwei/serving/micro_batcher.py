"""Micro-batching: texts of several requests are judged together, by the one thread that owns the detector.

The thread takes whatever waits as soon as it is free, so that batches grow with the load by themselves. While requests
are coming in it waits a few milliseconds for more of them; a lone request never waits. The queue is bounded: a
request that finds no room is refused at once, so that work never piles up and the wait of those inside stays short.
"""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from zhenwei.inference import Detector, Prediction
from zhenwei.serving.http.errors import Refusal, too_busy
from zhenwei.serving.loaded_bundle import Served

logger = logging.getLogger(__name__)

Gone = Callable[[], Awaitable[None]]

FIRST_PACE = 0.01  # seconds per text, until it has been measured


class BatchMetrics(Protocol):
    """What is told of each batch; called in the worker's thread."""

    def batch(self, texts: int, seconds: float) -> None:
        """A batch of texts was judged."""


@dataclass(eq=False, slots=True)
class Job:
    """A piece of work for the detector: texts to judge, or something else to ask of it.

    Attributes:
        texts: What is to be judged.
        ask: What else to ask of the detector, instead of judging; not batched.
        future: Gets (Served, answer), in the loop of the request.
        loop: That loop.
        started: Whether the worker has taken it up.
    """

    texts: Sequence[str]
    ask: Callable[[Detector], Any] | None
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[tuple[Served, Any]]
    started: bool = field(default=False)


class MicroBatcher:
    """A bounded queue, and the one thread that owns the detector.

    Args:
        served: The detector.
        max_batch: Texts that are judged together at most; a request of more is judged alone.
        max_wait: Seconds to wait for company while requests are coming in.
        max_queue: Texts that may wait; a request is let in whatever its size where none waits.
        threads: Threads of PyTorch.
        metrics: Is told of each batch.
    """

    def __init__(
        self, served: Served, *, max_batch: int, max_wait: float, max_queue: int, threads: int, metrics: BatchMetrics
    ) -> None:
        self.served = served
        self.max_batch, self.max_wait, self.max_queue = max_batch, max_wait, max_queue
        self.threads, self.metrics = threads, metrics
        self.waiting_texts = 0
        self._waiting: deque[Job] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._company = False  # whether requests are coming in, so that waiting for more of them pays
        self._pace = FIRST_PACE  # seconds per text, a moving mean
        self._thread = threading.Thread(target=self._work, name="detector", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Finish what waits, and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def alive(self) -> bool:
        """Whether the thread is there to take on work."""
        return self._thread.is_alive() and not self._closing

    def swap(self, served: Served) -> None:
        """Serve another detector from the next batch on."""
        self.served = served

    async def judge(self, texts: Sequence[str], timeout: float, gone: Gone) -> tuple[Served, list[Prediction]]:
        """Judge texts together with those of other requests.

        Args:
            texts: At least one.
            timeout: Seconds after which to give up.
            gone: Gives what ends when the client has gone.

        Returns:
            The detector that judged them, and its predictions in the order of the texts.

        Raises:
            Refusal: 503 if the queue is full or the time is up while they wait, 504 if it is up while they are judged,
                499 if the client has gone.
            DataError: If the detector refuses a text.
        """
        return await self._done(self._enqueue(texts, None), timeout, gone)

    async def ask(self, question: Callable[[Detector], Any], timeout: float, gone: Gone) -> tuple[Served, Any]:
        """Ask anything else of the detector, in its thread; see `judge`."""
        return await self._done(self._enqueue(("",), question), timeout, gone)

    def _enqueue(self, texts: Sequence[str], ask: Callable[[Detector], Any] | None) -> Job:
        loop = asyncio.get_running_loop()
        job = Job(texts, ask, loop, loop.create_future())
        with self._changed:
            if self._closing:
                raise too_busy("the service is shutting down", 5)
            if self._waiting and self.waiting_texts + len(texts) > self.max_queue:
                raise too_busy(
                    f"busy: {self.waiting_texts} texts are waiting, and at most {self.max_queue} may; try again later",
                    self._pace * self.waiting_texts,
                )
            self._waiting.append(job)
            self.waiting_texts += len(texts)
            self._changed.notify()
        return job

    async def _done(self, job: Job, timeout: float, gone: Gone) -> tuple[Served, Any]:
        watcher = asyncio.ensure_future(gone())
        try:
            done, _ = await asyncio.wait((job.future, watcher), timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            if job.future in done:
                return job.future.result()
            if watcher in done:
                raise Refusal(499, "the client has gone")
            if job.started:
                raise Refusal(504, f"not done within {timeout:g} seconds; send fewer or shorter texts")
            raise too_busy(f"still waiting after {timeout:g} seconds; try again later", self._pace * self.waiting_texts)
        finally:
            watcher.cancel()
            job.future.cancel()
            self._withdraw(job)

    def _withdraw(self, job: Job) -> None:
        """Take a job that nobody waits for any more out of the queue."""
        if job.started:
            return
        with self._changed:
            if not job.started:
                self._waiting.remove(job)
                self.waiting_texts -= len(job.texts)
                job.started = True

    def _work(self) -> None:
        """Judge batch after batch, until the end."""
        import torch  # noqa: PLC0415  # loaded with the detector

        torch.set_num_threads(self.threads)  # a setting of the calling thread, where PyTorch uses OpenMP
        while jobs := self._next_batch():
            served, begun = self.served, time.perf_counter()
            self._judge(jobs, served)
            seconds, texts = time.perf_counter() - begun, sum(len(job.texts) for job in jobs)
            self._pace += 0.1 * (seconds / texts - self._pace)
            self.metrics.batch(texts, seconds)

    def _next_batch(self) -> list[Job]:
        """Wait for work and take up to a batch of it; nothing at the end."""
        with self._changed:
            while True:
                while not self._waiting and not self._closing:
                    self._changed.wait()
                if self._company and self.max_batch > 1:
                    self._await_company()
                jobs = self._take()
                if jobs or self._closing:  # none: those that waited have been given up
                    return jobs

    def _take(self) -> list[Job]:
        jobs: list[Job] = []
        texts = 0
        while self._waiting and (not jobs or self._joins(jobs[-1], self._waiting[0], texts)):
            job = self._waiting.popleft()
            job.started = True
            jobs.append(job)
            texts += len(job.texts)
        self.waiting_texts -= texts
        self._company = len(jobs) > 1 or bool(self._waiting)
        return jobs

    def _joins(self, last: Job, job: Job, texts: int) -> bool:
        return last.ask is None and job.ask is None and texts + len(job.texts) <= self.max_batch

    def _await_company(self) -> None:
        until = time.monotonic() + self.max_wait
        while self.waiting_texts < self.max_batch and not self._closing:
            remaining = until - time.monotonic()
            if remaining <= 0 or not self._changed.wait(remaining):
                return

    def _judge(self, jobs: list[Job], served: Served) -> None:
        """Judge jobs together; where that fails, one by one, so that one text cannot fail those of others."""
        try:
            answers = _answers(jobs, served.detector)
        except Exception as error:
            if len(jobs) > 1:
                for job in jobs:
                    self._judge([job], served)
                return
            _deliver(jobs, [error], served)
        else:
            _deliver(jobs, answers, served)


def _answers(jobs: list[Job], detector: Detector) -> list[Any]:
    """Return one answer per job."""
    if jobs[0].ask is not None:
        return [jobs[0].ask(detector)]
    predictions = iter(detector.predict(text for job in jobs for text in job.texts))
    return [[next(predictions) for _ in job.texts] for job in jobs]


def _deliver(jobs: list[Job], answers: list[Any], served: Served) -> None:
    """Hand answers to the loops that wait for them; one loop gets all of its own in one go."""

    def set_results(mine: list[tuple[Job, Any]]) -> None:
        for job, answer in mine:
            if job.future.done():  # given up meanwhile
                continue
            if isinstance(answer, Exception):
                job.future.set_exception(answer)
            else:
                job.future.set_result((served, answer))

    pairs = list(zip(jobs, answers, strict=True))
    for loop in {job.loop for job in jobs}:
        try:
            loop.call_soon_threadsafe(set_results, [pair for pair in pairs if pair[0].loop is loop])
        except RuntimeError:  # the loop was closed: nobody waits
            logger.debug("nobody waited for an answer")
