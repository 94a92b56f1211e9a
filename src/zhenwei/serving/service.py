"""The service without HTTP: the detector behind its queue, metrics, feedback, and reloads of the bundle."""

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from zhenwei.errors import ZhenweiError
from zhenwei.inference import Detector, Prediction
from zhenwei.serving.feedback.recorder import FeedbackRecorder
from zhenwei.serving.http.api_keys import ApiKeys
from zhenwei.serving.http.errors import ApiError
from zhenwei.serving.loaded_bundle import LoadedBundle, fingerprint
from zhenwei.serving.metrics import ServiceMetrics
from zhenwei.serving.micro_batcher import Disconnected, MicroBatcher
from zhenwei.serving.settings import ServingSettings

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 10.0  # between two writes of the counts


class Service:
    """A served detector.

    Args:
        path: The detector's folder, for the first load and for reloads.
        settings: The settings.
        name: The name of the bundle; None: the folder's.
        device: The device of the detector.
        keys: The accepted API keys.
        feedback: Stores reviews and counts; None: feedback is off. Closed with the service.

    Raises:
        CheckpointError: If there is no detector at this path, or it is damaged.
    """

    def __init__(
        self, path: Path, settings: ServingSettings, *, name: str | None = None, device: str = "auto",
        keys: ApiKeys | None = None, feedback: FeedbackRecorder | None = None,
    ) -> None:  # fmt: skip
        self.path, self.settings, self.name, self.device = path, settings, name, device
        self.keys = keys or ApiKeys([])
        self.feedback = feedback
        self.draining = False  # about to close the port
        self.metrics = ServiceMetrics()
        self._fingerprint = fingerprint(path)
        self.batcher = MicroBatcher(
            LoadedBundle.load(path, device, name, always=settings.always),
            max_batch=settings.max_batch,
            max_wait=settings.max_wait_ms / 1000,
            max_queue=settings.max_queue,
            threads=settings.threads or max(1, (os.cpu_count() or 2) - 1),
            on_batch=self.metrics.batch,
        )
        self.metrics.watch_queue(lambda: self.batcher.waiting_texts)
        self.metrics.bundle(self.loaded.name, self.loaded.version, self.loaded.loaded_at.timestamp())
        self._reloading = asyncio.Lock()

    @property
    def loaded(self) -> LoadedBundle:
        """The bundle that new requests use."""
        return self.batcher.loaded

    def start(self) -> None:
        """Start the detector's thread."""
        self.batcher.start()

    def close(self) -> None:
        """Finish the queue, write the counts, and end."""
        self.batcher.close()
        if self.feedback is not None:
            self.feedback.close()

    async def predict(self, texts: Sequence[str], disconnected: Disconnected) -> tuple[LoadedBundle, list[Prediction]]:
        """Predict texts, and count the verdicts; see `MicroBatcher.predict`."""
        loaded, predictions = await self.batcher.predict(texts, self.settings.timeout, disconnected)
        self.metrics.predictions(prediction.verdict for prediction in predictions)
        if self.feedback is not None:
            self.feedback.count(predictions, loaded.version)
        return loaded, predictions

    async def run(self, function: Callable[[Detector], Any], disconnected: Disconnected) -> tuple[LoadedBundle, Any]:
        """Call a function of the detector; see `MicroBatcher.run`."""
        return await self.batcher.run(function, self.settings.timeout, disconnected)

    async def reload(self) -> LoadedBundle:
        """Load the bundle again while the current one is served, and replace that once the new one works.

        Raises:
            ApiError: 409: the new bundle cannot be used, or a reload is in progress; the current one stays.
        """
        if self._reloading.locked():
            raise ApiError(409, "a reload is in progress", headers={"retry-after": "2"})
        async with self._reloading:
            self._fingerprint = fingerprint(self.path)
            try:
                loaded = await asyncio.to_thread(
                    LoadedBundle.load, self.path, self.device, self.name, always=self.settings.always
                )
            except (ZhenweiError, OSError) as error:
                self.metrics.reload("refused")
                message = f"version {self.loaded.version[:12]} is still served; the new bundle cannot be used: {error}"
                logger.error("reload failed: %s", message)
                raise ApiError(409, message) from None
            self.batcher.loaded = loaded
            self.metrics.reload("done")
            self.metrics.bundle(loaded.name, loaded.version, loaded.loaded_at.timestamp())
            logger.info("reloaded", extra={"fields": loaded.info.model_dump()})
            return loaded

    async def try_reload(self) -> None:
        """Reload; errors are logged, not raised."""
        try:
            await self.reload()
        except ApiError as error:
            logger.debug("%s", error.detail)

    async def watch(self) -> None:
        """Reload whenever the bundle is replaced, if `watch_seconds` is set."""
        while self.settings.watch_seconds > 0:
            await asyncio.sleep(self.settings.watch_seconds)
            current = await asyncio.to_thread(fingerprint, self.path)
            if current and current != self._fingerprint:  # empty: it is being replaced
                await self.try_reload()

    async def flush_counts(self) -> None:
        """Write the counts every few seconds."""
        while self.feedback is not None:
            await asyncio.sleep(FLUSH_SECONDS)
            await self.feedback.flush_in_thread()
