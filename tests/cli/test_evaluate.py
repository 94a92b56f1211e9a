"""`zhenwei evaluate`: terminal and files."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Rows = list[dict[str, Any]]


@pytest.fixture
def hard_file(make_posts: Callable[..., Rows], tmp_path: Path) -> Path:
    """40 posts of two domains, every fifth of which has the wrong label."""
    rows = make_posts(40, seed=5)
    for number, row in enumerate(rows):
        row["domain"] = ["财经", "科技"][number % 3 % 2]
        if number % 5 == 0:
            row["label"] = "real" if row["label"] == "fake" else "fake"
    path = tmp_path / "posts.json"
    path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    return path


def test_the_terminal_shows_intervals_slices_and_mistakes(
    zhenwei: Callable[..., Any], tiny_run: Path, hard_file: Path
) -> None:
    outcome = zhenwei("evaluate", tiny_run, hard_file, "--rounds", 100, "--mistakes", 2)
    assert outcome.status == 0
    for part in ("95% interval", "resamples", "财经", "科技", "2 worst mistakes", "top words: "):
        assert part in outcome.stdout
    assert outcome.stdout.count("probability of fake") == 2


def test_the_precision_gives_a_warning(zhenwei: Callable[..., Any], tiny_run: Path, hard_file: Path) -> None:
    fast, exact = (
        json.loads(zhenwei("evaluate", tiny_run, hard_file, "--json", "-", *options).stdout)["warnings"]
        for options in (("--precision", "auto"), ())
    )
    assert fast[:-1] == exact
    assert fast[-1].startswith("Evaluated in precision 'auto'")


def test_sections_are_optional(zhenwei: Callable[..., Any], tiny_run: Path, hard_file: Path) -> None:
    outcome = zhenwei("evaluate", tiny_run, hard_file, "--rounds", 100, "--mistakes", 0, "--no-slices")
    assert "worst mistakes" not in outcome.stdout
    assert "财经" not in outcome.stdout
    outcome = zhenwei("evaluate", tiny_run, hard_file, "--rounds", 100, "--no-words")
    assert "top words" not in outcome.stdout


def test_an_overlap_with_training_comes_first(zhenwei: Callable[..., Any], tiny_run: Path, data_folder: Path) -> None:
    outcome = zhenwei("evaluate", tiny_run, data_folder / "train.json", "--rounds", 100)
    assert outcome.stdout.startswith("WARNING: The detector was trained on these articles")
    assert "64 of 64 articles (100.0%) have a near-duplicate among the training articles" in outcome.stdout


def test_json_is_complete_and_reproducible(zhenwei: Callable[..., Any], tiny_run: Path, hard_file: Path) -> None:
    first, second = (zhenwei("evaluate", tiny_run, hard_file, "--rounds", 100, "--json", "-") for _ in range(2))
    assert first.stdout == second.stdout
    result = json.loads(first.stdout)
    assert result["n"] == 40
    assert result["intervals"].keys() >= {"auc", "macro_f1", "loss"}
    assert {part["kind"] for part in result["slices"]} >= {"domain"}
    assert "95% interval" in first.stderr


def test_csv_has_every_verdict(zhenwei: Callable[..., Any], tiny_run: Path, hard_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "verdicts.csv"
    outcome = zhenwei("evaluate", tiny_run, hard_file, "--rounds", 100, "--csv", out, "--json", tmp_path / "out.json")
    assert outcome.status == 0
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["row"]) for row in rows] == list(range(1, 41))
    assert all((float(row["probability"]) >= 0.5) == (row["verdict"] == "fake") for row in rows)
    correct = sum(row["label"] == row["verdict"] for row in rows)
    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["acc"] == pytest.approx(correct / 40)


def test_unusable_files_are_refused(
    zhenwei: Callable[..., Any], tiny_run: Path, hard_file: Path, tmp_path: Path
) -> None:
    for option in ("--csv", "--html"):
        outcome = zhenwei("evaluate", "unread", "unread", option, tmp_path).error
        assert "expected the name of a file in an existing folder" in outcome
    outcome = zhenwei("evaluate", tiny_run, hard_file, "--train", tmp_path / "none.json").error
    assert f"{tmp_path / 'none.json'}: no such file" in outcome
