"""BERT's embedding layer, against transformers."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import BertModel, RobertaConfig, RobertaModel

from zhenwei.models.encoders import loading
from zhenwei.models.encoders.bert_embeddings import BertWithoutLayers, load_bert_embeddings
from zhenwei.models.encoders.loading import empty_encoder, load_encoder

TOKENS = torch.tensor([[2, 5, 6, 3, 0], [2, 9, 3, 0, 0]])


@pytest.fixture
def own_bert(tiny_bert: Path, tmp_path: Path) -> Path:
    """Return a copy of the tiny BERT, for one test."""
    return Path(shutil.copytree(tiny_bert, tmp_path / "bert"))


def rewrite(folder: Path, weights: dict[str, Tensor]) -> None:
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, folder / "model.safetensors")


def embedded(folder: Path) -> Tensor:
    model = load_bert_embeddings(str(folder), local_only=True)
    assert model is not None
    with torch.no_grad():
        result: Tensor = model.eval().embeddings(TOKENS)
    return result


class TestLoaded:
    def test_output_equals_transformers_bit_for_bit(self, tiny_bert: Path) -> None:
        with torch.no_grad():
            expected = BertModel.from_pretrained(tiny_bert).eval().embeddings(TOKENS)
        assert torch.equal(embedded(tiny_bert), expected)

    def test_the_encoder_config_equals_that_of_transformers(
        self, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model, settings = load_encoder(str(tiny_bert), layers=False)
        assert isinstance(model, BertWithoutLayers)
        monkeypatch.setattr(loading, "load_bert_embeddings", lambda *_args, **_options: None)
        model, expected = load_encoder(str(tiny_bert), layers=False)
        assert isinstance(model, BertModel)
        assert settings == expected

    @pytest.mark.parametrize("prefix", ["", "bert."])
    @pytest.mark.parametrize("old", [True, False])
    def test_alternative_weight_names(self, own_bert: Path, prefix: str, old: bool) -> None:
        expected = embedded(own_bert)
        names = {"weight": "gamma", "bias": "beta"}
        renamed = {}
        for name, tensor in load_file(own_bert / "model.safetensors").items():
            first, _, last = name.rpartition(".")
            renamed[f"{prefix}{first}.{names[last]}" if old and "LayerNorm" in name else prefix + name] = tensor
        rewrite(own_bert, renamed)
        assert torch.equal(embedded(own_bert), expected)

    def test_half_precision_weights_become_float32(self, own_bert: Path) -> None:
        expected = embedded(own_bert)
        rewrite(own_bert, {name: value.half() for name, value in load_file(own_bert / "model.safetensors").items()})
        result = embedded(own_bert)
        assert result.dtype == torch.float32
        torch.testing.assert_close(result, expected, atol=0.01, rtol=0.01)

    @pytest.mark.slow  # imports PyTorch in a process of its own
    @pytest.mark.nightly
    def test_transformers_bert_and_the_compiler_are_not_imported(self, tiny_bert: Path) -> None:
        program = (
            "import sys, torch; from zhenwei.models.encoders.loading import empty_encoder, load_encoder; "
            f"model, settings = load_encoder({str(tiny_bert)!r}, layers=False); "
            "empty_encoder(settings, layers=False); model.embeddings(torch.tensor([[2, 3]])); "
            "print({'transformers.models.bert.modeling_bert', 'torch._dynamo'} & set(sys.modules))"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "set()"


class TestUnsupported:
    def test_another_model_type(self, tmp_path: Path) -> None:
        config = RobertaConfig(
            vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8
        )  # fmt: skip
        RobertaModel(config).save_pretrained(tmp_path)
        assert load_bert_embeddings(str(tmp_path), local_only=True) is None

    @pytest.mark.parametrize("damage", ["missing", "shape", "integers", "cut", "gone", "no config"])
    def test_damaged_files(self, own_bert: Path, damage: str) -> None:
        file, name = own_bert / "model.safetensors", "embeddings.LayerNorm.bias"
        weights = load_file(file)
        if damage == "missing":
            del weights[name]
        elif damage == "shape":
            weights[name] = weights[name][:-1]
        elif damage == "integers":
            weights[name] = weights[name].long()
        rewrite(own_bert, weights)
        if damage == "cut":
            file.write_bytes(file.read_bytes()[:100])
        elif damage == "gone":
            file.unlink()
        elif damage == "no config":
            (own_bert / "config.json").unlink()
        assert load_bert_embeddings(str(own_bert), local_only=True) is None

    @pytest.mark.parametrize(
        "setting",
        [
            {"quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True}},
            {"is_decoder": True},
            {"transformers_weights": "other.safetensors"},
        ],
    )
    def test_unsupported_settings(self, own_bert: Path, setting: dict[str, object]) -> None:
        config = json.loads((own_bert / "config.json").read_text())
        (own_bert / "config.json").write_text(json.dumps(config | setting))
        assert load_bert_embeddings(str(own_bert), local_only=True) is None

    def test_duplicate_weights(self, own_bert: Path) -> None:
        weights = load_file(own_bert / "model.safetensors")
        rewrite(own_bert, weights | {f"bert.{name}": 2 * tensor for name, tensor in weights.items()})
        assert load_bert_embeddings(str(own_bert), local_only=True) is None


def test_empty_embeddings_have_the_same_weights_as_loaded_ones(tiny_bert: Path) -> None:
    model, settings = load_encoder(str(tiny_bert), layers=False)
    empty, _ = empty_encoder(settings, layers=False)
    assert isinstance(empty, BertWithoutLayers)
    shapes = {name: tensor.shape for name, tensor in empty.state_dict().items()}
    assert shapes == {name: tensor.shape for name, tensor in model.state_dict().items()}
    assert all(weight.requires_grad for weight in empty.parameters())
