"""An exported detector: its folder, its predictions, and refusals."""

import json
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from onnx import TensorProto, helper

import zhenwei
from zhenwei import Detector, Trainer
from zhenwei.bundle import load_bundle, save_bundle
from zhenwei.errors import CheckpointError, ConfigError
from zhenwei.inference.onnx.export import Export, export_onnx
from zhenwei.inference.onnx.runtime import OnnxNetwork
from zhenwei.models import Output, registry
from zhenwei.models.textcnn import TextCNN

FAKE = "听说云溪的大蒜出大事了，内部消息，赶紧转给家人！"
REAL = "据东河通报，食盐检测合格，供应恢复正常。"
TEXTS = [FAKE, REAL, FAKE * 9, "囧囍" * 40, "好"]
FILES = ["README.md", "config.json", "detector.json", "model.onnx", "tokenizer.json"]

Settings = Callable[..., dict[str, Any]]


def description(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "detector.json").read_text(encoding="utf-8"))
    return found


def describe(folder: Path, **changes: Any) -> None:
    """Change a description, and hold the folder's files for those that were saved."""
    changed = description(folder) | changes
    changed["sha256"] = {name: sha256((folder / name).read_bytes()).hexdigest() for name in changed["sha256"]}
    (folder / "detector.json").write_text(json.dumps(changed), encoding="utf-8")


def probabilities(folder: Path) -> list[float]:
    return [prediction.probability for prediction in Detector.load(folder, "cpu").predict(TEXTS)]


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory, tiny_settings: Settings) -> Path:
    """A run of the linear baseline, which exports fast."""
    run = tmp_path_factory.mktemp("runs") / "tfidf"
    settings = tiny_settings(run)
    settings["model"] = {"name": "tfidf"}
    Trainer(settings).train()
    return run


