"""`zhenwei explain` and `zhenwei index`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Command = Callable[..., Any]

FAKE = "听说云溪的自来水出大事了，内部消息，赶紧转给家人！"


def test_explain_prints_the_text_and_writes_a_page(zhenwei: Command, tiny_run: Path, tmp_path: Path) -> None:
    outcome = zhenwei("explain", tiny_run, FAKE, "--html", tmp_path / "why.html")
    assert outcome.status == 0, outcome.stderr
    assert outcome.stdout.startswith("fake: probability of fake ")
    assert FAKE in outcome.stdout
    page = (tmp_path / "why.html").read_text(encoding="utf-8")
    assert '<mark class="fake' in page
    assert "Attention by word" in page


def test_markup_in_a_text_is_escaped(zhenwei: Command, tiny_run: Path, tmp_path: Path) -> None:
    text = "<script>alert(1)</script> [bold]听说\x1b[31m出事了"
    outcome = zhenwei("explain", tiny_run, text, "--html", tmp_path / "why.html")
    assert outcome.status == 0, outcome.stderr
    assert "\x1b" not in outcome.stdout
    assert "[bold]" in outcome.stdout
    assert "<script>alert" not in (tmp_path / "why.html").read_text(encoding="utf-8")


def test_explain_json_output(zhenwei: Command, tiny_run: Path) -> None:
    found = json.loads(zhenwei("explain", tiny_run, "-5度，" + FAKE, "--json", "-").stdout)
    assert "".join(each["word"] for each in found["words"]) == "-5度，" + FAKE


def test_blank_text_is_refused(zhenwei: Command, tiny_run: Path) -> None:
    assert "blank" in zhenwei("explain", tiny_run, "  ").error


def test_index_stores_and_removes_known_articles(zhenwei: Command, own_run: Path) -> None:
    assert zhenwei("index", own_run).stdout == f"{own_run}: stored 64 known articles, with their texts\n"
    assert "without their texts" in zhenwei("index", own_run, "--no-texts").stdout
    assert "removed the known articles" in zhenwei("index", own_run, "--remove").stdout
    assert "no such file" in zhenwei("index", own_run, "--file", "nowhere.json").error
