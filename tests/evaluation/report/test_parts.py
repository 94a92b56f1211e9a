"""Formatting, highlighted texts, colors, and the record of a run."""

import json
import re
from importlib.resources import files
from pathlib import Path

import pytest

from zhenwei.errors import CheckpointError, ConfigError
from zhenwei.evaluation.report import formatting, write_run_page
from zhenwei.evaluation.report.dataset_labels import dataset_name
from zhenwei.evaluation.report.highlighted_text import MAX_LENGTH, highlight_text
from zhenwei.evaluation.report.run_record import read_run


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (formatting.score(0.84249), "0.842"),
        (formatting.score(None), "–"),
        (formatting.score(-0.5), "−0.500"),
        (formatting.signed(0.0123), "+0.012"),
        (formatting.interval((0.8, 0.9)), "0.800 to 0.900"),
        (formatting.interval(None), ""),
        (formatting.score_with_interval(0.84249, (0.8, 0.9)), "0.842 (0.800 to 0.900)"),
        (formatting.score_with_interval(None, None), "–"),
        (dataset_name("val"), "past (val)"),
        (dataset_name("other"), "other"),
        (formatting.count(1918), "1,918"),
        (formatting.percent(0.0568), "5.7%"),
        (formatting.p_value(0.00004), "p < 0.001"),
        (formatting.p_value(0.0321), "p = 0.032"),
        (formatting.duration(3.21), "3.2 s"),
        (formatting.duration(59.97), "60 s"),
        (formatting.duration(192), "3 min 12 s"),
        (formatting.duration(7500), "2 h 05 min"),
        (formatting.size(812 * 2**20), "812 MiB"),
        (formatting.size(3 * 2**30), "3.0 GiB"),
        (formatting.cell(14.0), "14"),
        (formatting.cell(1.0), "1.000"),
        (formatting.cell(True), "yes"),
        (formatting.printable("a\x00\ue412\ud800。\n"), "a‹U+0000›‹U+E412›‹U+D800›。\n"),
        (str(formatting.prose("run `a < b` & c")), "run <code>a &lt; b</code> &amp; c"),
        (formatting.shortened("医药健康", 4), "医药健康"),
        (formatting.shortened("医药健康领域", 4), "医药健…"),
    ],
)
def test_formatting(written: str, expected: str) -> None:
    assert written == expected


def test_words_are_highlighted_by_label_and_strength() -> None:
    words = highlight_text("听说了通报", [("听说", 2.0), ("了", 0.1), ("通报", -0.6)]).words
    assert [(word.text, word.label, word.strong) for word in words] == [
        ("听说", "fake", True), ("了", "", False), ("通报", "real", False)
    ]  # fmt: skip


def test_a_repeated_word_is_listed_once_with_its_strongest_attribution() -> None:
    text = highlight_text("转转通", [("转", 2.0), ("转", 0.5), ("通", -1.0)])
    assert [(word.text, word.attribution) for word in text.for_fake] == [("转", 2.0)]
    assert [(word.text, word.attribution) for word in text.for_real] == [("通", -1.0)]


@pytest.mark.parametrize("words", [[], [("长" * (MAX_LENGTH - 1), 1.0), ("长" * 8, 1.0)]], ids=["unknown", "known"])
def test_a_long_text_is_truncated(words: list[tuple[str, float]]) -> None:
    text = highlight_text("长" * (MAX_LENGTH + 7), words)
    assert "".join(word.text for word in text.words) == "长" * MAX_LENGTH
    assert text.n_omitted == 7


def test_words_without_attribution_are_not_highlighted() -> None:
    assert not [word for word in highlight_text("一二", [("一", 0.0), ("二", 0.0)]).words if word.label]


def luminance(color: str) -> float:
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_has_enough_contrast(scheme: int) -> None:
    sheet = (files("zhenwei.evaluation.report") / "templates" / "palette.css").read_text(encoding="utf-8")
    blocks = re.findall(r":root \{(.*?)\}", sheet, flags=re.DOTALL)
    colors = dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6})", blocks[scheme]))
    for background in ("paper", "sunk"):
        for name in colors.keys() - {"paper", "sunk", "rule"}:
            low, high = sorted([luminance(colors[name]), luminance(colors[background])])
            assert (high + 0.05) / (low + 0.05) >= 4.5, (name, background)


def test_the_record_of_a_run_has_epochs_steps_and_best_epoch(tiny_run: Path) -> None:
    record = read_run(tiny_run)
    assert [epoch.number for epoch in record.epochs] == [1, 2, 3, 4]
    assert record.best_epoch in range(1, 5)
    assert record.steps[-1].epochs == pytest.approx(4)
    assert record.description["sha256"]


def test_truncated_and_invalid_lines_of_metrics_are_skipped(own_run: Path) -> None:
    intact = read_run(own_run)
    with (own_run / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write('[1]\n{"event": "epo')
    assert read_run(own_run).epochs == intact.epochs
    (own_run / "metrics.jsonl").write_text('{"event": "epoch", "step": "x"}\n', encoding="utf-8")
    (own_run / "results.json").write_text("nonsense", encoding="utf-8")
    damaged = read_run(own_run)
    assert (damaged.epochs, damaged.steps, damaged.results) == ((), (), {})
    assert write_run_page(own_run).is_file()


def test_the_page_of_a_bundle_needs_a_path(own_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is a bundle, not a run folder: name the file to write"):
        write_run_page(own_bundle)
    page = write_run_page(own_bundle, tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Not evaluated on this page" in page


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="neither a run folder nor a bundle"):
        write_run_page(tmp_path)


def test_the_page_of_a_detector_without_epochs(own_run: Path) -> None:
    path = own_run / "checkpoints" / "best" / "detector.json"
    description = json.loads(path.read_text(encoding="utf-8"))
    description["facts"]["fitted"] = True
    path.write_text(json.dumps(description), encoding="utf-8")
    (own_run / "metrics.jsonl").unlink()
    assert "fitted without epochs" in write_run_page(own_run).read_text(encoding="utf-8")
