"""The parts of pages: figures in words, marked texts, colours, and what a run's folder tells."""

import json
import re
from importlib.resources import files
from pathlib import Path

import pytest

from zhenwei.errors import CheckpointError, ConfigError
from zhenwei.evaluation.records import Mistake
from zhenwei.evaluation.report import wording, write_run_page
from zhenwei.evaluation.report.highlighted_text import LONGEST, highlighted_text
from zhenwei.evaluation.report.run_record import read_run


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (wording.score(0.84249), "0.842"),
        (wording.score(None), "–"),
        (wording.score(-0.5), "−0.500"),
        (wording.signed(0.0123), "+0.012"),
        (wording.interval((0.8, 0.9)), "0.800 to 0.900"),
        (wording.interval(None), ""),
        (wording.count(1918), "1,918"),
        (wording.percent(0.0568), "5.7%"),
        (wording.p_value(0.00004), "p < 0.001"),
        (wording.p_value(0.0321), "p = 0.032"),
        (wording.duration(3.21), "3.2 s"),
        (wording.duration(59.97), "60 s"),
        (wording.duration(192), "3 min 12 s"),
        (wording.duration(7500), "2 h 05 min"),
        (wording.size(812 * 2**20), "812 MiB"),
        (wording.size(3 * 2**30), "3.0 GiB"),
        (wording.cell(14.0), "14"),
        (wording.cell(1.0), "1.000"),
        (wording.cell(True), "yes"),
        (wording.visible("a\x00\ue412\ud800。\n"), "a‹U+0000›‹U+E412›‹U+D800›。\n"),
        (str(wording.prose("run `a < b` & c")), "run <code>a &lt; b</code> &amp; c"),
        (wording.shortened("医药健康", 4), "医药健康"),
        (wording.shortened("医药健康领域", 4), "医药健…"),
    ],
)
def test_figures_are_written_for_people(written: str, expected: str) -> None:
    assert written == expected


def mistake(text: str, *words: tuple[str, float]) -> Mistake:
    return Mistake(1, None, text, "fake", 0.1, words=words)


def test_words_are_marked_by_their_way_and_strength() -> None:
    marked = highlighted_text(mistake("听说了通报", ("听说", 2.0), ("了", 0.1), ("通报", -0.6))).words
    assert [(word.text, word.way, word.strong) for word in marked] == [
        ("听说", "fake", True), ("了", "", False), ("通报", "real", False)
    ]  # fmt: skip


def test_a_word_that_comes_twice_is_named_once_with_its_strongest_sway() -> None:
    found = highlighted_text(mistake("转转通", ("转", 2.0), ("转", 0.5), ("通", -1.0)))
    assert [(word.text, word.attribution) for word in found.for_fake] == [("转", 2.0)]
    assert [(word.text, word.attribution) for word in found.for_real] == [("通", -1.0)]


@pytest.mark.parametrize("words", [(), (("长" * (LONGEST - 1), 1.0), ("长" * 8, 1.0))], ids=["unknown", "known"])
def test_a_long_text_is_cut_and_says_by_how_much(words: tuple[tuple[str, float], ...]) -> None:
    found = highlighted_text(mistake("长" * (LONGEST + 7), *words))
    assert "".join(word.text for word in found.words) == "长" * LONGEST
    assert found.left_out == 7


def test_words_without_any_sway_are_not_marked() -> None:
    assert not [word for word in highlighted_text(mistake("一二", ("一", 0.0), ("二", 0.0))).words if word.way]


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_colour_of_text_can_be_read_on_its_ground(scheme: int) -> None:
    sheet = (files("zhenwei.evaluation.report") / "templates" / "palette.css").read_text(encoding="utf-8")
    blocks = re.findall(r":root \{(.*?)\}", sheet, flags=re.DOTALL)
    colours = dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6})", blocks[scheme]))
    for ground in ("paper", "sunk"):
        for name in colours.keys() - {"paper", "sunk", "rule"}:
            low, high = sorted([luminance(colours[name]), luminance(colours[ground])])
            assert (high + 0.05) / (low + 0.05) >= 4.5, (name, ground)


def test_a_run_tells_its_epochs_steps_and_best_epoch(tiny_run: Path) -> None:
    record = read_run(tiny_run)
    assert [epoch.number for epoch in record.epochs] == [1, 2, 3, 4]
    assert record.best_epoch in range(1, 5)
    assert record.steps[-1].epochs == pytest.approx(4)
    assert record.description["sha256"]


def test_lines_that_were_cut_off_or_are_foreign_are_left_out(own_run: Path) -> None:
    whole = read_run(own_run)
    with (own_run / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write('[1]\n{"event": "epo')
    assert read_run(own_run).epochs == whole.epochs
    (own_run / "metrics.jsonl").write_text('{"event": "epoch", "step": "x"}\n', encoding="utf-8")
    (own_run / "results.json").write_text("nonsense", encoding="utf-8")
    damaged = read_run(own_run)
    assert (damaged.epochs, damaged.steps, damaged.results) == ((), (), {})
    assert write_run_page(own_run).is_file()


def test_a_bundle_alone_has_a_page_only_where_one_is_named(own_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is a bundle, which keeps no page; name the file to write"):
        write_run_page(own_bundle)
    page = write_run_page(own_bundle, tmp_path / "page.html").read_text(encoding="utf-8")
    assert "not yet judged on this page" in page


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="neither a run folder nor a bundle"):
        write_run_page(tmp_path)


def test_a_detector_without_epochs_says_so(own_run: Path) -> None:
    path = own_run / "checkpoints" / "best" / "detector.json"
    description = json.loads(path.read_text(encoding="utf-8"))
    description["facts"]["fitted"] = True
    path.write_text(json.dumps(description), encoding="utf-8")
    (own_run / "metrics.jsonl").unlink()
    assert "fitted in one go, without epochs" in write_run_page(own_run).read_text(encoding="utf-8")
