"""`zhenwei calibrate` and `zhenwei data verify`."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zhenwei import Trainer
from zhenwei.bundle import load_bundle
from zhenwei.news.sources.synthetic import SyntheticDataset, write_synthetic_dataset

pytestmark = pytest.mark.slow  # whole trainings

Command = Callable[..., Any]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("calibrate")
    write_synthetic_dataset(folder / "data", SyntheticDataset(n_train=300, n_val=150, n_test=150))
    Trainer(
        {
            "data": {"root_path": str(folder / "data")},
            "model": {"name": "tfidf"},
            "training": {"calibrate_on": "none"},
            "output": {"dir": str(folder / "run"), "trackers": []},
        }
    ).train()
    return folder


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained / "run", tmp_path / "run")
    return tmp_path / "run"


def test_the_terminal_shows_scores_before_and_after(zhenwei: Command, run: Path) -> None:
    outcome = zhenwei("calibrate", run)
    assert outcome.status == 0, outcome.stderr
    assert "platt, fitted on 150 articles (val); threshold for macro_f1" in outcome.stdout
    assert "uncalibrated, at 0.5" in outcome.stdout
    assert f"calibrated, at {load_bundle(run).threshold:.3f}" in outcome.stdout


def test_json_alone_goes_to_standard_output(zhenwei: Command, run: Path) -> None:
    done = json.loads(zhenwei("calibrate", run, "--objective", "cost=5", "--json", "-").stdout)
    assert done["threshold"] == load_bundle(run).threshold < 0.4
    assert done["before"]["n"] == done["after"]["n"] == 150


def test_an_estimated_share_prints_its_risk(zhenwei: Command, run: Path, trained: Path) -> None:
    outcome = zhenwei("calibrate", run, "--recent", trained / "data" / "test.json")
    assert outcome.status == 0, outcome.stderr
    assert "share of fakes: 0.500 in the calibration articles, corrected to 0." in outcome.stdout
    assert "risk: this assumes that" in outcome.stdout
    options = zhenwei("calibrate", run, "--fake-share", "0.3")
    assert "corrected to 0.300" in options.stdout
    assert "risk:" not in options.stdout


def test_removal(zhenwei: Command, run: Path) -> None:
    zhenwei("calibrate", run)
    assert zhenwei("calibrate", run, "--on", "none").stdout == f"{run}: not calibrated\n"
    assert load_bundle(run).calibration is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--objective", "f1"], "--objective: found 'f1'; expected macro_f1, precision=P, recall=R"),
        (["--fake-share", "1.5"], "the share of fakes: found 1.5; expected above 0 and below 1"),
        (["--file", "nowhere.json"], "nowhere.json: no such file"),
        (["--file", "x.json", "--on", "val"], "--on val and --file x.json contradict each other; pass one of them"),
        (["--objective", "precision=1", "--method", "isotonic"], "too few to calibrate on by 'isotonic': found 150"),
    ],
)
def test_errors(zhenwei: Command, run: Path, arguments: list[str], message: str) -> None:
    assert message in zhenwei("calibrate", run, *arguments).error


def test_a_missing_run(zhenwei: Command, tmp_path: Path) -> None:
    assert "no such folder; expected a run folder or a bundle" in zhenwei("calibrate", tmp_path / "nowhere").error


def test_verify_accepts_an_unchanged_split_and_refuses_a_changed_one(
    zhenwei: Command, trained: Path, tmp_path: Path
) -> None:
    split = zhenwei("data", "split", trained / "data" / "train.json", tmp_path / "parts", "--by", "random")
    assert split.status == 0, split.stderr
    good = zhenwei("data", "verify", tmp_path / "parts")
    assert good.status == 0
    assert good.stdout.count("unchanged") == 3
    (tmp_path / "parts" / "val.json").write_text("[]")
    bad = zhenwei("data", "verify", tmp_path / "parts", "--json", tmp_path / "found.json")
    assert bad.status == 1
    assert "val.json: is not the file of this split" in bad.stdout
    assert json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))["good"] is False
    assert "no such file" in zhenwei("data", "verify", tmp_path).error
