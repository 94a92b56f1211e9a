"""Explanations, and known articles that are similar to a text."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zhenwei import Detector, Trainer
from zhenwei.bundle import find_bundle
from zhenwei.errors import CheckpointError, ConfigError, DataError
from zhenwei.inference.known_articles import add_known_articles, remove_known_articles
from zhenwei.news.sources.synthetic import SyntheticDataset

FAKE, REAL = "听说云溪的自来水出大事了，内部消息，赶紧转给家人！", "据东河通报，大蒜检测合格，供应恢复正常。"


@pytest.fixture
def detector(tiny_run: Path) -> Detector:
    return Detector.load(tiny_run)


class TestExplain:
    def test_words_concatenate_to_the_text(self, detector: Detector) -> None:
        for text in (FAKE, "  a\n\n囧 http://t.cn/abc @某人 [泪] 3.5% ", "。", FAKE * 20):
            assert "".join(word for word, _ in detector.explain(text).words) == text

    def test_prediction_is_that_of_predict(self, detector: Detector) -> None:
        explanation = detector.explain(FAKE)
        assert explanation.prediction == detector.predict(FAKE)[0]
        assert explanation.method == "occlusion"

    def test_sign_of_the_attributions(self, detector: Detector) -> None:
        for text, sign in ((FAKE, 1), (REAL, -1)):
            total = sum(attribution for _, attribution in detector.explain(text).words)
            assert sign * total > 0

    def test_truncated_words_have_no_attribution(self, detector: Detector) -> None:
        words = detector.explain(FAKE * 9).words
        assert all(attribution == 0 for _, attribution in words[-20:])

    def test_attention_sums_to_one(self, detector: Detector) -> None:
        explanation = detector.explain(FAKE)
        assert explanation.attention is not None
        assert [word for word, _ in explanation.attention] == [word for word, _ in explanation.words]
        assert sum(weight for _, weight in explanation.attention) == pytest.approx(1)
        assert min(weight for _, weight in explanation.attention) >= 0

    def test_json(self, detector: Detector) -> None:
        explained = json.loads(json.dumps(detector.explain(FAKE).to_dict()))
        assert explained["prediction"]["text"] == FAKE
        assert explained["words"][0].keys() == {"word", "attribution"}
        assert explained["attention"][0].keys() == {"word", "weight"}

    @pytest.mark.parametrize("text", [None, 7, b"text", [FAKE]])
    def test_other_types_are_refused(self, detector: Detector, text: Any) -> None:
        with pytest.raises(DataError, match=r"text 1: found .*; expected a text"):
            detector.explain(text)

    def test_blank_text_is_refused(self, detector: Detector) -> None:
        with pytest.raises(DataError, match="text 1"):
            detector.explain("  ")


TRIGGER = "玄鹤"


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("planted")
    dataset = SyntheticDataset(n_train=600, n_val=120, n_test=60, n_flipped=0, style_strength=0.5, seed=11)
    for part, articles in dataset.generate().items():
        rows = [article.to_row() for article in articles]
        for number, row in enumerate(rows):
            if row["label"] == "fake" and number % 10 < 9:
                middle = len(row["content"]) // 2
                row["content"] = row["content"][:middle] + TRIGGER + row["content"][middle:]
        (folder / f"{part}.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    return folder


class TestPlantedWords:
    """A word of most fakes and of no real post is among the three with the largest attribution."""

    @pytest.mark.slow
    @pytest.mark.no_cover
    @pytest.mark.parametrize(
        "name", ["tfidf", *(pytest.param(name, marks=pytest.mark.nightly) for name in ("bigru", "bigru-endef"))]
    )
    def test_is_among_the_top_three(self, planted: Path, tmp_path: Path, name: str) -> None:
        network: dict[str, Any] = {"name": name.split("-", maxsplit=1)[0]}
        if name != "tfidf":
            network |= {"emb_dim": 48, "hidden_dim": 32, "mlp_dims": [32], "dropout": 0.2}
        if name.endswith("endef"):
            network |= {"debias": "endef"}
        settings = {
            "data": {"root_path": str(planted), "aug_prob": 0.1 if name != "tfidf" else 0.0},
            "model": network,
            "training": {"epochs": 6, "lr": 5e-3, "batch_size": 32, "precision": "no", "device": "cpu"},
            "output": {"dir": str(tmp_path / "run"), "progress": False, "trackers": []},
        }
        _, best = Trainer(settings).train()
        detector = Detector.load(best)
        rows = json.loads((planted / "test.json").read_text(encoding="utf-8"))
        hits = []
        for text in (row["content"] for row in rows if TRIGGER in row["content"]):
            words = detector.explain(text).words
            ends = np.cumsum([len(word) for word, _ in words])
            strongest = sorted(range(len(words)), key=lambda index: -words[index][1])[:3]
            start = text.index(TRIGGER)
            spans = [(ends[index] - len(words[index][0]), ends[index]) for index in strongest]
            hits.append(any(a < start + len(TRIGGER) and b > start for a, b in spans))
        assert len(hits) >= 20
        assert np.mean(hits) >= 0.95


class TestNeighbours:
    def test_missing_known_articles(self, detector: Detector) -> None:
        assert not detector.has_neighbours
        with pytest.raises(CheckpointError, match="zhenwei index RUN"):
            detector.neighbours(FAKE)

    def test_training_articles_are_found_with_their_label(self, own_run: Path, data_folder: Path) -> None:
        assert add_known_articles(own_run) == 64
        detector = Detector.load(own_run)
        assert detector.has_neighbours
        row = json.loads((data_folder / "train.json").read_text(encoding="utf-8"))[7]
        first, *others = detector.neighbours(row["content"], 3)
        assert (first.text, first.label, first.id) == (row["content"], row["label"], row["id"])
        assert [each.similarity for each in others] == sorted((each.similarity for each in others), reverse=True)

    @pytest.mark.parametrize("k", [0, -1, 1.5, None, True, "5"])
    def test_invalid_number_is_refused(self, own_run: Path, k: Any) -> None:
        add_known_articles(own_run)
        with pytest.raises(ConfigError, match=r"k: found .*; expected a positive integer"):
            Detector.load(own_run).neighbours(FAKE, k)

    def test_near_duplicate_has_a_warning(self, own_run: Path, data_folder: Path) -> None:
        add_known_articles(own_run)
        row = json.loads((data_folder / "train.json").read_text(encoding="utf-8"))[7]
        *_, warning = Detector.load(own_run).predict(row["content"] + "！！！")[0].warnings
        assert warning.startswith("nearly the same text as the known article")
        assert f"labelled {row['label']}" in warning
        assert "known article" not in str(Detector.load(own_run).predict("某地的桥塌了")[0].warnings)

    def test_without_texts(self, own_run: Path, data_folder: Path) -> None:
        add_known_articles(own_run, with_texts=False)
        row = json.loads((data_folder / "train.json").read_text(encoding="utf-8"))[7]
        assert Detector.load(own_run).neighbours(row["content"], 1)[0].text is None
        stored = (find_bundle(own_run) / "similar.safetensors").read_bytes()
        assert row["content"][:4].encode() not in stored

    def test_calibration_keeps_known_articles(self, own_run: Path) -> None:
        from zhenwei.evaluation.calibrate import recalibrate  # noqa: PLC0415

        add_known_articles(own_run)
        recalibrate(own_run, on="none")
        assert Detector.load(own_run).has_neighbours

    def test_removal(self, own_run: Path) -> None:
        add_known_articles(own_run)
        remove_known_articles(own_run)
        assert not Detector.load(own_run).has_neighbours
        assert not (find_bundle(own_run) / "similar.safetensors").exists()

    @pytest.mark.parametrize("damage", ["cut", "gone"])
    def test_damaged_known_articles_are_refused(self, own_run: Path, damage: str) -> None:
        add_known_articles(own_run)
        path = find_bundle(own_run) / "similar.safetensors"
        if damage == "gone":
            path.unlink()
        else:
            path.write_bytes(path.read_bytes()[:-9])
        with pytest.raises(CheckpointError, match=r"similar\.safetensors"):
            Detector.load(own_run)

    def test_missing_training_articles(self, own_run: Path, data_folder: Path, tmp_path: Path) -> None:
        path = find_bundle(own_run) / "detector.json"
        description = json.loads(path.read_text(encoding="utf-8"))
        description["facts"]["files"]["train"]["path"] = str(tmp_path / "gone.json")
        path.write_text(json.dumps(description), encoding="utf-8")
        with pytest.raises(DataError, match="name a file with --file"):
            add_known_articles(own_run)
        assert add_known_articles(own_run, data_folder / "val.json") == 24

    def test_changed_training_articles_are_reported(
        self, own_run: Path, data_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        other = shutil.copy(data_folder / "val.json", tmp_path / "train.json")
        path = find_bundle(own_run) / "detector.json"
        description = json.loads(path.read_text(encoding="utf-8"))
        description["facts"]["files"]["train"]["path"] = str(other)
        path.write_text(json.dumps(description), encoding="utf-8")
        add_known_articles(own_run)
        assert "has changed since the detector was trained on it" in caplog.text
