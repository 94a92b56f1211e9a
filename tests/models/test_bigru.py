"""The BiGRU detector: its forward pass and its settings."""

from typing import Any

import numpy as np
import pytest
import torch
from tests.models.gru.test_input_projection import MASK, tokens

from zhenwei.config import BiGRUConfig
from zhenwei.errors import ConfigError, DataError
from zhenwei.models import Vocabulary, bigru, build_network
from zhenwei.models.bigru import BiGRU
from zhenwei.models.endef import ENDEF
from zhenwei.models.gru.bigru_layer import MaskedBiGRU
from zhenwei.models.linear.ngram_embedding import _FACTORS as FACTORS
from zhenwei.models.linear.ngram_embedding import _PRIME as PRIME
from zhenwei.models.linear.ngram_embedding import NgramEmbedding
from zhenwei.tokens import Batch, EncodedArticles
from zhenwei.tokens.ragged import RaggedInts

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


def reference_ngrams(ref: Any, ngrams: NgramEmbedding, tokens: list[int]) -> Any:
    """Embed the n-grams that end at each token, with Python integers."""
    rows = []
    for position in range(len(tokens)):
        total = np.zeros(ngrams.tables[0].weight.shape[1])
        for size, table in zip(ngrams.sizes, ngrams.tables, strict=True):
            previous = [tokens[position - step] + 1 if step <= position else 0 for step in range(size)]
            bucket = (
                sum(token * factor for token, factor in zip(previous, FACTORS, strict=False)) % PRIME % ngrams.buckets
            )
            total += ref.to_numpy(table.weight)[bucket]
        rows.append(ref.to_numpy(ngrams.projection.weight) @ total)
    return np.array(rows)


def reference_logit(ref: Any, network: BiGRU, tokens: list[int]) -> float:
    """Compute the logit of one article."""
    embedded = ref.embeddings(network, tokens)  # [T, E]
    if network.ngrams is not None:
        embedded = embedded + reference_ngrams(ref, network.ngrams, tokens)
    states = ref.bigru(network.gru, embedded)  # [T, 2H]
    mean, variance = states.mean(axis=1, keepdims=True), states.var(axis=1, keepdims=True)
    states = (states - mean) / np.sqrt(variance + 1e-5) * ref.to_numpy(network.norm.weight)
    states = states + ref.to_numpy(network.norm.bias)
    pools = {
        "attention": lambda: ref.attention(network.attention, states),
        "max": lambda: states.max(axis=0),
        "mean": lambda: states.mean(axis=0),
    }
    features = np.concatenate([pools[kind]() for kind in network.pooling])
    if network.residual is not None:
        features = features + ref.linear(network.residual, embedded.mean(axis=0))
    return float(ref.mlp(network.mlp, features)[0])


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"use_residual": True},
        {"num_layers": 2},
        {"hidden_dim": 3},
        {"mlp_dims": [1]},
        {"mlp_dims": [8, 4, 1]},
        {"pooling": ["max"]},
        {"pooling": ["attention", "max", "mean"], "use_residual": True},
        {"ngram_sizes": [2], "ngram_buckets": 7},
        {"ngram_sizes": [3, 2], "ngram_dim": 4},
    ],
    ids=str,
)
def test_logits_equal_a_numpy_reference(settings: dict[str, Any], ref: Any) -> None:
    network = build(**settings).eval()
    expected = [
        reference_logit(ref, network, BATCH.tokens[row, :length].tolist()) for row, length in enumerate(LENGTHS)
    ]
    np.testing.assert_allclose(ref.to_numpy(network(BATCH).logits), expected, atol=1e-5)


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

    def test_a_row_of_padding_gives_a_finite_logit(self) -> None:
        batch = Batch(BATCH.tokens * 0, BATCH.mask & False, BATCH.lengths * 0, BATCH.rows, BATCH.weights)
        assert torch.isfinite(build(use_residual=True).eval()(batch).logits).all()


class TestSwitches:
    def test_hidden_dim_defaults_to_emb_dim(self) -> None:
        assert build().norm.normalized_shape == (12,)
        assert build(hidden_dim=3).norm.normalized_shape == (6,)

    def test_each_layer_reads_both_directions_of_the_previous_one(self) -> None:
        layers = build(num_layers=3, hidden_dim=4).gru.forward_layers
        assert [layer.input_size for layer in layers] == [6, 8, 8]

    def test_residual(self) -> None:
        assert build().residual is None
        assert build(use_residual=True).residual is not None

    @pytest.mark.parametrize("name", ["dropout", "emb_dropout"])
    def test_dropout_is_active_in_training_only(self, name: str) -> None:
        network = build(**{"dropout": 0.0, "emb_dropout": 0.0, name: 0.5})
        assert not torch.equal(network(BATCH).logits, network(BATCH).logits)
        network.eval()
        assert torch.equal(network(BATCH).logits, network(BATCH).logits)

    def test_factored_embeddings_give_the_gradients_of_dense_ones(self, monkeypatch: pytest.MonkeyPatch) -> None:
        network = build(dropout=0.0).train()
        batch = batch_of([3, 4, 3, 3], [4, 8], [3])
        network(batch).logits.square().sum().backward()
        table = network.get_submodule("embedding.table").weight
        factored, table.grad = table.grad, None
        monkeypatch.setattr(type(network.embedding), "factorize", lambda _self, _tokens: None)
        network(batch).logits.square().sum().backward()
        assert factored.any()
        torch.testing.assert_close(factored, table.grad, atol=1e-7, rtol=1e-4)

    def test_padding_is_embedded_as_zeros(self) -> None:
        assert (build().embedding.table.weight[0] == 0).all()

    def test_a_network_from_scratch_has_no_pretrained_modules(self) -> None:
        network = build()
        assert list(network.pretrained_modules()) == []
        assert network.encoder_config() is None


