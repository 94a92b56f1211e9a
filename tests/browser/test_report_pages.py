"""Report pages in a real browser: nothing overflows, nothing is asked for, nothing goes wrong, wide or narrow."""

from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow  # a browser, and whole pages

NAMES = ("run", "run-alone", "assessment", "bare", "comparison", "single", "audit")
WIDTHS = (1280, 390)
A4 = 794  # pixels across at 96 to the inch

# What sticks out of the window, but for what is scrolled within its own box, or is only for those who jump there.
STICKING_OUT = """
    const inside = (element) => element.closest(".scroller, pre, .skip");
    return [...document.body.querySelectorAll("*")].filter((element) => {
        const box = element.getBoundingClientRect();
        return box.width > 0 && !inside(element) && (box.right > innerWidth + 1 || box.left < -1);
    }).map((element) => `${element.tagName}.${element.getAttribute("class")}: ${element.textContent.slice(0, 60)}`);
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
        assert browser.run(STICKING_OUT) == []
        browser.run(UNFOLD)


@pytest.mark.parametrize("name", NAMES)
def test_a_page_asks_for_nothing_and_says_nothing_on_the_console(
    browser: Any, pages: dict[str, Path], name: str
) -> None:
    browser.open(pages[name], WIDTHS[0])
    assert {url for url in browser.requests() if not url.startswith("data:")} == {pages[name].as_uri()}
    assert browser.messages() == []


@pytest.mark.parametrize("name", NAMES)
def test_all_pictures_and_tables_have_names(browser: Any, pages: dict[str, Path], name: str) -> None:
    browser.open(pages[name], WIDTHS[0])
    assert browser.run(UNNAMED) == 0


@pytest.mark.parametrize("name", NAMES)
def test_text_is_light_on_dark_where_the_reader_wants_it_so(browser: Any, pages: dict[str, Path], name: str) -> None:
    ground = "return getComputedStyle(document.body).backgroundColor"
    text = "return getComputedStyle(document.querySelector('svg text') ?? document.body).fill"
    browser.open(pages[name], WIDTHS[0], "light")
    light = browser.run(ground), browser.run(text)
    browser.open(pages[name], WIDTHS[0], "dark")
    dark = browser.run(ground), browser.run(text)
    assert light[0] == "rgb(253, 252, 250)"
    assert dark[0] == "rgb(20, 23, 26)"
    assert browser.run("return document.querySelector('svg text') !== null") == (light[1] != dark[1])


@pytest.mark.parametrize("name", NAMES)
def test_a_page_prints_on_a4_without_being_clipped(browser: Any, pages: dict[str, Path], name: str) -> None:
    browser.open(pages[name], A4, media="print")
    browser.run("dispatchEvent(new Event('beforeprint'));")
    assert browser.run("return document.documentElement.scrollWidth") <= A4
    clipped = (
        "return [...document.querySelectorAll('.scroller')].filter((e) => e.scrollWidth > e.clientWidth + 1).length"
    )
    assert browser.run(clipped) == 0


def test_a_click_sorts_a_table_and_another_turns_it_round(browser: Any, pages: dict[str, Path]) -> None:
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
