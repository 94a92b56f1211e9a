"""The results of a comparison as text and as files."""

import csv
import json
from dataclasses import replace
from pathlib import Path

from zhenwei.evaluation.comparison.records import Comparison, EditSummary, Summary
from zhenwei.evaluation.comparison.results import write_results
from zhenwei.evaluation.comparison.scores import METRICS, choose_pairs
from zhenwei.evaluation.comparison.table import csv_rows, format_score, main_table, markdown


def test_columns_of_past_and_future_with_the_baseline_last(comparison: Comparison) -> None:
    header, rows = main_table(comparison)
    first, last = (dict(zip(header, row, strict=True)) for row in rows)
    assert first == {
        "detector": "bigru",
        "runs": "2",
        "val macro-F1": "0.750 ± 0.010 [0.730, 0.770]",
        "test macro-F1": "0.750 ± 0.010 [0.730, 0.770]",
        "test AUC": "0.750 ± 0.010",
        "test macro-F1 against tfidf": "+0.050 [+0.020, +0.080]",
        "p (Holm)": "< 0.001 *",
        "minutes": "1.5",
        "peak memory": "300 MiB",
    }
    assert (last["runs"], last["p (Holm)"]) == ("1 (any seed)", "-")


def test_without_a_baseline_there_is_no_difference(comparison: Comparison) -> None:
    header, _ = main_table(replace(comparison, baseline="", differences=()))
    assert "p (Holm)" not in header


def test_scores_are_formatted(comparison: Comparison) -> None:
    assert format_score(Summary(None, None, None)) == "undefined"
    assert format_score(Summary(0.5, None, None)) == "0.500"


def test_markdown_has_every_metric_and_the_command(comparison: Comparison) -> None:
    page = markdown(comparison)
    assert "| bigru | 2 | 0.750 ± 0.010 [0.730, 0.770] |" in page
    assert "| detector | macro-F1 | AUC | SPAUC | accuracy | F1 of fakes | ECE | Brier score |" in page
    assert "| bigru - tfidf | +0.050 [-0.010, +0.110] | 0.090 |" in page
    assert "test (the future): 1,300 articles, 600 fake, in 1,250 groups of near-duplicates" in page
    assert "    zhenwei compare bigru.json --seeds 2" in page
    assert "> **Warning:** bigru | caution." in page


def test_csv_has_a_row_per_detector_part_and_metric(comparison: Comparison) -> None:
    rows = list(csv_rows(comparison))
    assert len(rows) == 2 * 2 * len(METRICS)
    result = next(row for row in rows if (row["detector"], row["part"], row["metric"]) == ("bigru", "test", "macro_f1"))
    assert (result["mean"], result["low"], result["p_holm"], result["difference"]) == (0.75, 0.73, 0.0002, 0.05)
    assert all(row["difference"] is None for row in rows if row["detector"] == "tfidf")


def test_results_are_written_as_json_csv_and_markdown(comparison: Comparison, tmp_path: Path) -> None:
    write_results(comparison, tmp_path)
    assert json.loads((tmp_path / "comparison.json").read_text()) == json.loads(json.dumps(comparison.to_dict()))
    with (tmp_path / "comparison.csv").open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == 2 * 2 * len(METRICS)
    assert (tmp_path / "comparison.md").read_text(encoding="utf-8") == markdown(comparison)
    assert {path.name for path in tmp_path.iterdir()} == {"comparison.json", "comparison.csv", "comparison.md"}


def test_pairs_are_baseline_debiasing_and_neighbors_in_rank(
    comparison: Comparison,
) -> None:
    bigru, tfidf = comparison.detectors
    endef = replace(bigru, name="bigru-endef", config={**bigru.config, "model": {"name": "bigru", "debias": "endef"}})
    best = replace(bigru, name="cnn", config={**bigru.config, "model": {"name": "textcnn", "debias": None}})
    best = replace(best, summaries={"test": {"macro_f1": Summary(0.9, None, None)}})
    pairs = choose_pairs([bigru, endef, best, tfidf], "tfidf", "test")
    assert pairs == [
        ("bigru", "tfidf"),
        ("bigru-endef", "tfidf"),
        ("cnn", "tfidf"),
        ("bigru-endef", "bigru"),
        ("cnn", "bigru"),
    ]
    assert choose_pairs([bigru, tfidf], "", "test") == [("bigru", "tfidf")]


def test_edits_add_two_columns_with_the_mean_and_the_worst_family(comparison: Comparison) -> None:
    edits = (EditSummary("link", 0.3, 0.0), EditSummary("emoji", 0.1, None))
    stressed = replace(comparison, detectors=tuple(replace(each, edits=edits) for each in comparison.detectors))
    header, rows = main_table(stressed)
    first = dict(zip(header, rows[0], strict=True))
    assert first["missed after edits"] == "20.0% (link 30.0%)"
    assert first["called fake after edits"] == "0.0% (link 0.0%)"
    assert "the mean over the families of edits, and the worst family" in markdown(stressed)
    assert "After edits" not in markdown(comparison)
