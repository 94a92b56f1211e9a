"""`zhenwei data audit`: what it prints, what it writes, how it ends."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from zhenwei.audit.thresholds import THRESHOLDS
from zhenwei.news import write_articles
from zhenwei.news.sources.synthetic import SyntheticDataset

Command = Callable[..., Any]


@pytest.fixture
def leaky(tmp_path: Path, make_posts: Callable[..., Any]) -> Path:
    """A folder whose val is copied from train, and whose fakes bear a mark."""
    folder = tmp_path / "data"
    folder.mkdir()
    train = make_posts(300)
    for row in train:
        row["content"] = ("※" if row["label"] == "fake" else "") + "[b]" + row["content"]
    val = [{**row, "id": f"v{row['id']}"} for row in train[:250]]
    for part, rows in (("train", train), ("val", val)):
        (folder / f"{part}.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    return folder


def test_prints_a_line_per_check_with_its_threshold_then_examples(zhenwei: Command, leaky: Path) -> None:
    outcome = zhenwei("data", "audit", leaky)
    assert outcome.status == 0, outcome.stderr
    lines = outcome.stdout.splitlines()
    assert lines[0] == "train: 300 articles (150 fake, 150 real)"
    assert lines[1] == "val: 250 articles (125 fake, 125 real)"
    checks = lines[3 : 3 + len(THRESHOLDS)]
    assert all(line.startswith(("✔ good  ", "⚠ warn  ", "✘ fail  ")) for line in checks)
    assert all(any(line.endswith(f"[{threshold}]") for line in checks) for threshold in map(str, THRESHOLDS.values()))
    (duplicates,) = [line for line in checks if "Exact duplicates across parts" in line]
    assert duplicates.startswith("✘ fail  Exact duplicates across parts: val: 250 of 250 articles (100.0%) are")
    (symbol,) = [line for line in checks if "A symbol predicts the label" in line]
    assert symbol.startswith("✘ fail")
    assert "'※'" in symbol
    assert "※[b]听说" in outcome.stdout  # an example, not parsed as markup
    assert "\x1b[" not in outcome.stdout  # no colours in a file
    assert lines[-1].startswith(f"{len(THRESHOLDS)} checks: ")


def test_figures_as_json_on_standard_output_alone(zhenwei: Command, leaky: Path) -> None:
    outcome = zhenwei("data", "audit", leaky, "--json", "-")
    figures = json.loads(outcome.stdout)
    assert figures["status"] == "fail"
    assert [finding["check"] for finding in figures["findings"]] != sorted(THRESHOLDS)
    assert {finding["check"] for finding in figures["findings"]} == set(THRESHOLDS)
    (copies,) = [finding for finding in figures["findings"] if finding["check"] == "duplicates_across"]
    assert (copies["status"], copies["value"]) == ("fail", 1.0)
    assert [part["name"] for part in figures["parts"]] == ["train", "val"]
    assert "✘ fail" in outcome.stderr


def test_strict_ends_with_status_1_on_a_fail_once_all_is_written(zhenwei: Command, leaky: Path, tmp_path: Path) -> None:
    outcome = zhenwei("data", "audit", leaky, "--strict", "--json", tmp_path / "audit.json")
    assert outcome.status == 1
    assert "checks: " in outcome.stdout
    assert json.loads((tmp_path / "audit.json").read_text(encoding="utf-8"))["status"] == "fail"
    assert "Traceback" not in outcome.stderr


def test_strict_lets_warnings_pass(zhenwei: Command, tmp_path: Path) -> None:
    (articles,) = (part for part in SyntheticDataset(n_train=300, n_val=0, n_test=0).generate().values() if part)
    articles = [replace(article, label=None) for article in articles]
    articles[:10] = [replace(article, content="&nbsp;" + article.content) for article in articles[:10]]
    write_articles(tmp_path / "posts.json", articles)
    outcome = zhenwei("data", "audit", tmp_path / "posts.json", "--strict")
    assert outcome.status == 0, outcome.stdout
    assert "29 good, 1 warn, 0 fail" in outcome.stdout
    assert "not checked: no article has a label" in outcome.stdout


def test_files_given_one_by_one_are_taken_in_their_order(zhenwei: Command, leaky: Path) -> None:
    first, second = leaky / "first.json", leaky / "second.json"
    (leaky / "train.json").rename(first)
    (leaky / "val.json").rename(second)
    outcome = zhenwei("data", "audit", second, first)
    assert "first: 250 of 300 articles (83.3%) are exact copies of a second article" in outcome.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.json"], "missing.json: no such file"),
        (["empty"], "found no train, val or test"),
        (["bad.jsonl"], "bad.jsonl, row 2, field 'content': found ''"),
        (["good.jsonl", "empty"], "empty: is a folder; expected one folder alone, or files"),
        (["good.jsonl", "--html", "empty"], "--html: empty is a folder"),
        (["good.jsonl", "--html", "nowhere/page.html"], "--html: there is no folder nowhere"),
        (["good.jsonl", "--json", "nowhere/a.json"], "--json: there is no folder nowhere"),
    ],
)
def test_mistakes_are_told(
    zhenwei: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    good = '{"content": "水", "label": 0}\n'
    (tmp_path / "good.jsonl").write_text(good, encoding="utf-8")
    (tmp_path / "bad.jsonl").write_text(good + '{"content": ""}\n', encoding="utf-8")
    assert message in zhenwei("data", "audit", *arguments).error
