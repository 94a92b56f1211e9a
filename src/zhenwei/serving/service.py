"""The service apart from HTTP: the detector behind its queue, what is counted, and how another bundle takes over."""

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from zhenwei.errors import ZhenweiError
from zhenwei.inference import Detector, Prediction
from zhenwei.serving.feedback.desk import FeedbackDesk
from zhenwei.serving.http.api_keys import ApiKeys
from zhenwei.serving.http.body import BodyReader
from zhenwei.serving.http.errors import Refusal
from zhenwei.serving.loaded_bundle import Served, fingerprint, load_served
from zhenwei.serving.metrics import ServiceMetrics
from zhenwei.serving.micro_batcher import Gone, MicroBatcher
from zhenwei.serving.settings import ServingSettings

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 10.0  # between two writes of what was counted


class Service:
    """A detector that is being served.

    Args:
        path: Where the detector comes from, now and when it is loaded anew.
        settings: The settings.
        name: What it is called; None: as its folder.
        device: Where it computes.
        keys: Who may use it.
        desk: Where feedback goes; None: nowhere. Closed with the service.

    Raises:
        CheckpointError: If there is no detector at this path, or it is damaged.
    """

    def __init__(
        self,
        path: Path,
        settings: ServingSettings,
        *,
        name: str | None = None,
        device: str = "auto",
        keys: ApiKeys | None = None,
        desk: FeedbackDesk | None = None,
    ) -> None:
        self.path, self.settings, self.name, self.device = path, settings, name, device
        self.keys = keys or ApiKeys([])
        self.desk = desk
        self.draining = False
        self.metrics = ServiceMetrics()
        self.reader = BodyReader(settings)
        self._seen = fingerprint(path)
        self.batcher = MicroBatcher(
            load_served(path, device, name),
            max_batch=settings.max_batch,
            max_wait=settings.max_wait_ms / 1000,
            max_queue=settings.max_queue,
            threads=settings.threads or max(1, (os.cpu_count() or 2) - 1),
            metrics=self.metrics,
        )
        self.metrics.watch_queue(lambda: self.batcher.waiting_texts)
        self._show_bundle()
        self._reloading = asyncio.Lock()

    @property
    def served(self) -> Served:
        """The detector that new requests get."""
        return self.batcher.served

    @property
    def ready(self) -> bool:
        """Whether new requests should come here."""
        return self.batcher.alive and not self.draining

    def start(self) -> None:
        """Start the detector's thread."""
        self.batcher.start()

    def close(self) -> None:
        """Finish what waits, write what was counted, and end."""
        self.batcher.close()
        if self.desk is not None:
            self.desk.close()

    async def predict(self, texts: Sequence[str], gone: Gone) -> tuple[Served, list[Prediction]]:
        """Judge texts, and count the verdicts; see `MicroBatcher.judge`."""
        served, predictions = await self.batcher.judge(texts, self.settings.timeout, gone)
        self.metrics.predictions(prediction.verdict for prediction in predictions)
        if self.desk is not None:
            self.desk.count(predictions, served.version)
        return served, predictions

    async def ask(self, question: Callable[[Detector], Any], gone: Gone) -> tuple[Served, Any]:
        """Ask something else of the detector; see `MicroBatcher.ask`."""
        return await self.batcher.ask(question, self.settings.timeout, gone)

    async def reload(self) -> Served:
        """Load the bundle anew, beside the one that is being served, and let it take over once it has proved to work.

        Raises:
            Refusal: 409: it cannot be used, or is being loaded already; the old one stays.
        """
        if self._reloading.locked():
            raise Refusal(409, "the bundle is being loaded already", headers={"retry-after": "2"})
        async with self._reloading:
            self._seen = fingerprint(self.path)
            try:
                served = await asyncio.to_thread(load_served, self.path, self.device, self.name)
            except (ZhenweiError, OSError) as error:
                self.metrics.reload("refused")
                kept = f"version {self.served.version[:12]} is still served"
                logger.error("reload refused, %s: %s", kept, error)
                raise Refusal(409, f"the new bundle was refused, {kept}: {error}") from None
            self.batcher.swap(served)
            self.metrics.reload("done")
            self._show_bundle()
            logger.info("reloaded", extra={"fields": served.to_dict()})
            return served

    async def reload_quietly(self) -> None:
        """Reload where nobody waits for the outcome, which is logged."""
        try:
            await self.reload()
        except Refusal as refusal:
            logger.debug("%s", refusal.message)

    async def watch(self) -> None:
        """Reload whenever the bundle is replaced, for as long as the service runs."""
        while True:
            await asyncio.sleep(self.settings.watch_seconds)
            found = await asyncio.to_thread(fingerprint, self.path)
            if found and found != self._seen:  # nothing: it is just being replaced
                await self.reload_quietly()

    async def keep_counts(self) -> None:
        """Write what was counted every few seconds, for as long as the service runs."""
        while self.desk is not None:
            await asyncio.sleep(FLUSH_SECONDS)
            await self.desk.flushed()

    def _show_bundle(self) -> None:
        served = self.served
        self.metrics.bundle(served.name, served.version, served.loaded.timestamp())
