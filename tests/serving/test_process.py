"""A real service in a process of its own: its end loses no request, a new bundle fails none, load breaks nothing."""

import json
import signal
import socket
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


class Load:
    """Clients that ask without pause, and what became of their requests."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.outcomes: Counter[str] = Counter()
        self.versions: set[str] = set()
        self.stop = threading.Event()
        self.answered = threading.Semaphore(0)
        self._lock = threading.Lock()

    def ask(self) -> None:
        """Ask until told to stop, or until the port is closed."""
        with httpx.Client(base_url=self.url, timeout=60) as client:
            while not self.stop.is_set():
                try:
                    answer = client.post("/v1/predict", json={"text": FAKE})
                    outcome = str(answer.status_code)
                    if answer.status_code == 200:
                        self.versions.add(answer.json()["bundle"]["version"])
                except httpx.ConnectError:
                    return  # it was never accepted
                except httpx.TransportError as error:  # it was, and got no answer
                    outcome = type(error).__name__
                with self._lock:
                    self.outcomes[outcome] += 1
                self.answered.release()

    def wait_for(self, answers: int) -> None:
        """Wait until so many more requests have been answered."""
        for _ in range(answers):
            assert self.answered.acquire(timeout=60)


@contextmanager
def load_on(url: str) -> Iterator[Load]:
    load = Load(url)
    threads = [threading.Thread(target=load.ask) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        load.stop.set()
        for thread in threads:
            thread.join(60)


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_an_end_under_load_loses_no_accepted_request(
    own_bundle: Path, start: Callable[..., Process], sent: signal.Signals
) -> None:
    service = start(own_bundle, "--drain-seconds", "3")
    with httpx.Client(base_url=service.url, timeout=60) as probe, load_on(service.url) as load:
        load.wait_for(20)
        service.process.send_signal(sent)
        assert _draining(probe)
        load.wait_for(20)  # while it drains, it serves
        assert service.process.wait(60) == 0
    assert load.outcomes.keys() == {"200"}


def test_who_connected_before_the_end_has_time_to_ask(own_bundle: Path, start: Callable[..., Process]) -> None:
    service = start(own_bundle, "--drain-seconds", "0")
    address = httpx.URL(service.url)
    with socket.create_connection((address.host, address.port), timeout=60) as client:
        time.sleep(0.2)  # to be accepted
        service.process.send_signal(signal.SIGTERM)
        time.sleep(2)  # longer than connections stay that have asked before
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200")
    assert service.process.wait(60) == 0


def _draining(probe: httpx.Client) -> bool:
    """Whether /readyz says 503 while the port is open still."""
    while True:
        try:
            if probe.get("/readyz").status_code == 503:
                return True
        except httpx.ConnectError:
            return False


def test_the_counts_are_written_at_the_end(own_bundle: Path, start: Callable[..., Process], tmp_path: Path) -> None:
    database = tmp_path / "feedback.sqlite"
    service = start(own_bundle, "--feedback", database, "--drain-seconds", "0")
    httpx.post(f"{service.url}/v1/predict", json={"texts": [FAKE] * 3}, timeout=60)
    assert service.stop() == 0
    store = FeedbackStore.open(str(database))
    assert drift(store, 1)[0]["predictions"] == 3
    store.close()


@pytest.mark.parametrize("way", ["signal", "request", "watch"])
def test_a_new_bundle_under_load_fails_no_request(own_bundle: Path, start: Callable[..., Process], way: str) -> None:
    service = start(own_bundle, *(("--watch", "0.1") if way == "watch" else ()))
    with load_on(service.url) as load:
        load.wait_for(10)
        for threshold in (0.9, 0.8):
            before = len(load.versions)
            raise_threshold(own_bundle, threshold)
            if way == "signal":
                service.process.send_signal(signal.SIGHUP)
            elif way == "request":
                assert httpx.post(f"{service.url}/v1/reload", timeout=60).json()["changed"] is True
            while len(load.versions) == before:
                load.wait_for(1)
    assert load.outcomes.keys() == {"200"}
    assert len(load.versions) == 3


def test_a_bad_bundle_under_load_changes_nothing(own_bundle: Path, start: Callable[..., Process]) -> None:
    service = start(own_bundle)
    with load_on(service.url) as load:
        load.wait_for(5)
        (own_bundle / "detector.json").write_text("{")
        assert httpx.post(f"{service.url}/v1/reload", timeout=60).status_code == 409
        load.wait_for(5)
    assert load.outcomes.keys() == {"200"}
    assert len(load.versions) == 1


def test_more_than_it_can_do_gets_200_or_503_and_nothing_else(own_bundle: Path, start: Callable[..., Process]) -> None:
    service = start(own_bundle, "--max-queue", "2", "--max-batch", "1")
    with load_on(service.url) as load:
        load.wait_for(300)
    assert load.outcomes.keys() == {"200", "503"}
    calm = httpx.post(f"{service.url}/v1/predict", json={"text": FAKE}, timeout=60)
    assert calm.status_code == 200


@pytest.mark.parametrize("declared", [True, False])
def test_who_sends_far_too_much_gets_to_read_why(
    own_bundle: Path, start: Callable[..., Process], declared: bool
) -> None:
    url = start(own_bundle).url
    content = b'{"text": "' + b"a" * 20_000_000 + b'"}'
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=60) as client:
        size = f"Content-Length: {len(content)}" if declared else "Transfer-Encoding: chunked"
        head = f"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{size}\r\n\r\n"
        body = content if declared else f"{len(content):x}\r\n".encode() + content + b"\r\n0\r\n\r\n"
        client.sendall(head.encode() + body)  # a reset would fail here, or when the answer is read
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"body: found 20000012 bytes; at most 2097152 are taken" in answer


def test_who_asks_before_sending_too_much_is_refused_at_once(own_bundle: Path, start: Callable[..., Process]) -> None:
    url = start(own_bundle).url
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=60) as client:
        client.sendall(
            b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: 20000000\r\nExpect: 100-continue\r\n\r\n"
        )
        assert client.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_the_log_is_json_and_without_texts(own_bundle: Path, start: Callable[..., Process], tmp_path: Path) -> None:
    service = start(own_bundle, "--drain-seconds", "0")
    httpx.post(f"{service.url}/v1/predict", json={"text": FAKE}, headers={"x-request-id": "r-1"}, timeout=60)
    httpx.post(f"{service.url}/v1/predict", content=FAKE.encode(), timeout=60)
    service.stop()
    log = (tmp_path / "serve.log").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in log.splitlines()]
    assert [line["status"] for line in lines if line["message"] == "request"] == [200, 415]
    assert [line["message"] for line in lines if line["message"] != "request"] == ["SIGTERM: draining", "drained"]
    assert "云溪" not in log
