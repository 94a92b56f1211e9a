"""Services with their page, a browser that visits them, and axe-core for accessibility."""

import base64
import json
import os
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha512
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra 'serve' is not installed")

import uvicorn

from zhenwei.serving.app import build_app
from zhenwei.serving.feedback.recorder import FeedbackRecorder
from zhenwei.serving.feedback.store import FeedbackStore, Review, WeekCount
from zhenwei.serving.http.api_keys import ApiKeys
from zhenwei.serving.server import open_port
from zhenwei.serving.service import Service
from zhenwei.serving.settings import ServingSettings

AXE = "axe-core@4.14.1"
AXE_SHA512 = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
KEY = "a-key-of-the-tests-0123456789"
PATIENCE = 60  # seconds to wait for something on the page


@dataclass(frozen=True)
class Site:
    """A running service."""

    url: str
    run: Path
    database: Path

    def reviews(self) -> list[dict[str, Any]]:
        """The reviews in the database."""
        with sqlite3.connect(self.database) as connection:
            connection.row_factory = sqlite3.Row
            rows = connection.execute("SELECT * FROM zhenwei_reviews ORDER BY id").fetchall()
        return [dict(row) for row in rows]


@contextmanager
def running_service(
    run: Path, database: Path | None = None, keys: tuple[str, ...] = (), **settings: Any
) -> Iterator[str]:
    """Serve a run on a free port, in a thread, and give its URL."""
    recorder = None if database is None else FeedbackRecorder(FeedbackStore.open(str(database)))
    service = Service(run, ServingSettings.of(settings), device="cpu", keys=ApiKeys(list(keys)), feedback=recorder)
    config = uvicorn.Config(build_app(service), log_config=None, access_log=False, ws="none")
    server = uvicorn.Server(config)
    with open_port(ServingSettings(port=0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        service.start()
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"  # requests wait until the server accepts them
        finally:
            server.should_exit = True
            thread.join()
            service.close()


@pytest.fixture(scope="session")
def known_run(tiny_run: Path, data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained detector with its training articles as known cases."""
    from zhenwei.inference.known_articles import add_known_articles  # noqa: PLC0415

    run = Path(shutil.copytree(tiny_run, tmp_path_factory.mktemp("served") / "known"))
    add_known_articles(run, data_folder / "train.json")
    return run


@pytest.fixture(scope="session")
def site(known_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A service with all features: known cases, and a database with two weeks of feedback."""
    folder = tmp_path_factory.mktemp("site")
    database = folder / "feedback.sqlite"
    store = FeedbackStore.open(str(database))
    store.count({("2020-W10", "a" * 64): WeekCount(40, 10, 32.0), ("2020-W11", "b" * 64): WeekCount(20, 10, 18.0)})
    for number, verdict in enumerate(("fake", "fake", "real", "fake")):
        review = Review(f"旧文{number}", verdict, "old", "a" * 64, predicted_verdict="fake", predicted_probability=0.9)
        store.add(review, datetime(2020, 3, 4, tzinfo=UTC))
    store.close()
    with running_service(known_run, database) as url:
        yield Site(url, known_run, database)


@pytest.fixture(scope="session")
def bare_site(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A service that requires a key, accepts short texts only, and has neither known cases nor a database."""
    with running_service(tiny_run, keys=(KEY,), max_characters=50) as url:
        yield Site(url, tiny_run, tmp_path_factory.mktemp("bare") / "none.sqlite")


class Visit:
    """A visit to a service's page."""

    def __init__(self, browser: Any, downloads: Path) -> None:
        self.browser, self.downloads = browser, downloads
        self.run: Callable[..., Any] = browser.driver.execute_script
        behaviour = {"behavior": "allow", "downloadPath": str(downloads)}
        browser.driver.execute_cdp_cmd("Browser.setDownloadBehavior", behaviour)

    def open(
        self, url: str, path: str = "", *, language: str | None = "zh", width: int = 1280, scheme: str = "light",
        media: str = "screen", fetch: str = "", ready: bool = True,
    ) -> "Visit":  # fmt: skip
        """Open the page as a new visitor; `fetch` is the body of a function(real, url, options) that replaces fetch."""
        driver = self.browser.driver
        driver.get(f"{url}style/palette.css")  # same origin, runs nothing
        stored = "" if language is None else f"localStorage.setItem('zhenwei.language', '{language}');"
        self.run(f"sessionStorage.clear(); localStorage.clear(); {stored}")
        script = (
            f"{{ const real = fetch.bind(window); window.fetch = (url, options) => {{ {fetch} }}; }}" if fetch else ""
        )
        made = driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": script})
        try:
            self.browser.open(f"{url}{path}", width, scheme, media)
        finally:
            driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", made)
        if ready:
            self.until("return document.documentElement.dataset.ready")
        return self

    def until(self, script: str, *arguments: Any) -> Any:
        """Wait until a script returns something, and return that."""
        from selenium.webdriver.support.ui import WebDriverWait  # noqa: PLC0415

        return WebDriverWait(self.browser.driver, PATIENCE, 0.05).until(lambda _: self.run(script, *arguments))

    def one(self, css: str) -> Any:
        """The element of a selector."""
        return self.browser.driver.find_element("css selector", css)

    def text(self, css: str) -> str:
        """The visible text of an element."""
        return str(self.one(css).text)

    def texts(self, css: str) -> list[str]:
        """The visible texts of elements."""
        return [element.text for element in self.browser.driver.find_elements("css selector", css)]

    def seen(self, css: str) -> bool:
        """Whether an element is visible."""
        return any(element.is_displayed() for element in self.browser.driver.find_elements("css selector", css))

    def click(self, css: str) -> None:
        """Click an element."""
        self.one(css).click()

    def keys(self, *keys: str) -> None:
        """Send keys to the focused element."""
        self.browser.driver.switch_to.active_element.send_keys(*keys)

    def focused(self) -> str:
        """The id of the focused element."""
        return str(self.run("return document.activeElement.id"))

    def predict(self, text: str) -> None:
        """Predict a text by Ctrl+Enter, and wait for the whole result."""
        self.run("const box = document.getElementById('text'); box.value = ''; box.focus();")
        self.run("document.execCommand('insertText', false, arguments[0]);", text)  # as pasted
        self.keys("\ue009\ue007")
        self.until("return document.querySelector('#verdict .verdict') && !document.querySelector('.pending');")

    def upload(self, file: Path) -> None:
        """Choose a file, and wait for its predictions."""
        self.choose(file)
        self.until("return !document.getElementById('scoring').hidden && document.getElementById('stop').hidden;")

    def choose(self, file: Path) -> None:
        """Choose a file."""
        self.click("#tab-file")
        self.one("#file").send_keys(str(file))

    def download(self) -> bytes:
        """Download the results, and return them."""
        before = set(self.downloads.glob("*.csv"))
        self.click("#download")
        from selenium.webdriver.support.ui import WebDriverWait  # noqa: PLC0415

        [new] = WebDriverWait(None, PATIENCE, 0.05).until(lambda _: set(self.downloads.glob("*.csv")) - before)  # type: ignore[arg-type, type-var]
        return bytes(new.read_bytes())

    def violations(self, axe: str) -> list[str]:
        """The serious and critical violations that axe-core finds."""
        self.run(axe)
        found = self.browser.driver.execute_async_script(
            "const done = arguments[0]; axe.run().then((found) => done(found.violations));"
        )
        return [
            f"{each['id']}: {node['html'][:200]}"
            for each in found if each["impact"] in ("serious", "critical") for node in each["nodes"]
        ]  # fmt: skip


@pytest.fixture
def visit(browser: Any, tmp_path: Path) -> Visit:
    """A visit; downloads come into the test's folder."""
    return Visit(browser, tmp_path)


@pytest.fixture(scope="session")
def axe(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The script of axe-core, from the cache or from npm's registry, checked by its digest."""
    cache = getattr(pytestconfig, "cache", None)  # pytest may run without
    folder = tmp_path_factory.mktemp("axe-core") if cache is None else cache.mkdir("axe-core")
    archive = folder / f"{AXE.replace('@', '-')}.tgz"
    if not archive.is_file():
        reason = _fetch_axe(folder)
        if reason is not None and os.environ.get("ZHENWEI_BROWSER_TESTS") == "required":
            pytest.fail(reason)
        if reason is not None:
            pytest.skip(reason)
    assert base64.b64encode(sha512(archive.read_bytes()).digest()).decode() == AXE_SHA512
    with tarfile.open(archive) as files:
        member = files.extractfile("package/axe.min.js")
        assert member is not None
        return member.read().decode()


def _fetch_axe(folder: Path) -> str | None:
    """Fetch axe-core; return an error message if that fails."""
    if shutil.which("npm") is None:
        return f"no npm here to fetch {AXE} with; on Debian: apt install npm"
    with tempfile.TemporaryDirectory(dir=folder) as beside:  # tests in another process may fetch it at the same time
        done = subprocess.run(
            ["npm", "pack", AXE, "--silent"], cwd=beside, capture_output=True, text=True, timeout=120, check=False
        )
        if done.returncode != 0:
            return f"npm could not fetch {AXE}: {done.stderr.strip()[-200:]}"
        [archive] = Path(beside).glob("*.tgz")
        archive.replace(folder / archive.name)
    return None


@pytest.fixture(scope="session")
def detector(known_run: Path) -> Any:
    """The served detector, to compare the page with."""
    from zhenwei import Detector  # noqa: PLC0415

    return Detector.load(known_run, device="cpu")


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes a file: bytes, text, or JSON."""

    def write_file(name: str, content: Any) -> Path:
        path = tmp_path / name
        data = content if isinstance(content, str | bytes) else json.dumps(content, ensure_ascii=False)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    return write_file
