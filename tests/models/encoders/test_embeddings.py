"""BERT's embedding layer in a detector."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.models.test_bigru import batch_of
from torch import Tensor
from transformers import BertModel, GPT2Config, GPT2Model, RobertaConfig, RobertaModel

from zhenwei.bundle import Bundle, load_bundle, save_bundle
from zhenwei.config import BiGRUConfig, Config
from zhenwei.errors import PretrainedModelError
from zhenwei.models import Vocabulary, build_network
from zhenwei.models.bigru import BiGRU
from zhenwei.models.encoders.embeddings import PretrainedEmbedding
from zhenwei.tokens import Batch, load_pretrained_tokenizer

TOKENS = torch.tensor([[2, 6, 7, 8, 3], [2, 9, 3, 0, 0]])


def build(folder: Path, *, size: int = 50, max_len: int = 60, **settings: Any) -> BiGRU:
    settings = {"emb_dim": 16, "hidden_dim": 4, "mlp_dims": [4], **settings}
    config = BiGRUConfig(use_pretrained_bert=True, bert_model_name=str(folder), **settings)
    network = build_network(config, Vocabulary(size, 0, max_len))
    assert isinstance(network, BiGRU)
    return network


def layer_of(network: BiGRU) -> PretrainedEmbedding:
    assert isinstance(network.embedding, PretrainedEmbedding)
    return network.embedding


@pytest.fixture
def own_bert(tiny_bert: Path, tmp_path: Path) -> Path:
    """Return a copy of the tiny BERT, for one test."""
    return Path(shutil.copytree(tiny_bert, tmp_path / "bert"))


class TestLayer:
    def test_it_equals_the_embeddings_of_bert(self, tiny_bert: Path) -> None:
        bert = BertModel.from_pretrained(tiny_bert).eval()
        assert torch.equal(layer_of(build(tiny_bert).eval())(TOKENS), bert.embeddings(TOKENS))

    def test_no_other_weights_of_the_bert_are_loaded(self, tiny_bert: Path) -> None:
        names = {
            name.removeprefix("embedding.layer.") for name, _ in layer_of(build(tiny_bert)).layer.named_parameters()
        }
        assert names == {
            "word_embeddings.weight",
            "position_embeddings.weight",
            "token_type_embeddings.weight",
            "LayerNorm.weight",
            "LayerNorm.bias",
        }
        network = build(tiny_bert)
        assert not [name for name in network.state_dict() if "encoder" in name or "pooler" in name]

    def test_loading_prints_nothing(self, tiny_bert: Path, capfd: pytest.CaptureFixture[str]) -> None:
        build(tiny_bert)
        assert capfd.readouterr() == ("", "")

    def test_the_encoder_config_does_not_contain_the_folder(self, tiny_bert: Path) -> None:
        assert str(tiny_bert) not in json.dumps(build(tiny_bert).encoder_config())

    def test_a_roberta_counts_positions_after_its_padding(self, tmp_path: Path) -> None:
        config = RobertaConfig(
            vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, max_position_embeddings=34
        )
        bert = RobertaModel(config).eval()
        bert.save_pretrained(tmp_path)
        network = build_network(
            BiGRUConfig(emb_dim=16, use_pretrained_bert=True, bert_model_name=str(tmp_path)), Vocabulary(50, 1, 32)
        ).eval()
        tokens = torch.tensor([[0, 5, 6, 2], [0, 7, 2, 1]])
        assert isinstance(network, BiGRU)
        assert torch.equal(network.embedding(tokens), bert.embeddings(tokens))
        with pytest.raises(PretrainedModelError, match=r"data\.max_len: found 33; .* has only 32 positions"):
            build(tmp_path, max_len=33)


def roberta(folder: Path) -> BiGRU:
    config = RobertaConfig(
        vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, max_position_embeddings=34
    )
    RobertaModel(config).save_pretrained(folder)
    return build(folder, max_len=32)


def randomized(network: BiGRU) -> BiGRU:
    """Randomize the norm, as in a trained layer."""
    norm = layer_of(network).layer.get_submodule("LayerNorm")
    for weight in norm.parameters():
        torch.nn.init.uniform_(weight.data, -1, 1)
    return network


class TestFactorize:
    """Embeddings in factored form."""

    @pytest.mark.parametrize("kind", ["bert", "roberta"])
    @pytest.mark.parametrize("mixed", [False, True])
    def test_factors_give_the_output_of_the_layer(
        self, kind: str, mixed: bool, tiny_bert: Path, tmp_path: Path
    ) -> None:
        embedding = layer_of(randomized(build(tiny_bert) if kind == "bert" else roberta(tmp_path)).eval())
        tokens = torch.tensor([[2, 6, 7, 8, 3], [2, 9, 3, 6, 6]])
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            factored = embedding.factorize(tokens)
        assert factored is not None
        assert factored.unique.shape == (6, 16)
        torch.testing.assert_close(factored.dense(), embedding(tokens), atol=1e-5, rtol=1e-4)

    def test_a_roberta_with_padding_before_a_token_has_no_factors(self, tmp_path: Path) -> None:
        """Its positions count real tokens only."""
        embedding = layer_of(roberta(tmp_path).eval())
        assert embedding.factorize(torch.tensor([[0, 5, 2, 1, 1]])) is not None
        assert embedding.factorize(torch.tensor([[0, 1, 5, 2, 1]])) is None

    def test_a_layer_with_another_output_has_no_factors(self, tiny_bert: Path) -> None:
        embedding = layer_of(build(tiny_bert).eval())
        embedding.layer.register_forward_hook(lambda _layer, _inputs, outputs: outputs + 0.1)
        assert embedding.factorize(TOKENS) is None

    def test_a_layer_without_a_norm_has_no_factors(self, tiny_bert: Path) -> None:
        embedding = layer_of(build(tiny_bert).eval())
        embedding.layer.LayerNorm = torch.nn.Identity()
        assert embedding.factorize(TOKENS) is None

    def test_trained_layers_and_dropout_have_no_factors(self, tiny_bert: Path) -> None:
        assert layer_of(build(tiny_bert, finetune_bert=True).eval()).factorize(TOKENS) is None
        dropped = layer_of(build(tiny_bert, emb_dropout=0.5).train())
        assert dropped.factorize(TOKENS) is None
        assert dropped.eval().factorize(TOKENS) is not None

    def test_logits_and_gradients_equal_those_of_dense_embeddings(
        self, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        network = randomized(build(tiny_bert, dropout=0.0)).train()
        batch = batch_of([2, 6, 7, 8, 3], [2, 9, 3])
        logits, grads = gradients_of(network, batch)
        monkeypatch.setattr(PretrainedEmbedding, "factorize", lambda _self, _tokens: None)
        expected_logits, expected = gradients_of(network, batch)
        torch.testing.assert_close(logits, expected_logits, atol=1e-6, rtol=1e-5)
        for name, grad in grads.items():
            torch.testing.assert_close(grad, expected[name], atol=1e-6, rtol=1e-4, msg=name)


def gradients_of(network: BiGRU, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    network.zero_grad()
    logits = network(batch).logits
    logits.square().sum().backward()
    return logits.detach(), {
        name: weight.grad.clone() for name, weight in network.named_parameters() if weight.grad is not None
    }


class TestFrozen:
    def test_it_gets_no_gradients(self, tiny_bert: Path) -> None:
        embedding = layer_of(build(tiny_bert).train())
        assert not any(weight.requires_grad for weight in embedding.parameters())
        assert not embedding(TOKENS).requires_grad

    def test_its_own_dropout_is_never_active(self, tiny_bert: Path) -> None:
        embedding = layer_of(build(tiny_bert).train())
        assert torch.equal(embedding(TOKENS), embedding(TOKENS))

    def test_emb_dropout_is_active_in_training(self, tiny_bert: Path) -> None:
        embedding = layer_of(build(tiny_bert, emb_dropout=0.5).train())
        assert not torch.equal(embedding(TOKENS), embedding(TOKENS))


class TestFinetuned:
    def test_it_gets_gradients(self, tiny_bert: Path) -> None:
        network = build(tiny_bert, finetune_bert=True).train()
        layer_of(network)(TOKENS).sum().backward()
        assert all(weight.grad is not None for weight in layer_of(network).parameters())

    def test_its_own_dropout_is_active_in_training_only(self, tiny_bert: Path) -> None:
        embedding = layer_of(build(tiny_bert, finetune_bert=True).train())
        assert not torch.equal(embedding(TOKENS), embedding(TOKENS))
        embedding.eval()
        assert torch.equal(embedding(TOKENS), embedding(TOKENS))

    def test_it_counts_as_pretrained(self, tiny_bert: Path) -> None:
        network = build(tiny_bert, finetune_bert=True)
        assert list(network.pretrained_modules()) == [layer_of(network).layer]


class TestBundle:
    def test_a_bundle_does_not_need_the_bert(self, own_bert: Path, tmp_path: Path) -> None:
        settings = {"model": {"emb_dim": 16, "use_pretrained_bert": True, "bert_model_name": str(own_bert)}}
        config = Config.load(settings, ["data.max_len=60"])
        tokenizer = load_pretrained_tokenizer(str(own_bert))
        network = build_network(config.model, Vocabulary(tokenizer.vocab_size, tokenizer.pad_id, 60)).eval()
        save_bundle(Bundle(config, tokenizer, network), tmp_path / "bundle")
        shutil.rmtree(own_bert)
        again = load_bundle(tmp_path / "bundle").network
        assert isinstance(network, BiGRU)
        assert isinstance(again, BiGRU)
        assert torch.equal(again.embedding(TOKENS), network.embedding(TOKENS))
        saved = load_file(tmp_path / "bundle" / "model.safetensors")
        assert not [name for name in saved if "encoder" in name or "pooler" in name]


class TestErrors:
    def error(self, folder: Path, **settings: Any) -> str:
        with pytest.raises(PretrainedModelError) as caught:
            build(folder, **settings)
        return str(caught.value)

    def test_another_size_of_embedding(self, tiny_bert: Path) -> None:
        message = self.error(tiny_bert, emb_dim=32)
        assert message == f"model.emb_dim: found 32; '{tiny_bert}' has embeddings of size 16: set that"

    def test_texts_longer_than_its_positions(self, tiny_bert: Path) -> None:
        assert "data.max_len: found 65" in self.error(tiny_bert, max_len=65)

    def test_a_tokenizer_of_more_entries(self, tiny_bert: Path) -> None:
        message = self.error(tiny_bert, size=1000)
        assert "has 1000 entries" in message
        assert "expected the tokenizer that the model was trained with" in message

    def test_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        assert "there is no folder" in self.error(tmp_path / "none")

    def test_a_name_without_a_local_copy(self) -> None:
        message = self.error(Path("nobody/no-such-bert"))
        assert "hf download nobody/no-such-bert --local-dir DIR" in message
        assert "model.use_pretrained_bert to false" in message

    def test_a_folder_without_weights(self, own_bert: Path) -> None:
        (own_bert / "model.safetensors").unlink()
        assert "expected config.json and model.safetensors of an encoder" in self.error(own_bert)

    def test_damaged_weights(self, own_bert: Path) -> None:
        weights = own_bert / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:500])
        assert f"the folder {own_bert} holds no model that can be read" in self.error(own_bert)

    def test_weights_of_another_model_are_an_error(self, own_bert: Path) -> None:
        save_file({"x": torch.ones(3)}, own_bert / "model.safetensors", metadata={"format": "pt"})
        message = self.error(own_bert)
        assert "lack embeddings.LayerNorm.bias and others" in message
        assert "not those of the BertModel that its config.json describes" in message

    def test_a_decoder(self, tmp_path: Path) -> None:
        config = GPT2Config(vocab_size=50, n_embd=16, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0)
        GPT2Model(config).save_pretrained(tmp_path)
        assert "(GPT2Model) has no embedding layer like BERT's; expected an encoder" in self.error(tmp_path)

    def test_the_error_of_a_pickle_has_the_command_that_converts_it(self, own_bert: Path) -> None:
        torch.save(load_file(own_bert / "model.safetensors"), own_bert / "pytorch_model.bin")
        (own_bert / "model.safetensors").unlink()
        message = self.error(own_bert)
        assert "holds its weights as a pickle, which may run code when it is read" in message
        command = re.search(r'python -c "(.*)"', message)
        assert command is not None
        exec(command[1])
        assert build(own_bert)
