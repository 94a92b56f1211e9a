"""`zhenwei stress`: a table in the terminal, JSON, and one message for a mistake."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_the_table_has_a_line_for_each_family(zhenwei: Callable[..., Any], tiny_run: Path, data_folder: Path) -> None:
    file = data_folder / "val.json"
    outcome = zhenwei("stress", tiny_run, file, "--family", "link", "--family", "traditional")
    assert outcome.status == 0, outcome
    assert f"{tiny_run} on {file}: 24 articles, seed 0" in outcome.stdout
    assert [line.split()[1] for line in outcome.stdout.splitlines() if line.startswith("│")] == [
        "(unedited)", "link", "traditional",
    ]  # fmt: skip
    assert "1 of 2: link: 24 of 24 texts edited" in outcome.stderr


def test_json_goes_to_standard_output_alone(zhenwei: Callable[..., Any], tiny_run: Path, data_folder: Path) -> None:
    outcome = zhenwei("stress", tiny_run, data_folder / "val.json", "--family", "emoji", "--seed", 3, "--json", "-")
    written = json.loads(outcome.stdout)
    assert (written["seed"], written["n"], [each["name"] for each in written["families"]]) == (3, 24, ["emoji"])
    assert "emoji" in outcome.stderr


def test_pairs_are_shown_with_their_examples(zhenwei: Callable[..., Any], tiny_run: Path, tmp_path: Path) -> None:
    fake, real = "听说云溪的大蒜出大事了，内部消息，赶紧转给家人！", "据云溪通报，大蒜检测合格，供应恢复正常。"
    path = tmp_path / "pairs.jsonl"
    path.write_text(json.dumps({"content": fake, "edited": real, "label": 1}) + "\n", encoding="utf-8")
    outcome = zhenwei("stress", tiny_run, "--pairs", path)
    assert outcome.status == 0, outcome
    assert "pairs: 1 of" in outcome.stdout
    assert "1 from fake, 0 to fake" in outcome.stdout
    assert "pairs, row 1, fake: probability of fake 0." in outcome.stdout
    assert fake in outcome.stdout
    assert real in outcome.stdout


def test_mistakes_are_answered_in_one_message(
    zhenwei: Callable[..., Any], tiny_run: Path, data_folder: Path, tmp_path: Path
) -> None:
    val, pairs = data_folder / "val.json", tmp_path / "pairs.jsonl"
    pairs.write_text('{"content": "停水"}\n', encoding="utf-8")
    assert zhenwei("stress", tiny_run, val, "--family", "lnik").error == (
        "error: found the family of edits 'lnik'; did you mean 'link'?"
    )
    assert "pairs.jsonl, row 1: no field 'edited'" in zhenwei("stress", tiny_run, "--pairs", pairs).error
    assert zhenwei("stress", tiny_run).error == "error: expected FILE with labelled articles, or --pairs FILE"
    assert "no such file" in zhenwei("stress", tiny_run, tmp_path / "none.json").error
    assert "expected a run folder" in zhenwei("stress", tmp_path / "none", val).error
