"""Services of a tiny detector, in the test's process and in processes of their own."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra 'serve' is not installed")

import httpx
from starlette.testclient import TestClient

from zhenwei.inference.known_articles import add_known_articles
from zhenwei.serving.app import build_app
from zhenwei.serving.feedback.recorder import FeedbackRecorder
from zhenwei.serving.feedback.store import FeedbackStore
from zhenwei.serving.http.api_keys import ApiKeys
from zhenwei.serving.service import Service
from zhenwei.serving.settings import ServingSettings

FAKE = "听说云溪的自来水出大事了，内部消息，赶紧转给家人！第1号"
REAL = "据东河通报，地铁检测合格，供应恢复正常。第2号"
LOCAL = ("127.0.0.1", 50000)


@contextmanager
def serving(path: Path, database: str | None = None, keys: tuple[str, ...] = (), **settings: Any) -> Iterator[Service]:
    """A started service."""
    recorder = None if database is None else FeedbackRecorder(FeedbackStore.open(database))
    service = Service(path, ServingSettings.of(settings), device="cpu", keys=ApiKeys(list(keys)), feedback=recorder)
    service.start()
    try:
        yield service
    finally:
        service.close()


def client_of(service: Service, **options: Any) -> TestClient:
    """A client of a service, on this machine."""
    return TestClient(build_app(service, **options), base_url="http://127.0.0.1", client=LOCAL)


@pytest.fixture(scope="session")
def service(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with narrow limits and feedback, for tests that do not change it."""
    database = str(tmp_path_factory.mktemp("feedback") / "feedback.sqlite")
    with serving(tiny_run, database, max_texts=4, max_characters=200, max_body=4096) as started:
        yield started


@pytest.fixture(scope="session")
def known_run(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A read-only copy of the finished run whose bundle has known articles."""
    run = Path(shutil.copytree(tiny_run, tmp_path_factory.mktemp("known") / "tiny"))
    add_known_articles(run)
    return run


@pytest.fixture(scope="session")
def client(service: Service) -> TestClient:
    """A client of that service."""
    return client_of(service)


@dataclass(frozen=True)
class Process:
    """A running `zhenwei serve`."""

    url: str
    process: subprocess.Popen[str]
    log: Path

    def connect(self) -> socket.socket:
        """Open a connection."""
        url = httpx.URL(self.url)
        return socket.create_connection((url.host, url.port), timeout=60)

    def stop(self) -> int:
        """Send SIGTERM, and return the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Process]]:
    """A function that starts `zhenwei serve RUN OPTIONS` on a free port and waits until it listens."""
    running: list[subprocess.Popen[str]] = []

    def start_service(run: Path, *options: object) -> Process:
        command = [sys.executable, "-m", "zhenwei", "serve", str(run), "--port", "0", "--device", "cpu"]
        path = tmp_path_factory.mktemp("process") / "serve.log"
        with path.open("w") as log:
            process = subprocess.Popen(
                [*command, *map(str, options)],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        running.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "http://" in line, path.read_text()
        return Process(line.split(" at ")[1].split(" ")[0], process, path)

    yield start_service
    for process in running:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
