"""The public interface of a detector."""

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from zhenwei import Article, Detector
from zhenwei.bundle.device import cpu_computes_bf16
from zhenwei.errors import CheckpointError, ConfigError, DataError
from zhenwei.inference.prediction import Prediction
from zhenwei.models.gru.int8 import int8_inference_enabled

FAKE = "听说云溪的大蒜出大事了，内部消息，赶紧转给家人！"
REAL = "据东河通报，食盐检测合格，供应恢复正常。"


def describe(bundle: Path, **changes: Any) -> None:
    """Change the manifest of a bundle, and update its digests."""
    path = bundle / "detector.json"
    description = json.loads(path.read_text(encoding="utf-8")) | changes
    description["sha256"] = {name: sha256((bundle / name).read_bytes()).hexdigest() for name in description["sha256"]}
    path.write_text(json.dumps(description), encoding="utf-8")


@pytest.fixture(scope="module")
def detector(tiny_run: Path) -> Detector:
    return Detector.load(tiny_run, device="cpu")


class TestLoading:
    def test_run_and_bundle_are_the_same_detector(self, tiny_run: Path) -> None:
        bundle = Detector.load(str(tiny_run / "checkpoints" / "best"))
        assert bundle.predict(FAKE) == Detector.load(tiny_run).predict(FAKE)

    def test_network_is_in_evaluation_mode(self, detector: Detector) -> None:
        assert not detector.bundle.network.training
        assert detector.threshold == 0.5

    def test_unknown_device_is_refused(self, tiny_run: Path) -> None:
        with pytest.raises(ConfigError, match="device: found 'gpu'; expected auto, cpu, cuda, cuda:N or mps"):
            Detector.load(tiny_run, device="gpu")

    def test_unavailable_device_is_reported(self, tiny_run: Path, caplog: pytest.LogCaptureFixture) -> None:
        Detector.load(tiny_run, device="cuda:99")
        assert caplog.messages == ["device is 'cuda:99', but this machine has no such device: using the CPU"]

    def test_unknown_precision_is_refused(self, tiny_run: Path) -> None:
        with pytest.raises(ConfigError, match="precision: found 'int4'; expected float32 or auto"):
            Detector.load(tiny_run, precision="int4")


