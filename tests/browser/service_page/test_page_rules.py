"""Rules for every state of the page: layout, console, network, security policy, accessibility, print."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.slow

FAKE = "听说云溪的大蒜出大事了，内部消息，赶紧转给家人！"
LONG = "https://a.example/" + "x" * 300 + FAKE * 4
WIDTHS = (1280, 390)
STATES = ("empty", "result", "file", "drift")
OVERFLOWING = """
    const inside = (element) => element.closest(".scroller, .skip, .visually-hidden, svg");
    return [...document.body.querySelectorAll("*")].filter((element) => {
        const box = element.getBoundingClientRect();
        return box.width > 0 && !inside(element) && (box.right > innerWidth + 1 || box.left < -1);
    }).map((element) => `${element.tagName}.${element.className}: ${element.textContent.slice(0, 60)}`);
"""

Enter = Callable[..., Any]


@pytest.fixture
def enter(visit: Any, site: Any, write: Callable[..., Path]) -> Enter:
    """A function that opens the page in a state."""

    def open_state(state: str, **options: Any) -> Any:
        visit.open(site.url, "drift/" if state == "drift" else "", **options)
        if state == "result":
            visit.predict(LONG)
            for summary in visit.browser.driver.find_elements("css selector", ".review summary, .attention summary"):
                summary.click()
        if state == "file":
            visit.upload(
                write("posts.json", [LONG, FAKE, {"id": "y" * 150, "content": "短"}, {"id": "z", "content": ""}])
            )
        return visit

    return open_state


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("language", ["zh", pytest.param("en", marks=pytest.mark.nightly)])
@pytest.mark.parametrize("state", STATES)
def test_it_fits_the_window_and_logs_nothing(enter: Enter, state: str, language: str, width: int) -> None:
    visit = enter(state, language=language, width=width)
    assert visit.run("return innerWidth") == width
    assert visit.run("return document.documentElement.scrollWidth") <= width
    assert visit.run(OVERFLOWING) == []
    assert visit.browser.messages() == []


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.nightly)])
@pytest.mark.parametrize("state", STATES)
def test_axe_finds_nothing_serious(enter: Enter, axe: str, state: str, scheme: str) -> None:
    assert enter(state, scheme=scheme).violations(axe) == []


def test_axe_finds_nothing_serious_on_a_phone_and_in_the_key_dialog(
    enter: Enter, visit: Any, bare_site: Any, axe: str
) -> None:
    assert enter("result", width=390, language="en").violations(axe) == []
    visit.open(bare_site.url, ready=False)
    visit.until("return document.getElementById('key-dialog').open")
    assert visit.violations(axe) == []


@pytest.mark.parametrize("state", STATES)
def test_it_sends_requests_to_its_own_service_only(enter: Enter, site: Any, state: str) -> None:
    urls = enter(state).browser.requests()
    assert [url for url in urls if not url.startswith((site.url, "data:", "blob:"))] == []


@pytest.mark.parametrize("path", ["", "drift/", "script/main.js", "style/page.css"])
def test_the_security_policy(site: Any, path: str) -> None:
    headers = httpx.get(f"{site.url}{path}").headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", ["", "drift/"])
def test_it_has_no_inline_script_style_or_handler(site: Any, path: str) -> None:
    page = httpx.get(f"{site.url}{path}").text
    assert "<style" not in page
    assert " style=" not in page
    assert " on" not in "".join(page.split('"')[::2]).replace(" on ", "")
    assert page.count("<script") == page.count('<script type="module" src=') == 1


def test_the_keyboard_skips_to_the_content_and_switches_tabs(visit: Any, site: Any) -> None:
    visit.open(site.url)
    visit.keys("\ue004")
    assert visit.run("return document.activeElement.className") == "skip"
    assert visit.one(".skip").rect["x"] > 0
    visit.keys("\ue007")
    assert visit.focused() == "content"
    visit.one("#tab-text").send_keys("\ue014")
    assert visit.focused() == "tab-file"
    assert (visit.seen("#panel-text"), visit.seen("#panel-file")) == (False, True)


def test_the_dark_color_scheme(enter: Enter) -> None:
    background = "return getComputedStyle(document.body).backgroundColor"
    assert enter("result", scheme="light").run(background) == "rgb(253, 252, 250)"
    assert enter("result", scheme="dark").run(background) == "rgb(20, 23, 26)"


@pytest.mark.parametrize("state", ["result", "file", "drift"])
def test_the_printed_page_has_results_without_controls(enter: Enter, state: str) -> None:
    visit = enter(state, width=794)
    visit.browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert visit.run("return document.documentElement.scrollWidth") <= 794
    assert not visit.seen("#language")
    assert not visit.seen("#predict-form .primary")
    assert visit.seen({"result": ".verdict", "file": "table.rows", "drift": ".charts svg"}[state])
