"""Metrics of the service for Prometheus."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from zhenwei.inference.prediction import Verdict

LATENCIES = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)  # seconds
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)  # texts


class ServiceMetrics:
    """Counters and histograms in a registry of their own, so that a process can run several services."""

    media_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        counter, seconds = partial(Counter, registry=registry), partial(Histogram, registry=registry, buckets=LATENCIES)
        self._requests = counter("zhenwei_requests", "Requests by endpoint and status.", ["endpoint", "status"])
        self._latency = seconds(
            "zhenwei_request_seconds", "Seconds from a request's headers to its response.", ["endpoint"]
        )
        self._batch_texts = Histogram("zhenwei_batch_texts", "Texts of a batch.", buckets=SIZES, registry=registry)
        self._batch_seconds = seconds("zhenwei_batch_seconds", "Seconds of a batch.")
        predictions = counter("zhenwei_predictions", "Predictions by verdict.", ["verdict"])
        self._by_verdict = {verdict: predictions.labels(verdict) for verdict in get_args(Verdict)}
        self._reloads = counter("zhenwei_reloads", "Reloads of the bundle by outcome.", ["outcome"])
        self._bundle = Gauge(
            "zhenwei_bundle_loaded_timestamp_seconds", "When the served bundle was loaded.", ["name", "version"],
            registry=registry,
        )  # fmt: skip

    def watch_queue(self, length: Callable[[], float]) -> None:
        """Export the length of the queue, in texts."""
        gauge = Gauge("zhenwei_queue_texts", "Texts that wait for a prediction.", registry=self.registry)
        gauge.set_function(length)

    def request(self, endpoint: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(endpoint, str(status)).inc()
        self._latency.labels(endpoint).observe(seconds)

    def batch(self, texts: int, seconds: float) -> None:
        """Count a batch."""
        self._batch_texts.observe(texts)
        self._batch_seconds.observe(seconds)

    def predictions(self, verdicts: Iterable[str]) -> None:
        """Count predictions."""
        for verdict in verdicts:
            self._by_verdict[verdict].inc()

    def bundle(self, name: str, version: str, loaded_at: float) -> None:
        """Export the bundle that is served from now on."""
        self._bundle.clear()
        self._bundle.labels(name, version).set(loaded_at)

    def reload(self, outcome: str) -> None:
        """Count a reload: `done` or `refused`."""
        self._reloads.labels(outcome).inc()

    def render(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry)
