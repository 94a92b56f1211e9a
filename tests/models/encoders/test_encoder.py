"""Pretrained encoders: supported types, trained layers, and bundles."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoModel

from zhenwei.bundle import Bundle, load_bundle, save_bundle
from zhenwei.config import BertConfig, BiGRUConfig, Config
from zhenwei.errors import PretrainedModelError
from zhenwei.models import DetectorNetwork, Vocabulary, build_network
from zhenwei.models.encoders.encoder import PretrainedEncoder
from zhenwei.tokens import load_pretrained_tokenizer

SIZES = {
    "vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
    "max_position_embeddings": 34,
}  # fmt: skip
GPT = {"vocab_size": 40, "n_embd": 16, "n_layer": 2, "n_head": 2, "bos_token_id": 0, "eos_token_id": 0}
SEQ2SEQ = {"vocab_size": 40, "d_model": 16}
KINDS: dict[str, dict[str, Any]] = {
    "Bert": SIZES,
    "Roberta": SIZES,
    "Electra": {**SIZES, "embedding_size": 8},
    "DistilBert": {
        "vocab_size": 40, "dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32, "max_position_embeddings": 34
    },
    "Albert": {**SIZES, "embedding_size": 8},
    "Ernie": SIZES,
    "MegatronBert": SIZES,
    "RoFormer": SIZES,
    "GPT2": GPT,
    "Llama": SIZES,
    "T5": {**SEQ2SEQ, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2},
    "Bart": {
        **SEQ2SEQ, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 2,
        "decoder_attention_heads": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32,
    },
    "ViT": {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32,
            "image_size": 32},
}  # fmt: skip
ENCODERS = ["Bert", "Roberta", "Electra", "DistilBert", "Ernie", "MegatronBert", "RoFormer"]
SHARED_LAYERS = "Albert"

TOKENS = torch.tensor([[2, 6, 7, 8, 3], [2, 9, 3, 0, 0], [0, 0, 0, 0, 0]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [0, 0, 0, 0, 0]]).bool()
MakeModel = Callable[[str], Path]


@pytest.fixture(scope="session")
def make_model(tmp_path_factory: pytest.TempPathFactory) -> MakeModel:
    """Return a function that saves a tiny model of a type with random weights, and returns its folder."""
    folder = tmp_path_factory.mktemp("kinds")

    def model(kind: str) -> Path:
        if not (folder / kind).exists():
            torch.manual_seed(0)
            config = getattr(transformers, f"{kind}Config")(**KINDS[kind])
            getattr(transformers, f"{kind}Model")(config).save_pretrained(folder / kind)
        return folder / kind

    return model


@pytest.fixture
def own_bert(make_model: MakeModel, tmp_path: Path) -> Path:
    """Return a copy of a BERT, for one test."""
    return Path(shutil.copytree(make_model("Bert"), tmp_path / "bert"))


def build(folder: Path, *, size: int = 40, max_len: int = 32, saved: Any = None, **settings: Any) -> DetectorNetwork:
    torch.manual_seed(0)
    config = BertConfig(bert_model_name=str(folder), mlp_dims=[4], **settings)
    return build_network(config, Vocabulary(size, 0, max_len, encoder=saved))


def encoder_of(network: DetectorNetwork) -> PretrainedEncoder:
    encoder = network.token_encoder()
    assert isinstance(encoder, PretrainedEncoder)
    return encoder


def trained(network: DetectorNetwork) -> set[str]:
    return {name for name, weight in encoder_of(network).model.named_parameters() if weight.requires_grad}


def running_dropouts(network: DetectorNetwork) -> set[str]:
    parts = encoder_of(network).model.named_modules()
    return {name for name, part in parts if isinstance(part, nn.Dropout) and part.training and part.p > 0}


class TestKinds:
    @pytest.mark.parametrize("kind", [*ENCODERS, SHARED_LAYERS])
    def test_output_equals_transformers(self, kind: str, make_model: MakeModel) -> None:
        encoder = encoder_of(build(make_model(kind), finetune_layers=0).eval())
        expected_model = AutoModel.from_pretrained(make_model(kind)).eval()
        result = encoder(TOKENS, MASK)
        assert result.shape == (3, 5, 16)
        for row, length in ((0, 5), (1, 3)):
            alone = TOKENS[row : row + 1, :length]
            expected = expected_model(input_ids=alone, attention_mask=torch.ones_like(alone)).last_hidden_state[0]
            torch.testing.assert_close(result[row, :length], expected, atol=1e-5, rtol=0)

    def test_a_row_of_padding_attends_to_its_first_padding(self, make_model: MakeModel) -> None:
        """So that no kernel computes a softmax over nothing, which may be NaN."""
        encoder = encoder_of(build(make_model("Bert"), finetune_layers=0).eval())
        expected = encoder(torch.tensor([[0]]), torch.tensor([[True]]))[0, 0]
        torch.testing.assert_close(encoder(TOKENS, MASK)[2, 0], expected, atol=1e-6, rtol=0)

    @pytest.mark.parametrize("kind", [*ENCODERS, SHARED_LAYERS])
    @pytest.mark.parametrize("layers", [0, "all"])
    def test_rows_of_padding_give_finite_outputs_and_gradients(
        self, kind: str, layers: Any, make_model: MakeModel
    ) -> None:
        encoder = encoder_of(build(make_model(kind), finetune_layers=layers).train())
        result = encoder(TOKENS, MASK)
        assert torch.isfinite(result).all()
        if layers == "all":
            result.square().sum().backward()
            gradients = [weight.grad for weight in encoder.parameters() if weight.grad is not None]
            assert len(gradients) > 10
            assert all(torch.isfinite(gradient).all() for gradient in gradients)

    @pytest.mark.parametrize("kind", ENCODERS)
    def test_only_the_last_layer_trains(self, kind: str, make_model: MakeModel) -> None:
        network = build(make_model(kind), finetune_layers=1).train()
        assert trained(network)
        assert all(".layer.1." in name for name in trained(network))
        assert running_dropouts(network)
        assert all(".layer.1." in name for name in running_dropouts(network))

    @pytest.mark.parametrize("kind", [*ENCODERS, SHARED_LAYERS])
    def test_a_bundle_rebuilds_it_without_the_folder(self, kind: str, make_model: MakeModel, tmp_path: Path) -> None:
        network = build(make_model(kind), finetune_layers=0).eval()
        saved = json.loads(json.dumps(network.encoder_config()))
        assert str(make_model(kind)) not in json.dumps(saved)
        again = build(tmp_path / "nowhere", saved=saved, finetune_layers=0).eval()
        again.load_state_dict(network.state_dict())
        assert torch.equal(encoder_of(again)(TOKENS, MASK), encoder_of(network)(TOKENS, MASK))

    @pytest.mark.parametrize("kind", ["DistilBert", "Electra", "Roberta", "Albert"])
    def test_the_embedding_layer_alone(self, kind: str, make_model: MakeModel) -> None:
        folder = make_model(kind)
        size = 8 if kind in ("Electra", "Albert") else 16
        config = BiGRUConfig(emb_dim=size, use_pretrained_bert=True, bert_model_name=str(folder), hidden_dim=4)
        network = build_network(config, Vocabulary(40, 0, 32)).eval()
        expected_model = AutoModel.from_pretrained(folder).eval()
        encoder = network.token_encoder()
        assert encoder is not None
        assert torch.equal(encoder(TOKENS), expected_model.embeddings(TOKENS))
        assert sum(weight.numel() for weight in encoder.parameters()) < 2000

    @pytest.mark.parametrize("kind", [*ENCODERS, SHARED_LAYERS])
    def test_loading_prints_nothing(self, kind: str, make_model: MakeModel, capfd: pytest.CaptureFixture[str]) -> None:
        folder = make_model(kind)
        capfd.readouterr()
        encoder_of(build(folder, finetune_layers=0).train())(TOKENS, MASK)
        assert capfd.readouterr() == ("", "")


class TestLayers:
    def test_no_trained_layers(self, make_model: MakeModel) -> None:
        network = build(make_model("Bert"), finetune_layers=0).train()
        assert trained(network) == set()
        assert running_dropouts(network) == set()
        result = encoder_of(network)(TOKENS, MASK)
        assert not result.requires_grad
        assert torch.equal(result, encoder_of(network)(TOKENS, MASK))

    def test_all_layers_without_the_embeddings(self, make_model: MakeModel) -> None:
        network = build(make_model("Bert"), finetune_layers=2).train()
        assert all(name.startswith("encoder.layer.") for name in trained(network))
        assert {name.split(".")[2] for name in trained(network)} == {"0", "1"}

    @pytest.mark.parametrize("kind", ["Bert", SHARED_LAYERS])
    def test_all_of_it(self, kind: str, make_model: MakeModel) -> None:
        network = build(make_model(kind), finetune_layers="all").train()
        assert trained(network) == {name for name, _ in encoder_of(network).model.named_parameters()}
        assert ("embeddings.dropout" in running_dropouts(network)) == (kind == "Bert")  # ALBERT's rate is 0
        assert list(network.pretrained_modules()) == [encoder_of(network).model]

    def test_training_mode_activates_dropout_in_trained_layers_only(self, make_model: MakeModel) -> None:
        network = build(make_model("Bert"), finetune_layers=1)
        assert network.eval() is network
        assert running_dropouts(network) == set()
        before = running_dropouts(network.train())
        assert before == running_dropouts(network.eval().train())
        assert before

    def test_emb_dropout_is_active_with_a_frozen_encoder(self, make_model: MakeModel) -> None:
        network = build(make_model("Bert"), finetune_layers=0, emb_dropout=0.5).train()
        assert not torch.equal(encoder_of(network)(TOKENS, MASK), encoder_of(network)(TOKENS, MASK))

    def test_the_pooler_is_removed(self, make_model: MakeModel) -> None:
        network = build(make_model("Bert"), finetune_layers="all")
        assert not [name for name in network.state_dict() if "pooler" in name]


class TestBundle:
    def test_a_bundle_does_not_need_the_encoder(self, tiny_bert: Path, tmp_path: Path) -> None:
        folder = Path(shutil.copytree(tiny_bert, tmp_path / "bert"))
        config = Config.load({"model": {"name": "bert", "bert_model_name": str(folder)}, "data": {"max_len": 60}})
        tokenizer = load_pretrained_tokenizer(str(folder))
        network = build_network(config.model, Vocabulary(tokenizer.vocab_size, tokenizer.pad_id, 60)).eval()
        save_bundle(Bundle(config, tokenizer, network), tmp_path / "bundle")
        shutil.rmtree(folder)
        again = load_bundle(tmp_path / "bundle").network
        assert torch.equal(encoder_of(again)(TOKENS, MASK), encoder_of(network)(TOKENS, MASK))
        assert not [name for name in load_file(tmp_path / "bundle" / "model.safetensors") if "pooler" in name]


class TestErrors:
    def error(self, folder: Path, **settings: Any) -> str:
        with pytest.raises(PretrainedModelError) as caught:
            build(folder, **settings)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    @pytest.mark.parametrize(("layers", "most"), [(3, 2), (100, 2)])
    def test_more_layers_than_there_are(self, layers: int, most: int, make_model: MakeModel) -> None:
        folder = make_model("Bert")
        assert self.error(folder, finetune_layers=layers) == (
            f"model.finetune_layers: found {layers}; '{folder}' has {most} layers: set at most that, or 'all'"
        )

    def test_one_layer_of_shared_layers(self, make_model: MakeModel) -> None:
        folder = make_model(SHARED_LAYERS)
        assert self.error(folder, finetune_layers=1) == (
            f"model.finetune_layers: found 1; '{folder}' has no layers with weights of their own: set 0, or 'all'"
        )

    @pytest.mark.parametrize("kind", ["GPT2", "Llama"])
    @pytest.mark.parametrize("layers", [0, 1, "all"])
    def test_a_decoder(self, kind: str, layers: Any, make_model: MakeModel) -> None:
        message = self.error(make_model(kind), finetune_layers=layers)
        assert message == (
            f"'{make_model(kind)}' ({kind}Model) is a decoder: its first token does not depend on the second; expected "
            "an encoder such as BERT, RoBERTa or ELECTRA"
        )

    @pytest.mark.parametrize("kind", ["T5", "Bart"])
    def test_an_encoder_with_a_decoder(self, kind: str, make_model: MakeModel) -> None:
        message = self.error(make_model(kind))
        assert f"({kind}Model) has a decoder; expected an encoder such as BERT" in message

    def test_a_model_of_images(self, make_model: MakeModel) -> None:
        assert "(ViTModel) gives no vectors for tokens" in self.error(make_model("ViT"))

    def test_another_hidden_size(self, make_model: MakeModel) -> None:
        folder = make_model("Bert")
        assert (
            self.error(folder, emb_dim=768) == f"model.emb_dim: found 768; '{folder}' has the hidden size 16: set that"
        )
        assert build(folder, emb_dim=16)

    @pytest.mark.parametrize("kind", ["Electra", SHARED_LAYERS])
    def test_emb_dim_is_compared_with_the_hidden_size(self, kind: str, make_model: MakeModel) -> None:
        assert build(make_model(kind), emb_dim=16, finetune_layers=0)
        assert "has the hidden size 16" in self.error(make_model(kind), emb_dim=8, finetune_layers=0)

    @pytest.mark.parametrize(("kind", "longest"), [("Bert", 34), ("Roberta", 32), ("DistilBert", 34), ("Electra", 34)])
    def test_texts_longer_than_its_positions(self, kind: str, longest: int, make_model: MakeModel) -> None:
        folder = make_model(kind)
        network = build(folder, max_len=longest).eval()
        longest_text = torch.full((1, longest), 5)
        assert torch.isfinite(encoder_of(network)(longest_text)).all()
        message = self.error(folder, max_len=longest + 1)
        assert message == f"data.max_len: found {longest + 1}; '{folder}' has only {longest} positions"

    def test_a_tokenizer_of_more_entries(self, make_model: MakeModel) -> None:
        message = self.error(make_model("Bert"), size=41)
        assert "has 41 entries, but there are embeddings for 40" in message

    def test_weights_that_are_missing_from_the_file(self, own_bert: Path) -> None:
        weights = load_file(own_bert / "model.safetensors")
        del weights["encoder.layer.1.output.dense.weight"]
        save_file(weights, own_bert / "model.safetensors", metadata={"format": "pt"})
        message = self.error(own_bert)
        assert message.startswith(f"the weights of '{own_bert}' lack encoder.layer.1.output.dense.weight: they are not")

    def test_weights_of_another_shape(self, own_bert: Path) -> None:
        settings = json.loads((own_bert / "config.json").read_text())
        (own_bert / "config.json").write_text(json.dumps({**settings, "intermediate_size": 64}))
        assert self.error(own_bert) == (
            f"the weights of '{own_bert}' lack encoder.layer.0.intermediate.dense.bias and others: they are not those "
            "of the BertModel that its config.json describes"
        )

    def test_weights_without_the_pooler_lack_nothing(self, own_bert: Path) -> None:
        weights = load_file(own_bert / "model.safetensors")
        kept = {name: weight for name, weight in weights.items() if "pooler" not in name}
        assert len(kept) < len(weights)
        save_file(kept, own_bert / "model.safetensors", metadata={"format": "pt"})
        assert build(own_bert)
