"""Whole runs of every detector, plain and debiased: from articles with all fields to verdicts on texts."""

import json
import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from zhenwei import Config, Detector, Trainer
from zhenwei.bundle import load_bundle
from zhenwei.config import detector_names
from zhenwei.evaluation import evaluate
from zhenwei.news.enrichment.emotion import EmotionExtractor

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]

Rows = list[dict[str, Any]]
PLACES = ("云溪", "东河", "南岭", "西塘", "北川", "临江")
TOPICS = ("健康", "社会", "灾害")
SMALL = {"emb_dim": 16, "hidden_dim": 8, "mlp_dims": [16], "filters": 8, "n_experts": 2}
TEXTS = ["听说食盐出大事了，内部消息，赶紧转给家人！第3号", "据云溪通报，食盐检测合格，供应恢复正常。第8号"]
KILLED = -9


def settings_of(detector: str) -> set[str]:
    return set(type(Config.load({"model": {"name": detector}}).model).model_fields)


OFTEN = ("bert", "bigru", "mdfend_endef", "tfidf")
CASES = [  # MDFEND debiased has most parts; the others are trained nightly
    pytest.param(
        {"name": name} | ({"debias": "endef"} if debias else {}),
        id=(case := name + ("_endef" if debias else "")),
        marks=[] if case in OFTEN else [pytest.mark.nightly],
    )
    for name in detector_names()
    for debias in (False, True)
    if not debias or "debias" in settings_of(name)
]
WIDE = {"wide_share": 0.5, "ngram_sizes": [2, 3], "ngram_buckets": 500, "pooling": ["attention", "max"]}
CASES.append(pytest.param({"name": "bigru", **WIDE}, id="bigru_wide", marks=pytest.mark.nightly))


