"""Headless Chromium for the tests, or a skip with the reason; pages to open in it."""

import importlib.util
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

NEEDED = "ZHENWEI_BROWSER_TESTS"  # "required": fail without a browser, as in continuous integration
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
RECORDS = Path(__file__).parents[1] / "evaluation" / "report" / "records.py"


class Browser:
    """A browser with its console messages and requests."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, page: Path | str, width: int, scheme: str = "light", media: str = "screen") -> None:
        """Open a file or URL with a width, a color scheme and a medium."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        preferred = {
            "prefers-color-scheme": scheme,
            "prefers-reduced-motion": "reduce",
        }  # clicks need elements that do not move
        features = [{"name": name, "value": value} for name, value in preferred.items()]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})
        for log in ("browser", "performance"):
            self.driver.get_log(log)
        self.driver.get(page if isinstance(page, str) else page.as_uri())

    def run(self, script: str) -> Any:
        """Return what a script returns in the page."""
        return self.driver.execute_script(script)

    def messages(self) -> list[str]:
        """The errors and warnings of the console."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """The URLs requested since the page was opened."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Headless Chromium with a fresh profile."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    chromedriver = shutil.which("chromedriver")
    if chromium is None or chromedriver is None:
        reason = "no chromium and chromedriver here; on Debian: apt install chromium chromium-driver fonts-noto-cjk"
        if os.environ.get(NEEDED) == "required":
            pytest.fail(reason)
        pytest.skip(reason)
    from selenium import webdriver  # noqa: PLC0415  # only where there is a browser
    from selenium.webdriver.chrome.service import Service  # noqa: PLC0415

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(chromedriver))
    yield Browser(driver)
    driver.quit()


@pytest.fixture(scope="session")
def records() -> ModuleType:
    """The records that the pages' other tests use."""
    spec = importlib.util.spec_from_file_location("report_records", RECORDS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory, records: Any, tiny_run: Path) -> dict[str, Path]:
    """The report pages by name: full ones, and ones with as little as possible."""
    folder = tmp_path_factory.mktemp("pages")
    kinds = ("run", "run-alone", "evaluation", "bare", "comparison", "single", "audit")
    return {kind: records.write_page(kind, tiny_run, folder / f"{kind}.html") for kind in kinds}
