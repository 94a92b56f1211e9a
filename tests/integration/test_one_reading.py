"""One reading of a text: the same verdict, probability and reasons through every way to ask for them."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zhenwei import Article, Detector, Trainer
from zhenwei.inference.batch.predict_files import predict_files
from zhenwei.news import write_articles
from zhenwei.news.edits import edit_text

FAKE = "听说云溪的大蒜出大事了，内部消息，赶紧转给家人！"
REAL = "据东河通报，食盐检测合格，供应恢复正常。"
READ_AS_ONE = (
    "link", "mention", "full_text", "source_tail", "emoji", "reposter_prefix", "blanks", "double_punctuation",
    "full_width_punctuation", "brackets_removed", "html", "traditional", "full_width", "zero_width",
)  # fmt: skip
EDITED = [edit_text(family, text, seed=0, key=family) for family in READ_AS_ONE for text in (FAKE, REAL)]
NOTHING_TO_JUDGE = (Path(__file__).parent / "nothing_to_judge.txt").read_text(encoding="utf-8").splitlines()
TEXTS = [FAKE, REAL, *EDITED, *NOTHING_TO_JUDGE[:10], "The water supply will be cut off for three days"]

Row = tuple[str, float, list[str]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, tiny_settings: Callable[..., dict[str, Any]]) -> Path:
    settings = tiny_settings(tmp_path_factory.mktemp("runs") / "tfidf")
    settings["model"] = {"name": "tfidf"}
    return Trainer(settings).train()[1]


@pytest.fixture(scope="module")
def expected(run: Path) -> list[Row]:
    return rows(prediction.to_dict() for prediction in Detector.load(run, "cpu").predict(TEXTS))


def rows(predictions: Any) -> list[Row]:
    """Verdict, probability and codes of the reasons of each prediction."""
    return [
        (
            each["verdict"],
            pytest.approx(each["probability"], abs=1e-6),
            [reason if isinstance(reason, str) else reason["code"] for reason in each["reasons"]],
        )
        for each in predictions
    ]


def test_harmless_edits_do_not_change_the_probability(expected: list[Row]) -> None:
    assert expected[2 : 2 + len(EDITED)] == expected[:2] * len(READ_AS_ONE)
    assert [verdict for verdict, _, _ in expected[:2]] == ["fake", "real"]


def test_there_is_no_verdict_on_texts_with_nothing_to_judge(tiny_run: Path, run: Path) -> None:
    assert len(set(NOTHING_TO_JUDGE)) >= 100
    for folder in (tiny_run, run):
        predictions = Detector.load(folder, "cpu").predict(NOTHING_TO_JUDGE)
        assert [each.text for each in predictions if each.verdict != "unsure"] == []


@pytest.mark.slow
def test_shell(run: Path, expected: list[Row]) -> None:
    command = [sys.executable, "-m", "zhenwei", "predict", run, "--device", "cpu", "--json=-", "--", *TEXTS]
    found = subprocess.run(command, capture_output=True, check=True, text=True, encoding="utf-8").stdout
    assert rows(json.loads(found)) == expected


def test_files(run: Path, expected: list[Row], tmp_path: Path) -> None:
    write_articles(tmp_path / "posts.jsonl", [Article(content=text) for text in TEXTS])
    summary = predict_files(run, [tmp_path / "posts.jsonl"], tmp_path / "shards", device="cpu", progress=False)
    lines = (tmp_path / "shards" / "posts.jsonl").read_text(encoding="utf-8").splitlines()
    assert rows(map(json.loads, lines)) == expected
    unsure = sum(verdict == "unsure" for verdict, _, _ in expected)
    assert (summary.shards[0].unsure, summary.to_dict()["unsure"]) == (unsure, unsure)


def test_service(run: Path, expected: list[Row]) -> None:
    pytest.importorskip("fastapi")
    from starlette.testclient import TestClient  # noqa: PLC0415  # an extra

    from zhenwei.serving.app import build_app  # noqa: PLC0415
    from zhenwei.serving.service import Service  # noqa: PLC0415
    from zhenwei.serving.settings import ServingSettings  # noqa: PLC0415

    service = Service(run, ServingSettings(), device="cpu")
    service.start()
    try:
        client = TestClient(build_app(service), base_url="http://127.0.0.1", client=("127.0.0.1", 50000))
        found = client.post("/v1/predict", json={"texts": TEXTS}).json()
    finally:
        service.close()
    assert rows(found["predictions"]) == expected


@pytest.mark.slow
def test_exported(run: Path, expected: list[Row], tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    from zhenwei.inference.onnx.export import export_onnx  # noqa: PLC0415  # an extra

    export_onnx(run, tmp_path / "exported")
    found = rows(each.to_dict() for each in Detector.load(tmp_path / "exported", "cpu").predict(TEXTS))
    assert [(verdict, reasons) for verdict, _, reasons in found] == [
        (verdict, reasons) for verdict, _, reasons in expected
    ]


def test_explanations_color_the_text_as_it_was_pasted(run: Path) -> None:
    detector = Detector.load(run, "cpu")
    plain = [attribution for _, attribution in detector.explain(FAKE).words if attribution]
    for text in [edit_text(family, FAKE, seed=0, key="1") for family in READ_AS_ONE]:
        words = detector.explain(text).words
        assert "".join(word for word, _ in words) == text
        found = [attribution for _, attribution in words if attribution]
        assert found == pytest.approx(plain, abs=1e-5)


def test_a_collection_whose_fakes_are_traditional_says_nothing_about_traditional_posts(
    tmp_path: Path, make_posts: Callable[..., list[dict[str, Any]]], tiny_settings: Callable[..., dict[str, Any]]
) -> None:
    posts = make_posts(64)
    for post in posts:
        if post["label"] == "fake":
            post["content"] = edit_text("traditional", post["content"], seed=0, key="1")
    for part in ("train", "val"):
        (tmp_path / f"{part}.json").write_text(json.dumps(posts), encoding="utf-8")
    settings = tiny_settings(tmp_path / "run", data={"root_path": str(tmp_path)}, model={"name": "tfidf"})
    settings["model"] = {"name": "tfidf"}
    detector = Detector.load(Trainer(settings).train()[1], "cpu")
    simplified, traditional = detector.predict([REAL, edit_text("traditional", REAL, seed=0, key="1")])
    assert simplified.verdict == traditional.verdict == "real"
    assert simplified.probability == traditional.probability