class TestPrecision:
    def test_probabilities_are_close_to_float32(self, tiny_run: Path, detector: Detector) -> None:
        texts = [FAKE, REAL] * 8
        found = Detector.load(tiny_run, device="cpu", precision="auto").predict(texts)
        expected = [prediction.probability for prediction in detector.predict(texts)]
        assert [prediction.probability for prediction in found] == pytest.approx(expected, abs=0.02)

    def test_predicts_in_the_requested_precision_and_explains_in_float32(
        self, tiny_run: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[tuple[bool, bool]] = []
        detector = Detector.load(tiny_run, device="cpu", precision="auto")
        network = detector.bundle.network
        forward = network.forward

        def spy(*given: Any) -> Any:
            seen.append((torch.is_autocast_enabled("cpu"), int8_inference_enabled()))
            return forward(*given)

        monkeypatch.setattr(network, "forward", spy)
        detector.predict(FAKE)
        assert seen == [(cpu_computes_bf16(), True)]
        detector.explain(FAKE)
        assert set(seen[1:]) == {(False, False)}


class TestPrediction:
    def test_fake_and_real(self, detector: Detector) -> None:
        fake, real = detector.predict([FAKE, REAL])
        assert (fake.verdict, real.verdict) == ("fake", "real")
        assert real.probability < detector.threshold <= fake.probability
        assert (fake.text, fake.threshold, fake.warnings) == (FAKE, 0.5, ())

    def test_fields_by_name(self, detector: Detector) -> None:
        prediction = detector.predict(FAKE)[0]
        assert prediction["verdict"] == prediction.verdict
        with pytest.raises(KeyError, match="verdcit"):
            prediction["verdcit"]
        with pytest.raises(FrozenInstanceError):
            prediction.verdict = "real"  # type: ignore[misc]

    def test_json(self, detector: Detector) -> None:
        written = json.loads(json.dumps(detector.predict(FAKE)[0].to_dict()))
        assert list(written) == ["text", "verdict", "probability", "threshold", "warnings", "reasons"]

    def test_id_of_an_article(self, detector: Detector) -> None:
        named, nameless = detector.predict_articles([Article(content=FAKE, id="7"), Article(content=REAL)])
        assert (named.id, nameless.id) == ("7", None)
        assert named.to_dict()["id"] == "7"
        assert "id" not in nameless.to_dict()

    def test_threshold_is_the_bundles(self, tiny_run: Path) -> None:
        strict = Detector.load(tiny_run)
        strict.bundle.threshold = 0.999
        assert strict.predict(FAKE)[0].verdict == "real"
        strict.bundle.threshold = strict.predict(FAKE)[0].probability
        assert strict.predict(FAKE)[0].verdict == "fake"


class TestTexts:
    def test_text_list_and_generator(self, detector: Detector) -> None:
        one = detector.predict(FAKE)
        assert len(one) == 1
        assert detector.predict([FAKE]) == detector.predict(text for text in [FAKE]) == one
        assert detector.predict([]) == []

    def test_order_is_preserved(self, detector: Detector, make_posts: Callable[..., list[dict[str, Any]]]) -> None:
        rows = make_posts(3000, seed=9)
        found = detector.predict(row["content"] for row in rows)
        assert [prediction.text for prediction in found] == [row["content"] for row in rows]
        agree = [prediction.verdict == row["label"] for prediction, row in zip(found, rows, strict=True)]
        assert sum(agree) > 2900

    def test_stream_is_lazy(self, detector: Detector) -> None:
        def texts() -> Any:
            yield from [FAKE] * 1024
            raise LookupError("read too far")

        assert next(detector.predict_stream(texts())).verdict == "fake"

    def test_predictions_do_not_depend_on_the_batch(self, detector: Detector) -> None:
        alone = detector.predict(FAKE)[0].probability
        crowd = detector.predict([REAL * 20, "好", *[REAL] * 70, FAKE])[-1].probability
        assert crowd == pytest.approx(alone, abs=1e-6)

    def test_articles_are_predicted_by_their_content(self, detector: Detector) -> None:
        assert list(detector.predict_articles([Article(content=FAKE, label="real")])) == detector.predict(FAKE)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "found ''; expected a text that is not blank"),
            (" \n\u200b", "expected a text that is not blank"),
            (None, "found null; expected a text"),
            (7, "found 7; expected a text"),
            (b"text", "found b'text'; expected a text"),
            ("半\ud83d", "expected text without lone surrogates"),
        ],
    )
    def test_invalid_text_is_reported_by_its_number(self, detector: Detector, text: Any, message: str) -> None:
        with pytest.raises(DataError) as caught:
            detector.predict([FAKE, REAL, text])
        assert str(caught.value).startswith("text 3: ")
        assert message in str(caught.value)

    @pytest.mark.parametrize(
        ("texts", "message"),
        [
            (None, "texts: found null; expected a text, or any number of texts"),
            (7, "texts: found 7; expected a text, or any number of texts"),
            (b"text", "texts: found b'text'; expected a text, or any number of texts; decode bytes first"),
            ({FAKE: 1}, "texts: found {"),
            (Article(content=FAKE), "; predict_articles takes articles"),
            ([Article(content=FAKE)], "; predict_articles takes articles"),
        ],
    )
    def test_invalid_collection_is_refused(self, detector: Detector, texts: Any, message: str) -> None:
        for predict in (detector.predict, detector.predict_stream):
            with pytest.raises(DataError) as caught:
                list(predict(texts))
            assert message in str(caught.value)

    def test_stream_holds_one_chunk(self, detector: Detector) -> None:
        drawn = 0

        def texts() -> Any:
            nonlocal drawn
            for drawn in range(1, 5001):  # noqa: B007  # it is what the test looks at
                yield "好"

        given = 0
        for given, _ in enumerate(detector.predict_stream(texts()), start=1):
            assert drawn - given < 1024
        assert (drawn, given) == (5000, 5000)

    @pytest.mark.slow
    def test_threads_share_a_detector_to_explain_and_predict(self, detector: Detector) -> None:
        def ask(turn: int) -> list[float]:
            text = [FAKE, REAL, FAKE * 3, REAL + FAKE][turn % 4]
            if turn % 2:
                return [detector.predict(text)[0].probability]
            explanation = detector.explain(text)
            return [explanation.prediction.probability, *(attribution for _, attribution in explanation.words)]

        turns = [turn % 8 for turn in range(64)]
        expected = [ask(turn) for turn in turns]
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(ask, turns))
        for one, other in zip(found, expected, strict=True):
            assert one == pytest.approx(other, abs=1e-5)

    def test_threads_share_a_detector(self, detector: Detector) -> None:
        texts = [FAKE, REAL, FAKE * 3, REAL + FAKE] * 10
        expected = [detector.predict(text)[0].probability for text in texts]
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda text: detector.predict(text)[0].probability, texts))
        assert found == pytest.approx(expected, abs=1e-6)
        assert not detector.bundle.network.training


def codes(prediction: Prediction) -> list[str]:
    return [reason.code for reason in prediction.reasons]


