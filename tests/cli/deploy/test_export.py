"""`zhenwei export`: its output, and other commands on an exported detector."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zhenwei import Trainer

Command = Callable[..., Any]
TEXTS = ["听说云溪的大蒜出大事了，内部消息，赶紧转给家人！", "据东河通报，食盐检测合格，供应恢复正常。", "囧囍" * 40]


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory, tiny_settings: Callable[..., dict[str, Any]]) -> Path:
    """A run of the linear baseline, which exports fast."""
    run = tmp_path_factory.mktemp("runs") / "tfidf"
    settings = tiny_settings(run)
    settings["model"] = {"name": "tfidf"}
    Trainer(settings).train()
    return run


def test_reports_the_export_and_its_parity(zhenwei: Command, baseline: Path, tmp_path: Path) -> None:
    outcome = zhenwei("export", baseline, "--onnx", tmp_path / "out")
    assert outcome.status == 0, outcome.stderr
    size = (tmp_path / "out" / "model.onnx").stat().st_size
    assert f"{tmp_path / 'out'}: ONNX in float32, {size / 1e6:.1f} MB" in outcome.stdout
    assert "from the network's, on 240 texts in 58 batches (random tokens, and articles of " in outcome.stdout


def test_json_output(zhenwei: Command, baseline: Path, tmp_path: Path) -> None:
    found = json.loads(zhenwei("export", baseline, "--onnx", tmp_path / "out", "--json", "-").stdout)
    assert found["folder"] == str(tmp_path / "out")
    assert found["precision"] == "float32"
    assert found["parity"]["largest"] <= found["limit"]
    assert (found["int8_parity"], found["val"]) == (None, None)


def test_predict_accepts_the_folder(zhenwei: Command, baseline: Path, tmp_path: Path) -> None:
    assert zhenwei("export", baseline, "--onnx", tmp_path / "out").status == 0
    before, after = (
        json.loads(zhenwei("predict", folder, *TEXTS, "--json", "-").stdout) for folder in (baseline, tmp_path / "out")
    )
    for one, other in zip(after, before, strict=True):
        assert one.pop("probability") == pytest.approx(other.pop("probability"), abs=1e-4)
        assert one == other
    assert [len(each["reasons"]) for each in after] == [len(each["reasons"]) for each in before]
    assert after[2]["reasons"][0]["code"] == "too_few_words"


@pytest.mark.slow
@pytest.mark.nightly
def test_int8_reports_its_loss(zhenwei: Command, tiny_run: Path, tmp_path: Path) -> None:
    outcome = zhenwei("export", tiny_run, "--onnx", tmp_path / "out", "--int8")
    assert outcome.status == 0, outcome.stderr
    assert "ONNX in int8" in outcome.stdout
    assert "int8: logits differ by at most 0." in outcome.stdout
    assert "-> " in outcome.stdout
    assert "on 24 val articles" in outcome.stdout


def test_errors(zhenwei: Command, baseline: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "note.txt").write_text("mine")
    out = tmp_path / "out"
    assert "no such folder" in zhenwei("export", tmp_path / "nowhere", "--onnx", out).error
    assert (
        "taken: exists, and is not an exported detector"
        in zhenwei("export", baseline, "--onnx", tmp_path / "taken").error
    )
    assert "'tfidf' has no layers" in zhenwei("export", baseline, "--onnx", out, "--int8").error
    assert zhenwei("export", baseline).status == 2
    assert not out.exists()


def test_calibrate_refuses_an_exported_detector(zhenwei: Command, baseline: Path, tmp_path: Path) -> None:
    assert zhenwei("export", baseline, "--onnx", tmp_path / "out").status == 0
    message = zhenwei("calibrate", tmp_path / "out").error
    assert "an exported detector can predict but has no weights" in message
