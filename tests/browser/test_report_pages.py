"""Report pages in a browser, wide and narrow: nothing overflows, no requests, no console messages."""

from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow  # starts a browser and writes all pages

NAMES = ("run", "run-alone", "evaluation", "bare", "comparison", "single", "audit")
WIDTHS = (1280, 390)
A4 = 794  # pixels across at 96 to the inch

# Elements outside the window, except in scrollable boxes, and except the link that is visible only on focus.
OVERFLOWING = """
    const inside = (element) => element.closest(".scroller, pre, .skip");
    return [...document.body.querySelectorAll("*")].filter((element) => {
        const box = element.getBoundingClientRect();
        return box.width > 0 && !inside(element) && (box.right > innerWidth + 1 || box.left < -1);
    }).map((element) => `${element.tagName}.${element.getAttribute("class")}: ${element.textContent.slice(0, 60)}`);
"""
# Pairs of texts of a chart that overlap, and texts outside their chart.
COLLIDING = """
    const found = [];
    for (const chart of document.querySelectorAll("svg")) {
        const frame = chart.getBoundingClientRect();
        if (!frame.width) continue;
        const texts = [...chart.querySelectorAll("text")].map((text) => [text.getBoundingClientRect(), text.textContent]);
        texts.forEach(([a, first], index) => {
            if (a.left < frame.left - 1 || a.right > frame.right + 1) found.push(`${chart.ariaLabel}: ${first}`);
            for (const [b, second] of texts.slice(0, index)) {
                const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
                const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
                if (across > 1 && down > 3) found.push(`${chart.ariaLabel}: ${first} / ${second}`);
            }
        });
    }
    return found;
"""
UNNAMED = """
    return [...document.querySelectorAll("svg, img, [role=region], table")].filter((element) =>
        element.tagName === "TABLE" ? !element.tHead : !(element.getAttribute("aria-label") || element.alt)
    ).length;
"""
UNFOLD = "document.querySelectorAll('details').forEach((each) => { each.open = true; });"


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", NAMES)
def test_a_page_fits_its_window_folded_and_unfolded(
    browser: Any, pages: dict[str, Path], name: str, width: int
) -> None:
    browser.open(pages[name], width)
    for _ in range(2):
        assert browser.run("return innerWidth") == width
        assert browser.run("return document.documentElement.scrollWidth") <= width
        assert browser.run(OVERFLOWING) == []
        assert browser.run(COLLIDING) == []
        browser.run(UNFOLD)


@pytest.mark.parametrize("name", NAMES)
def test_a_page_makes_no_requests_and_logs_nothing(browser: Any, pages: dict[str, Path], name: str) -> None:
    browser.open(pages[name], WIDTHS[0])
    assert {url for url in browser.requests() if not url.startswith("data:")} == {pages[name].as_uri()}
    assert browser.messages() == []


@pytest.mark.parametrize("name", NAMES)
def test_all_charts_and_tables_have_names(browser: Any, pages: dict[str, Path], name: str) -> None:
    browser.open(pages[name], WIDTHS[0])
    assert browser.run(UNNAMED) == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_page_follows_the_color_scheme(browser: Any, pages: dict[str, Path], name: str) -> None:
    background = "return getComputedStyle(document.body).backgroundColor"
    text = "return getComputedStyle(document.querySelector('svg text') ?? document.body).fill"
    browser.open(pages[name], WIDTHS[0], "light")
    light = browser.run(background), browser.run(text)
    browser.open(pages[name], WIDTHS[0], "dark")
    dark = browser.run(background), browser.run(text)
    assert light[0] == "rgb(253, 252, 250)"
    assert dark[0] == "rgb(20, 23, 26)"
    assert browser.run("return document.querySelector('svg text') !== null") == (light[1] != dark[1])


@pytest.mark.parametrize("name", NAMES)
def test_a_page_fits_on_a4(browser: Any, pages: dict[str, Path], name: str) -> None:
    browser.open(pages[name], A4, media="print")
    browser.run("dispatchEvent(new Event('beforeprint'));")
    assert browser.run("return document.documentElement.scrollWidth") <= A4
    clipped = (
        "return [...document.querySelectorAll('.scroller')].filter((e) => e.scrollWidth > e.clientWidth + 1).length"
    )
    assert browser.run(clipped) == 0


def test_a_click_sorts_a_table_and_a_second_one_reverses_it(browser: Any, pages: dict[str, Path]) -> None:
    column = """
        const rows = [...document.querySelector("#table table").tBodies[0].rows];
        return rows.map((row) => Number(row.cells[3].dataset.value));
    """
    browser.open(pages["comparison"], WIDTHS[0])
    before = browser.run(column)
    click = "document.querySelectorAll('#table th[data-column]')[3].click();"
    browser.run(click)
    assert browser.run(column) == sorted(before, reverse=True)
    browser.run(click)
    assert browser.run(column) == sorted(before)
    assert browser.run("return document.querySelectorAll('#table th[data-column]')[3].ariaSort") == "ascending"
