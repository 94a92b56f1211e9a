"""The BiGRU detector: its forward pass, its switches, and the registry that builds it."""

from typing import Any

import numpy as np
import pytest
import torch

from zhenwei.config import BiGRUConfig, ModelConfig
from zhenwei.errors import ConfigError
from zhenwei.models import Vocabulary, build_network, register_network
from zhenwei.models.bigru import BiGRU
from zhenwei.tokens import Batch

VOCABULARY = Vocabulary(size=20, pad_id=0, max_len=10)
LENGTHS = [4, 2, 1]


def build(**settings: Any) -> BiGRU:
    torch.manual_seed(0)
    network = build_network(BiGRUConfig(**{"emb_dim": 6, "mlp_dims": [5], **settings}), VOCABULARY)
    assert isinstance(network, BiGRU)
    return network


def batch_of(*rows: list[int]) -> Batch:
    lengths = torch.tensor([len(row) for row in rows])
    width = int(lengths.max())
    tokens = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    mask = torch.arange(width) < lengths[:, None]
    return Batch(tokens, mask, lengths, np.arange(len(rows)), torch.ones(len(rows)))


BATCH = batch_of([3, 4, 5, 6], [7, 8], [9])


def judge_slowly(slow: Any, network: BiGRU, tokens: list[int]) -> float:
    """Judge one article alone, as the published description reads."""
    embedded = slow.embedded(network, tokens)  # [T, E]
    states = slow.bigru(network.gru, embedded)  # [T, 2H]
    mean, variance = states.mean(axis=1, keepdims=True), states.var(axis=1, keepdims=True)
    states = (states - mean) / np.sqrt(variance + 1e-5) * slow.array(network.norm.weight)
    features = slow.attention(network.attention, states + slow.array(network.norm.bias))
    if network.residual is not None:
        features = features + slow.linear(network.residual, embedded.mean(axis=0))
    return float(slow.mlp(network.mlp, features)[0])


@pytest.mark.parametrize(
    "settings",
    [{}, {"use_residual": True}, {"num_layers": 2}, {"hidden_dim": 3}, {"mlp_dims": [1]}, {"mlp_dims": [8, 4, 1]}],
    ids=str,
)
def test_it_computes_what_is_published(settings: dict[str, Any], slow: Any) -> None:
    network = build(**settings).eval()
    expected = [judge_slowly(slow, network, BATCH.tokens[row, :length].tolist()) for row, length in enumerate(LENGTHS)]
    np.testing.assert_allclose(slow.array(network(BATCH).logits), expected, atol=1e-5)


class TestOutput:
    def test_shapes(self) -> None:
        output = build(hidden_dim=3)(BATCH)
        assert output.logits.shape == (3,)
        assert output.attention is not None
        assert output.attention.shape == (3, 4)
        assert output.features is not None
        assert output.features.shape == (3, 6)
        assert (output.train_logits, output.losses) == (None, {})

    def test_attention_sums_to_1_over_real_tokens(self) -> None:
        attention = build()(BATCH).attention
        assert attention is not None
        torch.testing.assert_close(attention.sum(dim=1), torch.ones(3))
        assert (attention[~BATCH.mask] == 0).all()

    def test_a_row_of_padding_alone_gives_a_number(self) -> None:
        batch = Batch(BATCH.tokens * 0, BATCH.mask & False, BATCH.lengths * 0, BATCH.rows, BATCH.weights)
        assert torch.isfinite(build(use_residual=True).eval()(batch).logits).all()


class TestSwitches:
    def test_the_state_is_as_large_as_an_embedding_unless_set(self) -> None:
        assert build().norm.normalized_shape == (12,)
        assert build(hidden_dim=3).norm.normalized_shape == (6,)

    def test_each_layer_reads_both_directions_of_the_one_below(self) -> None:
        layers = build(num_layers=3, hidden_dim=4).gru.forward_layers
        assert [layer.input_size for layer in layers] == [6, 8, 8]

    def test_residual(self) -> None:
        assert build().residual is None
        assert build(use_residual=True).residual is not None

    @pytest.mark.parametrize("name", ["dropout", "emb_dropout"])
    def test_dropouts_act_in_training_alone(self, name: str) -> None:
        network = build(**{"dropout": 0.0, "emb_dropout": 0.0, name: 0.5})
        assert not torch.equal(network(BATCH).logits, network(BATCH).logits)
        network.eval()
        assert torch.equal(network(BATCH).logits, network(BATCH).logits)

    def test_padding_is_embedded_as_zeros(self) -> None:
        assert (build().embedding.table.weight[0] == 0).all()

    def test_from_scratch_nothing_is_pretrained(self) -> None:
        network = build()
        assert list(network.pretrained_modules()) == []
        assert network.encoder_config() is None


class TestRegistry:
    def test_a_name_is_given_once(self) -> None:
        with pytest.raises(ConfigError, match="a network named 'bigru' is registered already"):
            register_network("bigru", lambda config, vocabulary: build())

    def test_settings_without_a_network_are_refused(self) -> None:
        with pytest.raises(ConfigError, match=r"model\.name: found 'lstm'; expected one of: .*bigru"):
            build_network(ModelConfig(name="lstm"), VOCABULARY)

    def test_a_network_can_be_added(self) -> None:
        def factory(config: ModelConfig, vocabulary: Vocabulary) -> BiGRU:
            return build()

        register_network("test-only", factory)
        assert isinstance(build_network(ModelConfig(name="test-only"), VOCABULARY), BiGRU)
