"""What pages say: every score with its interval and its n, what is missing left out, warnings first."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from zhenwei.audit.findings import AuditReport, Finding, Plot, Table
from zhenwei.evaluation.records import ReliabilityBin
from zhenwei.evaluation.report import write_audit_page, write_comparison_page, write_evaluation_page, write_run_page


@pytest.fixture
def show(tmp_path: Path, read_page: Callable[[Path], Any]) -> Callable[..., Any]:
    """A function that writes a page by a writer and its arguments, and reads it."""

    def shown(write: Callable[..., Path], record: Any, *rest: Any) -> Any:
        return read_page(write(record, tmp_path / "page.html", *rest))

    return shown


def test_scores_come_with_their_intervals_and_numbers(records: ModuleType, show: Callable[..., Any]) -> None:
    test = records.assessment("test")
    page = show(write_evaluation_page, test)
    low, high = test.intervals["macro_f1"]
    assert f"{test.scores['macro_f1']:.3f}" in page.text
    assert f"{low:.3f} to {high:.3f}" in page.text
    assert "n = 1,284, 611 fake" in page.text
    assert "1,000 bootstrap samples of 1,080 groups of near-duplicates" in page.text


def test_warnings_stand_above_everything_else(records: ModuleType, show: Callable[..., Any]) -> None:
    page = show(write_evaluation_page, records.assessment("test"))
    assert page.text.index("have a near-duplicate among the training articles: the") < page.text.index("All scores")


def test_past_and_future_stand_side_by_side(records: ModuleType, show: Callable[..., Any], tiny_run: Path) -> None:
    page = show(write_run_page, tiny_run, [records.assessment("val"), records.assessment("test")])
    assert "Macro-F1 falls from 0.871 in the past to 0.752 in the future." in page.text
    assert {"past (val)", "future (test)"} <= {text.strip() for text in page.texts}


def test_what_is_not_known_is_left_out(records: ModuleType, show: Callable[..., Any]) -> None:
    page = show(write_evaluation_page, records.bare_assessment())
    ids = page.values("id")
    assert not {"time", "slices", "overlap"} & set(ids)
    assert {"scores", "verdicts", "mistakes"} <= set(ids)
    assert "Its probabilities are not calibrated" in page.text
    assert "Macro-F1" not in page.values("aria-label")


def test_a_single_month_makes_no_curve(records: ModuleType, show: Callable[..., Any]) -> None:
    val = records.assessment("val")
    one = [each for each in val.slices if each.kind == "month"][:1]
    assert "time" not in show(write_evaluation_page, dataclasses.replace(val, slices=tuple(one))).values("id")


def test_slices_without_scores_say_why(records: ModuleType, show: Callable[..., Any]) -> None:
    page = show(write_evaluation_page, records.assessment("val"))
    assert "only fakes" in page.text


def test_empty_bins_are_not_drawn(records: ModuleType, show: Callable[..., Any]) -> None:
    empty = tuple(ReliabilityBin(0.1 * place, 0.1 * place + 0.1, 0, 0.0, 0.0, (0.0, 1.0)) for place in range(10))
    page = show(write_evaluation_page, records.assessment("val", reliability=empty))
    assert not [label for label in page.values("aria-label") if label.startswith("Reliability")]


def test_an_audit_shows_troubles_first_and_its_bounds(records: ModuleType, show: Callable[..., Any]) -> None:
    page = show(write_audit_page, records.audit())
    places = [page.source.index(f'id="check-{name}"') for name in ("shortcuts", "label_drift", "temporal_leakage")]
    assert places == sorted(places)
    assert "warn from 0.75, fail from 0.85" in page.text
    assert "<code>zhenwei data split</code>" in page.source
    assert "none labelled" in page.text


def test_an_audit_of_nothing_wrong_says_so(show: Callable[..., Any]) -> None:
    fine = Finding("x", "X", "good", "nothing found", "warn from 1")
    page = show(write_audit_page, AuditReport((), (fine,), "0", 0.0))
    assert "Nothing found that would flatter a detector" in page.text
    assert "findings" not in page.values("id")


@pytest.mark.parametrize("kind", ["bars", "lines"])
@pytest.mark.parametrize("values", [(None,), (0.0,), (-1.0,), (3.0,), (1e6,)], ids=str)
def test_any_plot_of_a_finding_can_be_drawn(kind: Any, values: Any, show: Callable[..., Any]) -> None:
    plot = Plot(kind, "标题 $x$", ("一",), "高度", {"a": values, "b": (None,)}, {"warn": 0.5})
    page = show(
        write_audit_page, AuditReport((), (Finding("x", "X", "warn", "y", "z", None, "", (), (plot,)),), "0", 1)
    )
    assert ("svg" in dict(page.tags)) == (values != (None,))


def test_long_cells_say_what_is_left_out_and_strange_characters_are_written_out(show: Callable[..., Any]) -> None:
    table = Table("cells", ("text",), (("长" * 300,), ("\ue412",), (None,)))
    report = AuditReport((), (Finding("x", "X", "warn", "y", "z", None, "", (table,)),), "0", 1)
    text = show(write_audit_page, report).text
    assert "… 60 more characters" in text
    assert "‹U+E412›" in text


def test_a_comparison_shows_means_deviations_intervals_and_significance(
    records: ModuleType, show: Callable[..., Any]
) -> None:
    comparison = records.comparison()
    page = show(write_comparison_page, comparison)
    bert = next(each for each in comparison.detectors if each.name == "bert").summaries["test"]["macro_f1"]
    assert f"{bert.mean:.3f}" in page.text
    assert f"± {bert.deviation:.3f}" in page.text
    assert "bert leads in the future (test)" in page.text
    assert "a significant lead over the baseline tfidf" in page.text
    assert "1 run · baseline" in page.text
    assert comparison.command in page.text


def test_a_difference_that_was_given_the_other_way_round_is_turned(
    records: ModuleType, show: Callable[..., Any]
) -> None:
    comparison = records.comparison()
    turned = [
        dataclasses.replace(each, first=each.second, second=each.first, difference=-each.difference,
                            interval=(-each.interval[1], -each.interval[0]))
        for each in comparison.differences
    ]  # fmt: skip
    text = show(write_comparison_page, dataclasses.replace(comparison, differences=tuple(turned))).text
    first = show(write_comparison_page, comparison).text
    table = slice(first.index("To baseline"), first.index("A long way"))
    assert text[table] == first[table]


def test_a_comparison_of_single_runs_on_val_alone_has_no_future(records: ModuleType, show: Callable[..., Any]) -> None:
    page = show(write_comparison_page, records.comparison((1,), test=False))
    assert "future (test)" not in page.text
    assert "± 0." not in page.text
    assert "a single seed: the intervals count the articles alone" in page.text