@pytest.fixture(scope="module")
def news_folder(tmp_path_factory: pytest.TempPathFactory, make_posts: Callable[..., Rows]) -> Path:
    """Posts with a topic, a time, entities and emotion (a tenth without a topic), and bare.json: test without them."""
    folder, emotion = tmp_path_factory.mktemp("news"), EmotionExtractor.from_files([])
    for seed, (part, count) in enumerate({"train": 96, "val": 32, "test": 32}.items()):
        rows = make_posts(count, seed)
        if part == "test":
            (folder / "bare.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
        for number, row in enumerate(rows):
            entities = [{"entity": place} for place in PLACES if place in row["content"]]
            row |= {"entity_list": entities, "emotion": emotion(row["content"]), "domain": TOPICS[number // 2 % 3]}
            if number % 10 == 9:
                del row["domain"]
        (folder / f"{part}.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def make_settings(news_folder: Path, tiny_bert: Path) -> Callable[..., dict[str, Any]]:
    """A function of the run folder, the detector, and of settings of the training to change."""

    def settings(run: Path, model: dict[str, Any], **training: Any) -> dict[str, Any]:
        known = settings_of(model["name"])
        small = {name: value for name, value in SMALL.items() if name in known}
        if "finetune_layers" in known:
            small |= {"bert_model_name": str(tiny_bert), "finetune_layers": "all"}  # its weights are random
        return {
            "data": {"root_path": str(news_folder), "max_len": 40, "min_frequency": 1, "aug_prob": 0.1},
            "model": {**small, **model},
            "training": {"epochs": 6, "lr": 0.01, "pretrained_lr": 0.01, "batch_size": 16, "precision": "no",
                         "device": "cpu", **training},
            "output": {
                "dir": str(run), "progress": False, "report": False, "trackers": [], "log_interval": 1, "save_steps": 4
            },
        }  # fmt: skip

    return settings


def steps(run: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if line["event"] == "step"]


@pytest.mark.parametrize("model", CASES)
def test_from_articles_to_verdicts_on_bare_texts(
    model: dict[str, Any], make_settings: Callable[..., dict[str, Any]], news_folder: Path, tmp_path: Path
) -> None:
    """In mixed precision, whose losses must stay finite."""
    results, model_path = Trainer(make_settings(tmp_path / "run", model, precision="bf16")).train()
    losses = [line["loss"] for line in steps(tmp_path / "run")]
    assert len(losses) >= 12 or model["name"] == "tfidf"
    assert np.isfinite([*losses, results["loss"]]).all()
    assert (results["split"], results["n"]) == ("test", 32)
    assert results["macro_f1"] > 0.8
    detector = Detector.load(model_path, "cpu")
    fake, real = detector.predict(TEXTS)
    assert (fake.verdict, real.verdict) == ("fake", "real")
    assert not [warning for found in (fake, real) for warning in found.warnings]
    full, bare = (
        evaluate(load_bundle(model_path), news_folder / f"{part}.json", device="cpu", scores_only=True).scores
        for part in ("test", "bare")
    )
    assert full["loss"] == pytest.approx(results["loss"], abs=1e-5)
    if model == {"name": "mdfend"}:  # the one that looks at an article's own domain where it is known
        assert bare["loss"] != full["loss"]
        assert bare["macro_f1"] > 0.8
    else:
        assert bare["loss"] == pytest.approx(full["loss"], abs=1e-5)


@pytest.mark.parametrize("model", [{"name": "eann"}, {"name": "mdfend"}], ids=lambda model: model["name"])
def test_a_year_can_be_the_domain(
    model: dict[str, Any], make_settings: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    settings = make_settings(tmp_path / "run", {**model, "domain": "year"}, epochs=1)
    rows = json.loads((Path(settings["data"]["root_path"]) / "train.json").read_text(encoding="utf-8"))
    for number, row in enumerate(rows):
        row["time"] = f"{2015 + number % 3}-01-01"
    (tmp_path / "train.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    settings["data"]["train"] = str(tmp_path / "train.json")
    _, model_path = Trainer(settings).train()
    assert load_bundle(model_path).field_metadata.domain_names == ("2015", "2016", "2017")
    assert Detector.load(model_path, "cpu").predict(TEXTS)


def steps_without_clock(run: Path) -> list[dict[str, Any]]:
    return [
        {key: value for key, value in line.items() if key not in ("time", "texts_per_second")} for line in steps(run)
    ]


RESUMED = {
    "eann": {"name": "eann"},
    "bigru_endef": {"name": "bigru", "debias": "endef"},
    "bigru_wide": {"name": "bigru", **WIDE},
}


@pytest.mark.nightly
@pytest.mark.parametrize(
    "name",
    RESUMED,
)
def test_killed_and_resumed_it_ends_like_the_undisturbed_run(
    name: str,
    make_settings: Callable[..., dict[str, Any]],
    run_jobs: Callable[..., list[tuple[int, str]]],
    train_job: Callable[..., dict[str, Any]],
    tmp_path: Path,
) -> None:
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    brief = {"epochs": 3, "early_stop": 0, "monitor": "loss"}
    settings = [make_settings(run, RESUMED[name], **brief) for run in (undisturbed, killed)]
    moment = {"event": "log", "text": "epoch 2 step 10:"}  # saved after step 8
    outcomes = run_jobs(
        [
            train_job(settings[0]),
            train_job(settings[1], at=moment, signal="SIGKILL"),
            train_job(settings[1], "--resume"),
        ]
    )
    assert [status for status, _ in outcomes] == [0, KILLED, 0], outcomes
    assert "resumed after epoch 1, step 8" in outcomes[2][1]
    for file in ("best/model", "last/network", "last/optimizer", "last/random"):
        expected, resumed = (load_file(run / "checkpoints" / f"{file}.safetensors") for run in (undisturbed, killed))
        assert resumed.keys() == expected.keys()
        assert all(torch.equal(resumed[key], value) for key, value in expected.items()), file
    checkpoint, shipped = (
        load_file(undisturbed / "checkpoints" / f"{file}.safetensors") for file in ("last/network", "best/model")
    )
    assert any("entity_" in key for key in checkpoint) == ("debias" in RESUMED[name])
    assert not any("entity_" in key for key in shipped)
    assert steps_without_clock(killed) == steps_without_clock(undisturbed)


class TestCompiled:
    @pytest.fixture(autouse=True)
    def fresh_compiler(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """Clear what other tests compiled."""
        monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "inductor"))
        torch.compiler.reset()
        yield
        torch.compiler.reset()

    @pytest.mark.nightly
    @pytest.mark.skipif(shutil.which("g++") is None, reason="needs a compiler")
    def test_compiled_and_plain_training_agree(
        self, make_settings: Callable[..., dict[str, Any]], tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, logger="zhenwei")
        model = {"name": "textcnn", "debias": "endef", "dropout": 0.0, "kernels": [2], "mlp_dims": []}
        settings = [make_settings(tmp_path / str(asked), model, epochs=1, compile=asked) for asked in (False, True)]
        for each in settings:
            each["data"] |= {"max_len": 32, "aug_prob": 0.0}
        plain, compiled = (Trainer(each).train()[0] for each in settings)
        assert "compiled the network" in caplog.text
        assert not [record for record in caplog.records if "recompile_limit" in record.getMessage()]
        assert compiled["loss"] == pytest.approx(plain["loss"], rel=0.02)
        for one, other in zip(steps(tmp_path / "True"), steps(tmp_path / "False"), strict=True):
            assert one["loss"] == pytest.approx(other["loss"], rel=0.02)
