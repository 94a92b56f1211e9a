"""Bounds: how they grade, how they read, and that the documentation has them as they are."""

from pathlib import Path

import pytest

from zhenwei.audit.thresholds import BOUNDS, Bound, bounds_table

PAGE = Path(__file__).parents[2] / "docs" / "audit.md"
START, END = "<!-- bounds: as `zhenwei.audit.thresholds.bounds_table` writes them -->\n", "<!-- end of the bounds -->"


def test_the_documentation_has_the_bounds_as_they_are() -> None:
    told = PAGE.read_text(encoding="utf-8").split(START)[1].split(END)[0]
    assert told == bounds_table(), "paste what `bounds_table()` returns"


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
def test_a_value_warns_and_fails_from_its_bounds_on(value: float | None, status: str) -> None:
    assert Bound("shares", "percent", 0.1, 0.25, "so").grade(value) == status


def test_a_bound_of_zero_means_above_zero() -> None:
    bound = Bound("copies", "percent", 0.0, None, "so")
    assert (bound.grade(0.0), bound.grade(1e-12), bound.grade(1.0)) == ("good", "warn", "warn")
    assert str(bound) == "copies: warn above 0%, never fails"


def test_small_values_can_be_the_bad_ones() -> None:
    bound = Bound("articles", "count", 200, 30, "so", below=True)
    assert [bound.grade(value) for value in (200, 199, 30, 29, 0)] == ["good", "warn", "warn", "fail", "fail"]
    assert str(bound) == "articles: warn below 200, fail below 30"


@pytest.mark.parametrize(
    ("form", "value", "shown"),
    [("percent", 0.001, "0.1%"), ("points", 0.25, "25 points"), ("score", 0.7, "0.70"), ("count", 1234, "1,234")],
)
def test_values_are_shown_as_people_read_them(form: str, value: float, shown: str) -> None:
    assert Bound("x", form, value, None, "so").shown(value) == shown


def test_no_check_fails_before_it_warns() -> None:
    for name, bound in BOUNDS.items():
        if bound.fail is not None:
            assert (bound.warn >= bound.fail) if bound.below else (bound.warn < bound.fail), name