def articles_of(rows: list[list[int]], labels: list[int]) -> EncodedArticles:
    lengths = np.array([len(row) for row in rows])
    return EncodedArticles(
        tokens=RaggedInts(np.concatenate(rows).astype(np.int32), np.concatenate([[0], np.cumsum(lengths)])),
        words=np.zeros(int(lengths.sum()), np.int32),
        labels=np.array(labels, np.float32),
        truncated=np.zeros(len(rows), np.bool_),
    )


class TestWidePath:
    """A linear model of n-grams whose logit is mixed in at prediction."""

    TRAIN = articles_of([[3, 4, 5], [3, 4, 7], [9, 8, 5], [9, 8, 7]] * 3, [1, 1, 0, 0] * 3)

    def fitted(self, **settings: Any) -> BiGRU:
        network = build(**{"wide_share": 0.75, "dropout": 0.0, **settings})
        network.fit_linear(self.TRAIN, seed=1)
        return network

    def test_its_logit_is_mixed_in_at_prediction(self) -> None:
        network = self.fitted().eval()
        assert network.wide is not None
        wide, joined = network.wide.logits(BATCH), network(BATCH).logits
        network.wide = None
        torch.testing.assert_close(joined, 0.75 * wide + 0.25 * network(BATCH).logits)
        assert wide[0] > 0 > wide[2]  # 3 and 4 are in fakes, 9 in real ones

    def test_training_ignores_it(self) -> None:
        network = self.fitted().train()
        logits = network(BATCH).logits
        logits.sum().backward()
        assert network.wide is not None
        assert network.wide.weight.grad is None
        assert not network.wide.weight.requires_grad
        network.wide = None
        assert torch.equal(logits, network(BATCH).logits)

    def test_its_weights_are_loaded_whatever_their_size(self) -> None:
        network, other = self.fitted().eval(), build(wide_share=0.75)
        other.load_state_dict(network.state_dict())
        assert other.wide is not None
        assert not other.wide.weight.requires_grad
        assert torch.equal(other.eval()(BATCH).logits, network(BATCH).logits)

    def test_the_error_of_too_few_n_grams_names_no_setting(self) -> None:
        network = build(wide_share=0.5, wide_ngram_range=[3, 3])
        with pytest.raises(DataError, match=r"n-grams of the training articles is in 2 of them: there is nothing"):
            network.fit_linear(articles_of([[3, 4, 5], [6, 7, 8]], [1, 0]), seed=1)

    @pytest.mark.parametrize("debias", ["none", "endef"])
    def test_open_hyperparameters_are_tuned(self, debias: str) -> None:
        network = build(wide_share=0.5)
        combined = network if debias == "none" else ENDEF(network, BiGRUConfig(emb_dim=6, debias="endef"))
        rows = np.arange(len(self.TRAIN))
        assert combined.needs_tuning
        combined.tune(self.TRAIN, [(rows[:8], rows[8:])], 1)
        assert network.wide is not None
        assert network.wide.tuned is not None
        assert not build(wide_share=0.5, wide_naive_bayes=0.5, wide_c=30).needs_tuning
        assert not build().needs_tuning

    def test_too_long_n_grams_are_an_error_that_names_the_setting(self) -> None:
        with pytest.raises(ConfigError, match=r"model\.wide_ngram_range: found \[1, 30\] and a vocabulary of 20"):
            build(wide_share=0.5, wide_ngram_range=[1, 30])


class TestPredictionInChunks:
    @pytest.mark.parametrize(
        "settings", [{}, {"pooling": ["max", "mean"]}, {"use_residual": True, "ngram_sizes": [2]}, {"num_layers": 2}]
    )
    def test_chunks_give_the_output_of_single_articles(
        self, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        chance = np.random.default_rng(0)
        rows = [chance.integers(1, 20, size).tolist() for size in chance.integers(1, 11, 40)]
        network, batch = build(**settings).eval(), batch_of(*rows)
        with torch.inference_mode():
            combined = network(batch)
            monkeypatch.setattr(bigru, "CHUNK", 16)
            parts = network(batch)
            alone = torch.cat([network(batch_of(row)).logits for row in rows])
        torch.testing.assert_close(parts.logits, alone, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(parts.features, combined.features, atol=1e-5, rtol=1e-5)
        if combined.attention is None:
            assert parts.attention is None
        else:
            torch.testing.assert_close(parts.attention, combined.attention, atol=1e-6, rtol=1e-5)

    def test_batches_with_gradients_are_not_chunked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bigru, "CHUNK", 16)
        network = build().eval()
        network(batch_of(*([3, 4, 5] for _ in range(40)))).logits.sum().backward()
        assert all(weight.grad is not None for weight in network.gru.parameters())

    def test_chunks_share_input_projections(self) -> None:
        parts = tokens(placed=True, scaled=True, shifted=True)
        gru = MaskedBiGRU(16, 8, 1, dropout=0.0)
        with torch.inference_mode():
            expected, projected = gru(parts, MASK), gru.project_inputs(parts)
            for rows in (torch.tensor([0, 3, 7]), torch.tensor([2, 4, 5, 1])):
                width = int(MASK[rows].sum(dim=1).max())
                states = gru(parts.select(rows, width), MASK[rows, :width], projected)
                torch.testing.assert_close(states, expected[rows, :width], atol=1e-6, rtol=1e-5)
