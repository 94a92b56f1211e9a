"""Runs of the linear baseline."""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from zhenwei import Config, Detector, Trainer
from zhenwei.bundle import load_bundle
from zhenwei.errors import CheckpointError, ConfigError
from zhenwei.evaluation import evaluate
from zhenwei.models.tfidf import Tfidf
from zhenwei.news import read_articles
from zhenwei.tokens import EncodedArticles

Rows = list[dict[str, Any]]
MAX_LEN = 40


def run_settings(data: Path, run: Path, **model: Any) -> dict[str, Any]:
    return {
        "data": {"root_path": str(data), "min_frequency": 1, "max_len": MAX_LEN},
        "model": {"name": "tfidf", **model},
        "output": {"dir": str(run), "progress": False, "trackers": []},
        "training": {"device": "cpu"},
    }


class TestTunedRun:
    """Runs that tune the hyperparameters."""

    OPEN: ClassVar[dict[str, str]] = {"naive_bayes": "auto", "C": "auto"}

    @pytest.mark.slow  # 16 pairs of hyperparameters on five folds
    def test_hyperparameters_are_tuned(
        self, data_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.INFO, logger="zhenwei"):
            Trainer(run_settings(data_folder, tmp_path / "run", **self.OPEN)).train()
        assert "the best of 16 pairs on held-out articles" in caplog.text

    def test_tuning_samples_many_articles(
        self, data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("zhenwei.training.run.MAX_TUNING_ARTICLES", 50)
        seen: list[set[int]] = []

        def tune(self: Tfidf, articles: EncodedArticles, folds: Any, seed: int) -> None:
            seen.extend({*train.tolist(), *held.tolist()} for train, held in folds)

        monkeypatch.setattr(Tfidf, "tune", tune)
        Trainer(run_settings(data_folder, tmp_path / "run", **self.OPEN)).train()
        articles = read_articles(data_folder / "train.json")
        sample = set(np.linspace(0, len(articles) - 1, 50).astype(int).tolist())
        assert len(sample) == 50
        assert seen
        assert set.union(*seen) <= sample

    def test_too_few_articles_to_tune_use_the_defaults(
        self, make_posts: Callable[..., Rows], tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        rows = [{**row, "content": "转给家人" + "看看" * (row["label"] == "fake")} for row in make_posts(4)]
        for part in ("train", "val"):
            (tmp_path / f"{part}.json").write_text(json.dumps(rows), encoding="utf-8")
        with caplog.at_level(logging.WARNING, logger="zhenwei"):
            results, _ = Trainer(run_settings(tmp_path, tmp_path / "run", **self.OPEN)).train()
        assert "too few training articles for cross-validation" in caplog.text
        assert results["n"] == 4


class TestMaskedNames:
    @pytest.mark.no_cover
    @pytest.mark.slow
    @pytest.mark.nightly
    def test_masked_names_do_not_change_the_probability(self, data_folder: Path, tmp_path: Path) -> None:
        settings = run_settings(data_folder, tmp_path / "run")
        settings["data"]["mask_entities"] = True
        _, best = Trainer(settings).train()
        detector = Detector.load(best)
        here, there, nowhere = detector.predict([f"听说{name}的消息，请转给家人" for name in ("北京", "上海", "好人")])
        assert here.probability == there.probability
        assert here.probability != nowhere.probability


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, data_folder: Path) -> tuple[Path, dict[str, Any]]:
    """The folder of a run, and what it returned."""
    folder = tmp_path_factory.mktemp("runs") / "tfidf"
    results, _ = Trainer(run_settings(data_folder, folder)).train()
    return folder, results


class TestRun:
    def test_it_saves_results_and_a_bundle(self, run: tuple[Path, dict[str, Any]]) -> None:
        folder, results = run
        assert json.loads((folder / "results.json").read_text()) == results
        assert (results["split"], results["n"], results["model"], results["best_epoch"]) == ("test", 24, "tfidf", 1)
        assert results["metric"] == results["macro_f1"] > 0.9
        assert {path.name for path in (folder / "checkpoints").iterdir()} == {"best"}
        assert not list(folder.rglob("*.pkl"))
        weights = load_file(folder / "checkpoints" / "best" / "model.safetensors")
        assert weights.keys() == {"keys", "idf", "weight", "bias"}

    def test_a_detector_predicts_and_evaluates_with_it(
        self, run: tuple[Path, dict[str, Any]], data_folder: Path
    ) -> None:
        folder, results = run
        fake, real = Detector.load(folder).predict(["听说食盐出大事了，赶紧转给家人！", "据云溪通报，食盐检测合格。"])
        assert (fake.verdict, real.verdict) == ("fake", "real")
        scores = evaluate(load_bundle(folder), data_folder / "test.json", scores_only=True).scores
        assert scores["loss"] == pytest.approx(results["loss"])
        assert scores["macro_f1"] == results["macro_f1"]

    def test_a_resumed_run_gives_equal_results(self, run: tuple[Path, dict[str, Any]], data_folder: Path) -> None:
        folder, results = run
        weights = load_file(folder / "checkpoints" / "best" / "model.safetensors")
        again, model_path = Trainer(run_settings(data_folder, folder), resume=True).train()
        assert again == results
        kept = load_file(model_path / "model.safetensors")
        assert all(torch.equal(kept[name], weights[name]) for name in weights)

    def test_without_its_bundle_a_resumed_run_is_fitted_again(
        self, run: tuple[Path, dict[str, Any]], data_folder: Path, tmp_path: Path
    ) -> None:
        folder, results = run
        shutil.copytree(folder, tmp_path / "run")
        shutil.rmtree(tmp_path / "run" / "checkpoints" / "best")
        again, _ = Trainer(run_settings(data_folder, tmp_path / "run"), resume=True).train()
        assert again == results

    @pytest.mark.parametrize(
        ("model", "reason"),
        [
            ({"C": 0.01}, "this run was started with model.C = 30.0, found 0.01"),
            ({"name": "textcnn", "emb_dim": 8, "mlp_dims": [8]}, "this is a run of 'tfidf', not of 'textcnn'"),
        ],
    )
    def test_another_run_cannot_resume_it(
        self, run: tuple[Path, dict[str, Any]], data_folder: Path, model: dict[str, Any], reason: str
    ) -> None:
        folder, _ = run
        before = (folder / "checkpoints" / "best" / "model.safetensors").read_bytes()
        with pytest.raises(CheckpointError, match=reason):
            Trainer(run_settings(data_folder, folder, **model), resume=True).train()
        assert (folder / "checkpoints" / "best" / "model.safetensors").read_bytes() == before
        assert Config.load(folder / "config.json").model.name == "tfidf"

    def test_its_model_card_mentions_no_epoch(self, run: tuple[Path, dict[str, Any]]) -> None:
        card = (run[0] / "checkpoints" / "best" / "README.md").read_text(encoding="utf-8")
        assert "in one pass without epochs" in card
        assert "the weights are those of epoch" not in card

    def test_its_scores_are_in_metrics_jsonl(self, run: tuple[Path, dict[str, Any]]) -> None:
        (line,) = (run[0] / "metrics.jsonl").read_text().splitlines()
        assert json.loads(line)["val"]["macro_f1"] == run[1]["val"]["macro_f1"]

    def test_it_cannot_be_debiased(self, data_folder: Path, tmp_path: Path) -> None:
        with pytest.raises(ConfigError) as caught:
            Config.load(run_settings(data_folder, tmp_path, debias="endef"))
        assert str(caught.value) == (
            "config: model.debias: found 'endef'; ENDEF needs a network that is trained by gradients: remove it for "
            "'tfidf'"
        )


class TestUnits:
    """The units of n-grams."""

    CHINESE = "据通报大蒜检测合格", "听说大蒜出大事了"
    ENGLISH = "the council says the water is safe today", "shocking secret they hide from the people"

    def detector(self, folder: Path, texts: tuple[str, str], **model: Any) -> Detector:
        rows = [{"content": f"{texts[n % 2]} {n}", "label": n % 2} for n in range(20)]
        for part in ("train", "val"):
            (folder / f"{part}.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
        settings = run_settings(folder, folder / "run", **model)
        return Detector(load_bundle(Trainer(settings).train()[1]), "cpu", always=True)

    def tokens(self, detector: Detector, text: str) -> list[str]:
        return [token.token for token in detector.bundle.tokenizer.tokenize(text)][1:-1]

    def test_words_for_languages_with_spaces(self, tmp_path: Path) -> None:
        detector = self.detector(tmp_path, self.ENGLISH)
        assert self.tokens(detector, "The water is safe") == ["the", "water", "is", "safe"]
        assert [
            result.verdict for result in detector.predict(["the water is safe", "they hide it from the people"])
        ] == [
            "real",
            "fake",
        ]

    def test_characters_for_chinese(self, tmp_path: Path) -> None:
        detector = self.detector(tmp_path, self.CHINESE)
        assert self.tokens(detector, "大蒜合格") == list("大蒜合格")
        assert [result.verdict for result in detector.predict(["大蒜合格", "大蒜出事"])] == ["real", "fake"]

    def test_the_analyzer_is_a_setting(self, tmp_path: Path) -> None:
        detector = self.detector(tmp_path, self.ENGLISH, analyzer="char")
        assert self.tokens(detector, "is safe") == list("is safe")
