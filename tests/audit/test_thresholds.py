"""Thresholds: statuses, text, and the table of the documentation."""

from pathlib import Path

import pytest

from zhenwei.audit.thresholds import THRESHOLDS, Threshold, thresholds_table

PAGE = Path(__file__).parents[2] / "docs" / "audit.md"
START, END = "<!-- thresholds: `zhenwei.audit.thresholds.thresholds_table()` -->\n", "<!-- end of the thresholds -->"


def test_the_documentation_has_the_current_thresholds() -> None:
    table = PAGE.read_text(encoding="utf-8").split(START)[1].split(END)[0]
    assert table == thresholds_table(), "paste the result of `thresholds_table()`"


@pytest.mark.parametrize(
    ("value", "status"),
    [
        (None, "good"),
        (0.0, "good"),
        (0.0999, "good"),
        (0.6 - 0.5, "warn"),
        (0.2499, "warn"),
        (0.25, "fail"),
        (1, "fail"),
    ],
)
def test_a_value_warns_and_fails_from_its_thresholds_on(value: float | None, status: str) -> None:
    assert Threshold("shares", "percent", 0.1, 0.25, "because").status_of(value) == status


def test_a_threshold_of_zero_means_above_zero() -> None:
    threshold = Threshold("copies", "percent", 0.0, None, "because")
    assert (threshold.status_of(0.0), threshold.status_of(1e-12), threshold.status_of(1.0)) == ("good", "warn", "warn")
    assert str(threshold) == "copies: warn above 0%, never fails"


def test_small_values_can_be_worse() -> None:
    threshold = Threshold("articles", "count", 200, 30, "because", lower_is_worse=True)
    assert [threshold.status_of(value) for value in (200, 199, 30, 29, 0)] == ["good", "warn", "warn", "fail", "fail"]
    assert str(threshold) == "articles: warn below 200, fail below 30"


@pytest.mark.parametrize(
    ("unit", "value", "text"),
    [("percent", 0.001, "0.1%"), ("points", 0.25, "25 points"), ("score", 0.7, "0.70"), ("count", 1234, "1,234")],
)
def test_values_are_shown_with_their_unit(unit: str, value: float, text: str) -> None:
    assert Threshold("x", unit, value, None, "because").format_value(value) == text


def test_no_check_fails_before_it_warns() -> None:
    for name, threshold in THRESHOLDS.items():
        if threshold.fail is not None:
            assert (
                (threshold.warn >= threshold.fail) if threshold.lower_is_worse else (threshold.warn < threshold.fail)
            ), name
