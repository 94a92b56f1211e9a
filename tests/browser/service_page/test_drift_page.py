"""The drift page: charts with descriptions for screen readers, and a table."""

from typing import Any

import pytest

pytestmark = pytest.mark.slow


def test_every_chart_has_a_description(visit: Any, site: Any) -> None:
    visit.open(site.url, "drift/")
    label = "return document.querySelector(`[data-chart=${arguments[0]}] svg`).getAttribute('aria-label')"
    share = visit.run(label, "share")
    assert share.startswith("判假比例，2020-W10 到 ")
    assert "从 25% 到 " in share
    assert visit.run(label, "agreement").startswith("与审核员的一致率，2020-W10 到 ")
    assert "从 75%" in visit.run(label, "agreement")
    assert visit.run(label, "confidence").startswith("平均置信度")
    assert visit.run(label, "volume").startswith("预测次数")


def test_charts_have_a_point_per_week_and_a_line_at_a_change_of_the_detector(visit: Any, site: Any) -> None:
    visit.open(site.url, "drift/")
    weeks = visit.run("return document.querySelectorAll('#figures-table tbody tr').length")
    assert visit.run("return document.querySelectorAll('[data-chart=share] .dot').length") == weeks
    assert visit.run("return document.querySelectorAll('[data-chart=volume] .bar').length") == weeks
    assert visit.run("return document.querySelectorAll('[data-chart=share] .change').length") >= 1


def test_the_table_has_the_figures_newest_week_first(visit: Any, site: Any) -> None:
    visit.open(site.url, "drift/")
    rows = visit.run(
        "return [...document.querySelectorAll('#figures-table tbody tr')].map((row) => "
        "[...row.cells].map((cell) => cell.textContent));"
    )
    assert rows[-1] == ["2020-W10", "40", "10", "0", "25%", "80%", "4", "3", "4", "3", "75%", "aaaaaaaa"]
    assert rows[-2] == ["2020-W11", "20", "10", "0", "50%", "90%", "0", "0", "0", "0", "–", "bbbbbbbb"]


def test_fewer_weeks_can_be_chosen(visit: Any, site: Any) -> None:
    visit.open(site.url, "drift/")
    visit.run("const box = document.getElementById('weeks'); box.value = '8'; box.dispatchEvent(new Event('change'));")
    requested = visit.until(
        "return performance.getEntriesByType('resource').map(({ name }) => name)"
        ".find((name) => name.endsWith('weeks=8'))"
    )
    assert requested == f"{site.url}v1/drift?weeks=8"


@pytest.mark.parametrize(
    ("week", "following"), [("2020-W53", "2021-W01"), ("2015-W53", "2016-W01"), ("2024-W52", "2025-W01")]
)
def test_week_numbers_continue_over_the_end_of_a_year(visit: Any, site: Any, week: str, following: str) -> None:
    visit.open(site.url, "drift/")
    numbers = visit.browser.driver.execute_async_script(
        "const done = arguments[2]; import('../script/weeks.js').then(({ weekNumber }) => "
        "done([weekNumber(arguments[0]), weekNumber(arguments[1])]));", week, following,
    )  # fmt: skip
    assert numbers[1] == numbers[0] + 1


def test_intervals_are_wilsons(visit: Any, site: Any) -> None:
    visit.open(site.url, "drift/")
    bounds = visit.browser.driver.execute_async_script(
        "const done = arguments[0]; import('../script/weeks.js').then(({ interval }) => done(interval(9, 10)));"
    )
    assert bounds == pytest.approx([0.5958, 0.9821], abs=1e-4)  # Wilson (1927)
