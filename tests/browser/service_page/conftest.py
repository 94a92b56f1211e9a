"""Real services with their page, a browser that visits them, and axe-core to look for what shuts people out."""

import base64
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha512
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra 'serve' is not installed")

AXE = "axe-core@4.14.1"
AXE_SHA512 = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
KEY = "a-key-of-the-tests-0123456789"
PATIENCE = 60  # seconds that something on the page may take


@dataclass(frozen=True)
class Site:
    """A service that runs."""

    url: str
    run: Path
    database: Path

    def reviews(self) -> list[dict[str, Any]]:
        """What reviewers said, as the database has it."""
        with sqlite3.connect(self.database) as connection:
            connection.row_factory = sqlite3.Row
            rows = connection.execute("SELECT * FROM zhenwei_reviews ORDER BY id").fetchall()
        return [dict(row) for row in rows]


@contextmanager
def served(run: Path, log: Path, *options: object, **environment: str) -> Iterator[str]:
    """Run `zhenwei serve RUN OPTIONS` on a free port, and give its address."""
    command = [
        sys.executable,
        "-m",
        "zhenwei",
        "serve",
        str(run),
        "--port",
        "0",
        "--device",
        "cpu",
        "--drain-seconds",
        "0",
    ]
    with log.open("w") as errors, subprocess.Popen(
        [*command, *map(str, options)], stdout=subprocess.PIPE, stderr=errors, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        told = re.search(r"(http://\S+) until", process.stdout.readline())
        assert told is not None, log.read_text()
        try:
            yield f"{told[1]}/"
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


@pytest.fixture(scope="session")
def known_run(tiny_run: Path, data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained detector that knows its training articles."""
    from zhenwei.inference.known_articles import add_known_articles  # noqa: PLC0415

    run = Path(shutil.copytree(tiny_run, tmp_path_factory.mktemp("served") / "known"))
    add_known_articles(run, data_folder / "train.json")
    return run


@pytest.fixture(scope="session")
def site(known_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A service with all there is: known articles, and a database in which two weeks have passed."""
    from zhenwei.serving.feedback.store import FeedbackStore, Review, WeekCount  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("site")
    database = folder / "feedback.sqlite"
    store = FeedbackStore.open(str(database))
    store.count({("2020-W10", "a" * 64): WeekCount(40, 10, 32.0), ("2020-W11", "b" * 64): WeekCount(20, 10, 18.0)})
    for number, said in enumerate(("fake", "fake", "real", "fake")):
        review = Review(f"旧文{number}", said, "old", "a" * 64, predicted_verdict="fake", predicted_probability=0.9)
        store.add(review, datetime(2020, 3, 4, tzinfo=UTC))
    store.close()
    with served(known_run, folder / "serve.log", "--feedback", database) as url:
        yield Site(url, known_run, database)


@pytest.fixture(scope="session")
def bare_site(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A service that asks for a key, takes short texts alone, and has neither known articles nor a database."""
    folder = tmp_path_factory.mktemp("bare")
    with served(tiny_run, folder / "serve.log", "--max-characters", 50, ZHENWEI_API_KEYS=KEY) as url:
        yield Site(url, tiny_run, folder / "none.sqlite")


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
        """Come for the first time; `fetch` is the body of a function(real, url, options) in place of `fetch`."""
        driver = self.browser.driver
        driver.get(f"{url}style/palette.css")  # of the same origin, and runs nothing
        kept = "" if language is None else f"localStorage.setItem('zhenwei.language', '{language}');"
        self.run(f"sessionStorage.clear(); localStorage.clear(); {kept}")
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
        """The element that a selector names."""
        return self.browser.driver.find_element("css selector", css)

    def text(self, css: str) -> str:
        """What an element shows."""
        return str(self.one(css).text)

    def texts(self, css: str) -> list[str]:
        """What elements show."""
        return [found.text for found in self.browser.driver.find_elements("css selector", css)]

    def seen(self, css: str) -> bool:
        """Whether an element is there to be seen."""
        return any(found.is_displayed() for found in self.browser.driver.find_elements("css selector", css))

    def click(self, css: str) -> None:
        """Click an element."""
        self.one(css).click()

    def keys(self, *keys: str) -> None:
        """Press keys where the focus is."""
        self.browser.driver.switch_to.active_element.send_keys(*keys)

    def focused(self) -> str:
        """The id of what has the focus."""
        return str(self.run("return document.activeElement.id"))

    def judge(self, text: str) -> None:
        """Judge a text by Ctrl+Enter, and wait for all that is said of it."""
        self.run("const box = document.getElementById('text'); box.value = ''; box.focus();")
        self.run("document.execCommand('insertText', false, arguments[0]);", text)  # as pasted
        self.keys("\ue009\ue007")
        self.until("return document.querySelector('#verdict .verdict') && !document.querySelector('.pending');")

    def upload(self, file: Path) -> None:
        """Choose a file, and wait until it is judged."""
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
        """What axe-core calls serious or critical."""
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
    """The script of axe-core: from the cache, or else from npm's registry, held against its digest."""
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
    """Fetch axe-core; return why that did not work."""
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
    """The detector that is served, to hold the page against."""
    from zhenwei import Detector  # noqa: PLC0415

    return Detector.load(known_run, device="cpu")


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes a file: bytes, text, or what becomes JSON."""

    def write_file(name: str, content: Any) -> Path:
        path = tmp_path / name
        data = content if isinstance(content, str | bytes) else json.dumps(content, ensure_ascii=False)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    return write_file
