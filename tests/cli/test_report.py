"""`zhenwei report`: evaluates a run and writes its page into its folder."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zhenwei.bundle import load_bundle
from zhenwei.evaluation import evaluate

pytestmark = pytest.mark.slow  # whole reports


def copy_data(run: Path, data_folder: Path, tmp_path: Path) -> Path:
    """Copy the data of a run, so that a test may change it, and record the copies in the run's bundle."""
    folder = Path(shutil.copytree(data_folder, tmp_path / "data"))
    path = run / "checkpoints" / "best" / "detector.json"
    description = json.loads(path.read_text(encoding="utf-8"))
    for part, each in description["facts"]["files"].items():
        each["path"] = str(folder / f"{part}.json")
    path.write_text(json.dumps(description), encoding="utf-8")
    return folder


def test_the_page_of_a_run_holds_the_scores_of_val_and_test(zhenwei: Callable[..., Any], own_run: Path) -> None:
    outcome = zhenwei("report", own_run, "--rounds", 100, "--audit")
    assert outcome.status == 0, outcome
    assert outcome.stdout == f"wrote {own_run / 'report.html'}\n"
    page = (own_run / "report.html").read_text(encoding="utf-8")
    bundle = load_bundle(own_run)
    for part in ("val", "test"):
        file = bundle.facts["files"][part]
        scores = evaluate(bundle, file["path"], rounds=100, words=False).scores
        assert f"{scores['macro_f1']:.3f}" in page
        assert file["sha256"] in page
    assert "Audit of the articles" in page


def test_data_names_other_files_to_evaluate_on(
    zhenwei: Callable[..., Any], own_run: Path, data_folder: Path, tmp_path: Path
) -> None:
    rows = json.loads((data_folder / "test.json").read_text(encoding="utf-8"))
    wrong = [
        {**row, "label": "real" if row["label"] == "fake" else "fake"} for row in rows
    ]  # so that there are mistakes to explain
    mine = tmp_path / "我的 帖子.json"
    mine.write_text(json.dumps(wrong, ensure_ascii=False), encoding="utf-8")
    outcome = zhenwei("report", own_run, "--data", mine, "--html", tmp_path / "page.html", "--rounds", 100)
    assert outcome.status == 0, outcome
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "我的 帖子.json" in page
    assert "past (val)" not in page
    assert '<mark class="fake' in page
    assert not (own_run / "report.html").exists()


def test_a_missing_file_is_warned_of_and_left_out(
    zhenwei: Callable[..., Any], own_run: Path, data_folder: Path, tmp_path: Path
) -> None:
    data = copy_data(own_run, data_folder, tmp_path)
    (data / "test.json").unlink()
    outcome = zhenwei("report", own_run, "--rounds", 100)
    assert outcome.status == 0, outcome
    assert f"test: '{data / 'test.json'}' does not exist any more: the page is written without it" in outcome.stderr
    assert "future (test)" not in (own_run / "report.html").read_text(encoding="utf-8")


def test_a_file_that_changed_since_the_training_is_warned_of(
    zhenwei: Callable[..., Any], own_run: Path, data_folder: Path, tmp_path: Path
) -> None:
    data = copy_data(own_run, data_folder, tmp_path)
    rows = json.loads((data / "test.json").read_text(encoding="utf-8"))
    (data / "test.json").write_text(json.dumps(rows[2:]), encoding="utf-8")
    zhenwei("report", own_run, "--rounds", 100)
    assert "has changed since the training" in (own_run / "report.html").read_text(encoding="utf-8")


def test_an_unwritable_page_is_refused_before_the_evaluation(
    zhenwei: Callable[..., Any], own_run: Path, own_bundle: Path, tmp_path: Path
) -> None:
    assert "is a bundle, not a run folder" in zhenwei("report", own_bundle).error
    assert "is a folder; expected a file name" in zhenwei("report", own_run, "--html", tmp_path).error
    missing = tmp_path / "no" / "page.html"
    assert "does not exist" in zhenwei("report", own_run, "--html", missing).error
    assert "neither a run folder nor a bundle" in zhenwei("report", tmp_path).error


def test_stress_adds_the_harmless_edits_of_the_last_file(zhenwei: Callable[..., Any], own_run: Path) -> None:
    outcome = zhenwei("report", own_run, "--rounds", 100, "--stress")
    assert outcome.status == 0, outcome
    page = (own_run / "report.html").read_text(encoding="utf-8")
    assert "Harmless edits" in page
    assert page.count("split_characters") > 0
    assert f"zhenwei stress {own_run} " in page
    assert "test.json --seed 0" in page
