"""Contents of pages: scores with intervals and n, warnings first, missing data left out."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from zhenwei.audit.findings import AuditReport, Finding, Plot, Table
from zhenwei.evaluation.comparison.records import EditSummary
from zhenwei.evaluation.records import ReliabilityBin
from zhenwei.evaluation.report import write_audit_page, write_comparison_page, write_evaluation_page

pytestmark = pytest.mark.slow  # whole reports


@pytest.fixture
def show(tmp_path: Path, read_page: Callable[[Path], Any]) -> Callable[..., Any]:
    """A function that writes a page with a writer and a record, and parses it."""

    def write_and_read(write: Callable[..., Path], record: Any) -> Any:
        return read_page(write(record, tmp_path / "page.html"))

    return write_and_read


def test_scores_have_intervals_and_numbers_of_articles(records: ModuleType, page: Callable[[str], Any]) -> None:
    test, text = records.evaluation("test"), page("evaluation").text
    low, high = test.intervals["macro_f1"]
    assert f"{test.scores['macro_f1']:.3f}" in text
    assert f"{low:.3f} to {high:.3f}" in text
    assert "n = 1,284, 611 fake" in text
    assert "1,000 bootstrap samples of 1,080 groups of near-duplicates" in text


def test_warnings_come_first(page: Callable[[str], Any]) -> None:
    text = page("evaluation").text
    assert text.index("have a near-duplicate among the training articles: the") < text.index("All scores")


def test_past_and_future_are_side_by_side(page: Callable[[str], Any]) -> None:
    html = page("run")
    assert "Macro-F1 falls from 0.871 on the past to 0.752 on the future." in html.text
    assert {"past (val)", "future (test)"} <= {text.strip() for text in html.texts}


def test_sections_without_data_are_left_out(page: Callable[[str], Any]) -> None:
    html = page("bare")
    ids = html.values("id")
    assert not {"time", "slices", "overlap"} & set(ids)
    assert {"scores", "confusion", "mistakes"} <= set(ids)
    assert "The probabilities are not calibrated" in html.text
    assert "Macro-F1" not in html.values("aria-label")


def test_harmless_edits_are_shown_with_shares_changes_and_examples(page: Callable[[str], Any]) -> None:
    html = page("run")
    assert "28.0% 237 of 846 25.1% to 31.1%" in html.text
    assert "0.661 −9.1 −10.3 to −7.9" in html.text
    assert "row 7, fake: probability of fake 0.900 before, 0.100 after" in html.text
    assert "zhenwei stress" in html.text
    assert "stress" not in page("run-alone").values("id")


def test_a_comparison_shows_the_edits_of_each_detector(records: ModuleType, show: Callable[..., Any]) -> None:
    comparison = records.comparison()
    edits = (EditSummary("link", 0.3, 0.02), EditSummary("emoji", 0.1, None))
    stressed = [dataclasses.replace(each, edits=edits) for each in comparison.detectors]
    text = show(write_comparison_page, dataclasses.replace(comparison, detectors=tuple(stressed))).text
    assert "After edits: mean over the families of harmless edits of the future (test)" in text
    assert "link 30.0% 2.0%" in text
    assert "20.0% 2.0%" in text
    assert "after edits" not in show(write_comparison_page, comparison).text


def test_a_single_month_makes_no_time_chart(records: ModuleType, show: Callable[..., Any]) -> None:
    month = next(each for each in records.evaluation("val").slices if each.kind == "month")
    assert "time" not in show(write_evaluation_page, records.evaluation("val", slices=(month,))).values("id")


def test_slices_without_scores_have_a_reason(page: Callable[[str], Any]) -> None:
    assert "only fakes" in page("evaluation").text


def test_empty_bins_are_not_drawn(records: ModuleType, show: Callable[..., Any]) -> None:
    empty = tuple(ReliabilityBin(0.1 * index, 0.1 * index + 0.1, 0, 0.0, 0.0, (0.0, 1.0)) for index in range(10))
    html = show(write_evaluation_page, records.evaluation("val", reliability=empty))
    assert not [label for label in html.values("aria-label") if label.startswith("Reliability")]


def test_markers_and_bars_have_tooltips(page: Callable[[str], Any]) -> None:
    html = page("run")
    assert html.text.count("社会生活, past (val): Macro-F1 0.8") == 1
    assert "2014-07, future (test): Macro-F1" in html.text
    assert "epoch 4: macro-F1" in html.text
    assert "0.00 to 0.10: " in html.text
    assert "train, share of fakes: " not in html.text  # audit charts are on the audit page only
    assert "2012-01, train: 0.4" in page("audit").text
    assert "bert, future (test): 0.83" in page("comparison").text
    assert "bert − tfidf: +0.0" in page("comparison").text


def test_intervals_are_drawn(page: Callable[[str], Any]) -> None:
    assert page("evaluation").source.count("stroke-opacity: 0.55; stroke-width: 1.6") > 50


def test_an_audit_begins_with_problems_and_gives_their_thresholds(page: Callable[[str], Any]) -> None:
    html = page("audit")
    positions = [html.source.index(f'id="check-{name}"') for name in ("shortcuts", "label_drift", "temporal_leakage")]
    assert positions == sorted(positions)
    assert "warn from 0.75, fail from 0.85" in html.text
    assert "<code>zhenwei data split</code>" in html.source
    assert "no labels" in html.text


def test_an_audit_without_problems(show: Callable[..., Any]) -> None:
    passed = Finding("x", "X", "good", "nothing found", "warn from 1")
    html = show(write_audit_page, AuditReport((), (passed,), "0", 0.0))
    assert "No finding that would inflate scores" in html.text
    assert "findings" not in html.values("id")


@pytest.mark.parametrize("kind", ["bars", "lines"])
@pytest.mark.parametrize("values", [(None,), (0.0,), (-1.0,), (3.0,), (1e6,)], ids=str)
def test_every_plot_of_a_finding_is_drawn(kind: Any, values: Any, show: Callable[..., Any]) -> None:
    plot = Plot(kind, "标题 $x$", ("一",), "高度", {"a": values, "b": (None,)}, {"warn": 0.5})
    html = show(
        write_audit_page, AuditReport((), (Finding("x", "X", "warn", "y", "z", None, "", (), (plot,)),), "0", 1)
    )
    assert ("svg" in dict(html.tags)) == (values != (None,))


def test_long_cells_are_truncated_and_unprintable_characters_are_replaced(show: Callable[..., Any]) -> None:
    table = Table("cells", ("text",), (("长" * 300,), ("\ue412",), (None,)))
    report = AuditReport((), (Finding("x", "X", "warn", "y", "z", None, "", (table,)),), "0", 1)
    text = show(write_audit_page, report).text
    assert "… 60 more characters" in text
    assert "‹U+E412›" in text


def test_a_comparison_shows_means_deviations_intervals_and_significance(
    records: ModuleType, page: Callable[[str], Any]
) -> None:
    comparison, text = records.comparison(), page("comparison").text
    bert = next(each for each in comparison.detectors if each.name == "bert").summaries["test"]["macro_f1"]
    assert f"{bert.mean:.3f}" in text
    assert f"± {bert.deviation:.3f}" in text
    assert "bert is best on the future (test)" in text
    assert "significantly better than the baseline tfidf" in text
    assert "but not significantly" not in text
    assert "1 run · baseline" in text
    assert comparison.command in text


def test_a_difference_of_baseline_minus_detector_is_reversed(
    records: ModuleType, page: Callable[[str], Any], show: Callable[..., Any]
) -> None:
    comparison = records.comparison()
    reversed_ = [
        dataclasses.replace(each, first=each.second, second=each.first, difference=-each.difference,
                            interval=(-each.interval[1], -each.interval[0]))
        for each in comparison.differences
    ]  # fmt: skip
    text = show(write_comparison_page, dataclasses.replace(comparison, differences=tuple(reversed_))).text
    expected = page("comparison").text
    table = slice(expected.index("From baseline"), expected.index("A long line"))
    assert text[table] == expected[table]


def test_a_comparison_with_a_single_seed_on_val_only(page: Callable[[str], Any]) -> None:
    text = page("single").text
    assert "future (test)" not in text
    assert "± 0." not in text
    assert "a single seed: the intervals do not include the variance of training" in text