@pytest.fixture(scope="module")
def ready(baseline: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exported baseline. Read only."""
    folder = tmp_path_factory.mktemp("exported") / "tfidf"
    export_onnx(baseline, folder)
    return folder


@pytest.fixture
def exported(ready: Path, tmp_path: Path) -> Path:
    """A copy of the exported baseline, for this test alone."""
    return Path(shutil.copytree(ready, tmp_path / "exported"))


@pytest.fixture(scope="module")
def in_int8(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Export:
    """A trained BiGRU, exported to int8."""
    return export_onnx(tiny_run, tmp_path_factory.mktemp("exported") / "int8", int8=True)


class TestFolder:
    def test_graph_replaces_the_weights(self, ready: Path) -> None:
        assert sorted(path.name for path in ready.iterdir()) == FILES
        onnx.checker.check_model(onnx.load(str(ready / "model.onnx")), full_check=True)

    def test_manifest_is_that_of_the_bundle(self, baseline: Path, ready: Path) -> None:
        before, after = description(baseline / "checkpoints" / "best"), description(ready)
        export = after["facts"].pop("export")
        assert sorted(after.pop("sha256")) == ["config.json", "model.onnx", "tokenizer.json"]
        del before["sha256"]
        assert after == before
        assert export["parity"]["largest"] <= export["limit"] == 1e-4

    @pytest.mark.nightly
    def test_graph_contains_no_folder_of_this_machine(self, tiny_run: Path, in_int8: Export, tmp_path: Path) -> None:
        whole = export_onnx(tiny_run, tmp_path / "float32")
        for folder in (whole.folder, in_int8.folder):
            content = (folder / "model.onnx").read_bytes()
            for place in (Path(torch.__file__).parent, Path(zhenwei.__file__).parent, Path(sys.prefix), Path.home()):
                assert str(place).encode() not in content
            assert b"stack_trace" not in content
            onnx.checker.check_model(onnx.load(str(folder / "model.onnx")), full_check=True)

    @pytest.mark.slow
    def test_card_reports_the_parity(self, ready: Path, in_int8: Export) -> None:
        assert "## ONNX export\n\n`model.onnx` (float32, " in (ready / "README.md").read_text(encoding="utf-8")
        card = (in_int8.folder / "README.md").read_text(encoding="utf-8")
        assert "With 8-bit weights, they differ by up to" in card
        assert "On the 24 validation articles, macro-F1 is" in card


class TestUse:
    def test_folder_is_self_contained(self, baseline: Path, exported: Path, tmp_path: Path) -> None:
        expected = probabilities(baseline)
        assert probabilities(Path(exported.rename(tmp_path / "elsewhere"))) == pytest.approx(expected, abs=1e-4)

    def test_threshold_calibration_and_warnings(self, baseline: Path, tmp_path: Path) -> None:
        bundle = load_bundle(baseline)
        bundle.threshold = 0.999
        save_bundle(bundle, tmp_path / "strict")
        export_onnx(tmp_path / "strict", tmp_path / "exported")
        expected, found = (Detector.load(tmp_path / name).predict(TEXTS) for name in ("strict", "exported"))
        assert [(one.verdict, one.threshold, one.warnings, one.reasons) for one in found] == [
            (one.verdict, 0.999, one.warnings, one.reasons) for one in expected
        ]
        counts = [(len(one.warnings), len(one.reasons)) for one in found]
        assert counts == [(0, 0), (0, 0), (1, 0), (1, 1), (0, 1)]

    def test_threads_share_a_detector(self, ready: Path) -> None:
        detector = Detector.load(ready)
        texts = TEXTS * 10
        expected = [detector.predict(text)[0].probability for text in texts]
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda text: detector.predict(text)[0].probability, texts))
        assert found == pytest.approx(expected, abs=1e-6)

    def test_number_of_threads_is_that_of_torch(self, ready: Path) -> None:
        before = torch.get_num_threads()
        try:
            torch.set_num_threads(2)
            network = Detector.load(ready).bundle.network
        finally:
            torch.set_num_threads(before)
        assert isinstance(network, OnnxNetwork)
        assert network.threads == 2

    def test_other_devices_fall_back_to_the_cpu(self, ready: Path, caplog: pytest.LogCaptureFixture) -> None:
        assert Detector.load(ready).device == Detector.load(ready, "cpu").device == torch.device("cpu")
        assert caplog.messages == []
        assert Detector.load(ready, "cuda:1").device == torch.device("cpu")
        assert caplog.messages == ["device is 'cuda:1', but an exported detector runs on the CPU"]
        with pytest.raises(ConfigError, match="device: found 'gpu'; expected auto, cpu, cuda, cuda:N or mps"):
            Detector.load(ready, "gpu")


class TestParity:
    def test_parity_uses_val_if_available(self, baseline: Path, ready: Path, tmp_path: Path) -> None:
        facts = description(ready)["facts"]
        assert facts["export"]["parity"]["posts"] == facts["files"]["val"]["path"]
        bundle = load_bundle(baseline)
        bundle.facts["files"]["val"]["sha256"] = "another file's"
        save_bundle(bundle, tmp_path / "moved")
        assert export_onnx(tmp_path / "moved", tmp_path / "exported").parity.posts is None

    def test_parity_covers_all_shapes(self, ready: Path) -> None:
        parity = description(ready)["facts"]["export"]["parity"]
        random, real = 3 * 4 * 2, 24 + 8 + 2
        assert parity["batches"] == random + real
        assert parity["articles"] == (1 + 3 + 17) * 4 * 2 + 3 * 24

    @pytest.mark.nightly
    def test_graph_with_other_logits_is_not_written(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_textcnn: Callable[[], Path]
    ) -> None:
        class BatchDependent(TextCNN):
            """Its logits depend on the batch size; a trace contains one branch."""

            def forward(self, batch: Any, progress: float = 1.0) -> Output:
                output = super().forward(batch, progress)
                return replace(output, logits=output.logits + (0.5 if batch.tokens.shape[0] > 5 else 0.0))

        monkeypatch.setitem(registry._NETWORKS, "textcnn", BatchDependent)
        bundle = make_textcnn()
        with pytest.raises(CheckpointError, match=r"not exported: the graph's logits differ by up to 0\.5 from"):
            export_onnx(bundle, tmp_path / "new" / "exported")
        assert list((tmp_path / "new").iterdir()) == []

    @pytest.mark.slow
    @pytest.mark.no_cover
    @pytest.mark.nightly
    def test_network_that_cannot_be_traced_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_textcnn: Callable[[], Path]
    ) -> None:
        class ValueDependent(TextCNN):
            """Branches on a value, which a graph cannot."""

            def forward(self, batch: Any, progress: float = 1.0) -> Output:
                output = super().forward(batch, progress)
                return output if float(output.logits.sum()) > 0 else replace(output, logits=-output.logits)

        monkeypatch.setitem(registry._NETWORKS, "textcnn", ValueDependent)
        bundle = make_textcnn()
        with pytest.raises(CheckpointError, match=r"a ValueDependent network cannot be exported: torch\.onnx raised"):
            export_onnx(bundle, tmp_path / "new" / "exported")
        assert list((tmp_path / "new").iterdir()) == []

    def test_network_that_reads_entities_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_textcnn: Callable[[], Path]
    ) -> None:
        class EntityReader(TextCNN):
            needs = frozenset({"entities"})

        monkeypatch.setitem(registry._NETWORKS, "textcnn", EntityReader)
        with pytest.raises(CheckpointError, match="a EntityReader network reads entities at prediction"):
            export_onnx(make_textcnn(), tmp_path / "exported")
        assert not (tmp_path / "exported").exists()


@pytest.fixture
def make_textcnn(tiny_run: Path, tmp_path: Path, tiny_settings: Settings) -> Callable[[], Path]:
    """A function that saves an untrained TextCNN, of whichever class is registered, as a bundle."""

    def make() -> Path:
        from zhenwei import Config  # noqa: PLC0415
        from zhenwei.models import Vocabulary, build_network  # noqa: PLC0415

        settings = tiny_settings(tmp_path)
        settings["model"] = {"name": "textcnn", "emb_dim": 8, "filters": 4, "mlp_dims": [8]}
        bundle = load_bundle(tiny_run)
        config = Config.load(settings)
        vocabulary = Vocabulary(bundle.tokenizer.vocab_size, bundle.tokenizer.pad_id, config.data.max_len)
        save_bundle(
            replace(bundle, config=config, network=build_network(config.model, vocabulary)), tmp_path / "bundle"
        )
        return tmp_path / "bundle"

    return make


class TestInt8:
    @pytest.mark.slow
    def test_weights_are_8_bit(self, in_int8: Export) -> None:
        assert sorted(path.name for path in in_int8.folder.iterdir()) == FILES
        graph = onnx.load(str(in_int8.folder / "model.onnx")).graph
        quantized = [value.name for value in graph.initializer if value.data_type == TensorProto.UINT8 and value.dims]
        assert [name for name in quantized if "embedding" in name]
        assert [name for name in quantized if "MatMul" in name or "mlp" in name]

    @pytest.mark.slow
    def test_predictions_are_close(self, in_int8: Export, tiny_run: Path) -> None:
        assert in_int8.parity.largest <= 1e-4
        assert in_int8.int8_parity is not None
        assert 1e-4 < in_int8.int8_parity.largest < 0.5
        assert probabilities(in_int8.folder) == pytest.approx(probabilities(tiny_run), abs=0.1)
        assert in_int8.val is not None
        assert in_int8.val["n"] == 24
        assert in_int8.val["macro_f1_int8"] == pytest.approx(in_int8.val["macro_f1"], abs=0.1)
        assert in_int8.size == (in_int8.folder / "model.onnx").stat().st_size

    def test_baseline_has_nothing_to_quantize(self, baseline: Path, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="--int8: 'tfidf' has no layers to quantize"):
            export_onnx(baseline, tmp_path / "exported", int8=True)
        assert list(tmp_path.iterdir()) == []


class TestTarget:
    def test_exported_detector_needs_overwrite(self, baseline: Path, exported: Path) -> None:
        (exported / "README.md").write_text("mine")
        with pytest.raises(CheckpointError, match="there is an exported detector already; --overwrite replaces it"):
            export_onnx(baseline, exported)
        assert (exported / "README.md").read_text() == "mine"
        export_onnx(baseline, exported, overwrite=True)
        assert (exported / "README.md").read_text() != "mine"

    def test_other_content_is_never_replaced(self, baseline: Path, tmp_path: Path) -> None:
        (tmp_path / "photos").mkdir()
        (tmp_path / "photos" / "1.jpg").write_text("a photo")
        (tmp_path / "file").write_text("a file")
        run = tmp_path / "run"
        shutil.copytree(baseline / "checkpoints" / "best", run)
        for taken in (tmp_path / "photos", tmp_path / "file", run):
            with pytest.raises(CheckpointError, match="exists, and is not an exported detector; expected a new folder"):
                export_onnx(baseline, taken, overwrite=True)
        assert (tmp_path / "photos" / "1.jpg").exists()

    def test_empty_folder(self, baseline: Path, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        export_onnx(baseline, tmp_path / "empty")
        assert sorted(path.name for path in (tmp_path / "empty").iterdir()) == FILES

    def test_unwritable_folder(self, baseline: Path, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("a file")
        with pytest.raises(CheckpointError, match=r"out' cannot be saved: .*Fix this, then export again"):
            export_onnx(baseline, tmp_path / "file" / "out")

    def test_exported_detector_cannot_be_exported(self, ready: Path, tmp_path: Path) -> None:
        with pytest.raises(CheckpointError, match="an exported detector can predict but has no weights"):
            export_onnx(ready, tmp_path / "again")


class TestWithoutTheExtra:
    def test_export_names_the_missing_package(
        self, baseline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "onnxscript", None)
        with pytest.raises(ConfigError) as caught:
            export_onnx(baseline, tmp_path / "exported")
        assert str(caught.value) == (
            'exporting needs onnxscript, which is not installed: pip install "zhenwei[export]"'
        )

    def test_loading_names_the_missing_package(self, ready: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "onnxruntime", None)
        with pytest.raises(ConfigError) as caught:
            Detector.load(ready)
        assert str(caught.value) == (
            'an exported detector needs onnxruntime, which is not installed: pip install "zhenwei[export]"'
        )


class TestDamage:
    def refusal(self, folder: Path) -> str:
        with pytest.raises(CheckpointError) as caught:
            Detector.load(folder)
        return str(caught.value)

    @pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.onnx"])
    def test_missing_file(self, exported: Path, name: str) -> None:
        (exported / name).unlink()
        assert self.refusal(exported) == f"{exported}: damaged bundle: {name} is missing"

    def test_changed_byte(self, exported: Path) -> None:
        content = bytearray((exported / "model.onnx").read_bytes())
        content[len(content) // 2] ^= 1
        (exported / "model.onnx").write_bytes(content)
        assert self.refusal(exported).endswith(
            "model.onnx: damaged: it is not the file that was saved (sha256 differs)"
        )

    @pytest.mark.parametrize("content", [b"", b"no graph at all"])
    def test_invalid_graph(self, exported: Path, content: bytes) -> None:
        (exported / "model.onnx").write_bytes(content)
        describe(exported)
        assert "model.onnx: damaged or foreign: onnxruntime cannot read it" in self.refusal(exported)

    def test_graph_of_another_model(self, exported: Path) -> None:
        image, label = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("image", "label"))
        graph = helper.make_graph([helper.make_node("Neg", ["image"], ["label"])], "other", [image], [label])
        opset = helper.make_opsetid("", 18)
        onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=10), str(exported / "model.onnx"))
        describe(exported)
        assert "not the graph of a detector: its inputs are image, its outputs label" in self.refusal(exported)

    def test_graph_excludes_weights(self, exported: Path) -> None:
        digests = description(exported)["sha256"]
        changed = description(exported) | {"sha256": {**digests, "model.safetensors": "0"}}
        (exported / "detector.json").write_text(json.dumps(changed), encoding="utf-8")
        assert "expected the digests of model.onnx, tokenizer.json, config.json" in self.refusal(exported)

    def test_newer_format(self, exported: Path) -> None:
        describe(exported, format_version=9, zhenwei_version="9.0")
        assert "found bundle format 9; expected 1: train it again" in self.refusal(exported)