class TestWarnings:
    def test_truncated_text(self, detector: Detector) -> None:
        assert detector.predict(FAKE * 9)[0].warnings == ("only the first 40 tokens were read: the text is longer",)

    @pytest.mark.parametrize(
        ("text", "foreign"),
        [
            ("東京都の水道水は明日から三日間停止しますので、皆さん水を貯めてください", True),
            ("서울시 수돗물이 내일부터 사흘간 중단됩니다", True),
            ("The water supply will be cut off for three days", True),
            ("網傳本市自來水明天起停供三天，請大家趕緊儲水！", False),
            ("网传の自来水 iPhone 明天起停供三天", False),
        ],
    )
    def test_other_language_than_the_training_articles(self, detector: Detector, text: str, foreign: bool) -> None:
        assert ("other_language" in codes(detector.predict(text)[0])) is foreign

    def test_few_unknown_characters(self, detector: Detector) -> None:
        assert detector.predict(FAKE + "囧")[0].warnings == ()

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("？。！", "no_words"),
            ("😂[泪]", "no_words"),
            ("转发微博", "no_words"),
            ("http://t.cn/abc", "only_link"),
            ("看 http://t.cn/abc", "too_few_words"),
            ("@小明", "only_mention"),
            ("//@小明:", "only_mention"),
            ("2024", "only_number"),
            ("水", "too_few_words"),
            ("水水水水水水水水", "too_few_words"),
            ("囧囍龘靐齉爩鱻麤" * 2, "mostly_unknown"),
        ],
    )
    def test_nothing_to_judge(self, detector: Detector, text: str, code: str) -> None:
        [prediction] = detector.predict(text)
        assert (prediction.verdict, codes(prediction)) == ("unsure", [code])
        assert 0 <= prediction.probability <= 1

    def test_always_gives_a_verdict_and_keeps_the_reasons(self, tiny_run: Path) -> None:
        [prediction] = Detector.load(tiny_run, "cpu", always=True).predict("水")
        assert prediction.verdict == ("fake" if prediction.probability >= prediction.threshold else "real")
        assert codes(prediction) == ["too_few_words"]


class TestDamage:
    def refusal(self, path: Path) -> str:
        with pytest.raises(CheckpointError) as caught:
            Detector.load(path)
        return str(caught.value)

    @pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
    def test_missing_file(self, own_bundle: Path, name: str) -> None:
        (own_bundle / name).unlink()
        assert f"{name} is missing" in self.refusal(own_bundle)

    @pytest.mark.parametrize("name", ["tokenizer.json", "model.safetensors"])
    def test_truncated_file(self, own_bundle: Path, name: str) -> None:
        content = (own_bundle / name).read_bytes()
        (own_bundle / name).write_bytes(content[: len(content) // 2])
        assert f"{own_bundle / name}: damaged" in self.refusal(own_bundle)

    def test_changed_byte(self, own_bundle: Path) -> None:
        content = bytearray((own_bundle / "model.safetensors").read_bytes())
        content[-3] ^= 1
        (own_bundle / "model.safetensors").write_bytes(content)
        assert "it is not the file that was saved (sha256 differs)" in self.refusal(own_bundle)

    @pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"format_version": 1}'])
    def test_damaged_manifest(self, own_bundle: Path, content: str) -> None:
        (own_bundle / "detector.json").write_text(content)
        assert f"{own_bundle / 'detector.json'}: damaged or foreign" in self.refusal(own_bundle)

    def test_damaged_settings(self, own_bundle: Path) -> None:
        (own_bundle / "config.json").write_text('{"model": {"nme": "bigru"}}')
        assert "it is not the file that was saved (sha256 differs)" in self.refusal(own_bundle)
        describe(own_bundle)
        assert "damaged or foreign bundle" in self.refusal(own_bundle)

    def test_newer_format(self, own_bundle: Path) -> None:
        path = own_bundle / "detector.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "format_version": 4, "zhenwei_version": "9.0"}))
        assert "found bundle format 4; expected 1: train it again" in self.refusal(own_bundle)

    def test_weights_of_another_network(self, own_bundle: Path) -> None:
        weights = load_file(own_bundle / "model.safetensors")
        save_file({**weights, "stray": torch.ones(1)}, own_bundle / "model.safetensors")
        describe(own_bundle)
        assert (
            'not of this network: Error(s) in loading state_dict for BiGRU: Unexpected key(s) in state_dict: "stray"'
            in (self.refusal(own_bundle))
        )

    def test_folder_without_a_bundle(self, tmp_path: Path) -> None:
        assert "neither a run folder nor a bundle" in self.refusal(tmp_path)

    def test_missing_folder(self, tmp_path: Path) -> None:
        error = self.refusal(tmp_path / "none")
        assert error == f"{tmp_path / 'none'}: no such folder; expected a run folder or a bundle"

    def test_run_without_a_checkpoint(self, own_run: Path) -> None:
        shutil.rmtree(own_run / "checkpoints" / "best")
        assert "this run has no best checkpoint yet" in self.refusal(own_run)

    def test_encoder_cannot_be_built(self, own_bundle: Path) -> None:
        settings = json.loads((own_bundle / "config.json").read_text(encoding="utf-8"))
        settings["model"] |= {"use_pretrained_bert": True, "bert_model_name": "a-bert"}
        (own_bundle / "config.json").write_text(json.dumps(settings))
        describe(own_bundle, encoder={"model_type": "of-tomorrow"})
        assert "the encoder described in the bundle cannot be built" in self.refusal(own_bundle)
