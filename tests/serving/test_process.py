"""A service in a process of its own: draining, reloads and limits under load, and its log."""

import json
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from zhenwei.serving.feedback.drift import drift
from zhenwei.serving.feedback.store import FeedbackStore

from .conftest import FAKE, Process
from .routes.test_predict import raise_threshold

pytestmark = pytest.mark.slow
CLIENTS = 6
HEAD = "POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
BODY = json.dumps({"text": FAKE}).encode()


class Load:
    """Clients that send requests without pause, and the outcomes of their requests."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.outcomes: Counter[str] = Counter()
        self.versions: set[str] = set()
        self.stop = threading.Event()
        self.answered = threading.Semaphore(0)
        self._lock = threading.Lock()

    def send(self) -> None:
        """Send requests until `stop` is set."""
        with httpx.Client(base_url=self.url, timeout=60) as client:
            while not self.stop.is_set():
                try:
                    response = client.post("/v1/predict", json={"text": FAKE})
                    outcome = str(response.status_code)
                    if response.status_code == 200:
                        self.versions.add(response.json()["bundle"]["version"])
                except httpx.TransportError as error:
                    outcome = type(error).__name__
                with self._lock:
                    self.outcomes[outcome] += 1
                self.answered.release()

    def wait_for(self, responses: int) -> None:
        """Wait for more responses."""
        for _ in range(responses):
            assert self.answered.acquire(timeout=60)


@contextmanager
def load_on(url: str) -> Iterator[Load]:
    load = Load(url)
    threads = [threading.Thread(target=load.send) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        load.stop.set()
        for thread in threads:
            thread.join(60)


@pytest.fixture(scope="module")
def shared(tiny_run: Path, start: Callable[..., Process]) -> Process:
    """A service with a short queue and no batches, for tests that do not change it."""
    return start(tiny_run, "--max-queue", "2", "--max-batch", "1")


class TestEnd:
    @pytest.mark.nightly
    def test_after_a_signal_it_is_not_ready_at_once_and_serves_until_the_port_closes(
        self, own_bundle: Path, start: Callable[..., Process]
    ) -> None:
        service = start(own_bundle, "--drain-seconds", "3", "--timeout", "60")
        unfinished = service.connect()
        unfinished.sendall(f"{HEAD}Content-Length: {len(BODY)}\r\n\r\n".encode() + BODY[:10])
        with load_on(service.url) as load:
            load.wait_for(20)
            service.process.send_signal(signal.SIGTERM)
            signaled = time.monotonic()
            assert httpx.get(f"{service.url}/readyz", timeout=60).status_code == 503
            load.wait_for(20)  # requests are served while it drains
            assert httpx.get(f"{service.url}/healthz", timeout=60).headers["connection"] == "close"
        wait_until_closed(service)
        assert time.monotonic() - signaled >= 2.9
        with unfinished:  # accepted before the port closed: it is answered
            unfinished.sendall(BODY[10:])
            response = b"".join(iter(lambda: unfinished.recv(65536), b""))
        assert response.startswith(b"HTTP/1.1 200 ")
        assert b'"verdict":"fake"' in response
        assert service.process.wait(60) == 0
        assert load.outcomes.keys() == {"200"}

    def test_ctrl_c_drains_and_a_second_signal_ends_it_at_once(
        self, tiny_run: Path, start: Callable[..., Process]
    ) -> None:
        service = start(tiny_run, "--drain-seconds", "3600")
        service.process.send_signal(signal.SIGINT)
        while (response := httpx.get(f"{service.url}/readyz", timeout=60)).status_code == 200:
            pass
        assert (response.status_code, response.json()["status"]) == (503, "draining")
        assert httpx.post(f"{service.url}/v1/predict", json={"text": FAKE}, timeout=60).status_code == 200
        assert service.stop() == 0

    @pytest.mark.nightly
    def test_the_counts_are_stored_and_the_log_is_json_without_texts(
        self, tiny_run: Path, start: Callable[..., Process], tmp_path: Path
    ) -> None:
        database = tmp_path / "feedback.sqlite"
        service = start(tiny_run, "--feedback", database, "--drain-seconds", "0")
        url = f"{service.url}/v1/predict"
        httpx.post(url, json={"texts": [FAKE] * 3}, headers={"x-request-id": "r-1"}, timeout=60)
        httpx.post(url, content=FAKE.encode(), timeout=60)
        assert service.stop() == 0
        store = FeedbackStore.open(str(database))
        assert drift(store, 1)[0]["predictions"] == 3
        store.close()
        log = service.log.read_text(encoding="utf-8")
        lines = [json.loads(line) for line in log.splitlines()]
        assert [line["status"] for line in lines if line["message"] == "request"] == [200, 415]
        assert [line["message"] for line in lines if line["message"] != "request"] == ["SIGTERM: draining", "drained"]
        assert "云溪" not in log


def wait_until_closed(service: Process) -> None:
    """Wait until the port accepts no connections."""
    while True:
        try:
            service.connect().close()
        except ConnectionRefusedError:
            return


class TestReload:
    @pytest.mark.parametrize(
        "options", [(), pytest.param(("--watch", "0.1"), marks=pytest.mark.nightly)], ids=["request", "watch"]
    )
    def test_a_reload_under_load_fails_no_request(
        self, own_bundle: Path, start: Callable[..., Process], options: tuple[str, ...]
    ) -> None:
        service = start(own_bundle, *options)
        with load_on(service.url) as load:
            load.wait_for(10)
            for threshold in (0.9, 0.8, 0.7):
                before = len(load.versions)
                raise_threshold(own_bundle, threshold)
                if not options and threshold == 0.7:
                    service.process.send_signal(signal.SIGHUP)
                elif not options:
                    assert httpx.post(f"{service.url}/v1/reload", timeout=60).json()["changed"] is True
                while len(load.versions) == before:
                    load.wait_for(1)
            if not options:  # a bad bundle changes nothing
                (own_bundle / "detector.json").write_text("{")
                assert httpx.post(f"{service.url}/v1/reload", timeout=60).status_code == 409
                load.wait_for(5)
        assert load.outcomes.keys() == {"200"}
        assert len(load.versions) == 4


class TestLimits:
    @pytest.mark.nightly
    def test_overload_gets_200_or_503_and_nothing_else(self, shared: Process) -> None:
        with load_on(shared.url) as load:
            load.wait_for(300)
        assert load.outcomes.keys() == {"200", "503"}
        later = httpx.post(f"{shared.url}/v1/predict", json={"text": FAKE}, timeout=60)
        assert later.status_code == 200

    @pytest.mark.parametrize("declared", [True, False])
    def test_a_client_that_sends_a_far_too_large_body_can_read_the_error(self, shared: Process, declared: bool) -> None:
        content = b'{"text": "' + b"a" * 20_000_000 + b'"}'
        size = f"Content-Length: {len(content)}" if declared else "Transfer-Encoding: chunked"
        body = content if declared else f"{len(content):x}\r\n".encode() + content + b"\r\n0\r\n\r\n"
        with shared.connect() as client:
            client.sendall(f"{HEAD}{size}\r\n\r\n".encode() + body)  # a reset would fail here, or at the next line
            response = b"".join(iter(lambda: client.recv(65536), b""))
        assert response.startswith(b"HTTP/1.1 413 ")
        assert b"body: found 20000012 bytes; expected at most 2097152" in response

    def test_a_client_that_expects_100_continue_gets_413_before_it_sends_the_body(self, shared: Process) -> None:
        with shared.connect() as client:
            client.sendall(f"{HEAD}Content-Length: 20000000\r\nExpect: 100-continue\r\n\r\n".encode())
            assert client.recv(65536).startswith(b"HTTP/1.1 413 ")
