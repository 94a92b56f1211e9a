"""ENDEF: its training logits and losses, and prediction by the base alone."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from zhenwei.config import Config, NetworkConfig, TfidfConfig
from zhenwei.errors import ConfigError
from zhenwei.models import DetectorNetwork, Output, Vocabulary, build_network, network_needs
from zhenwei.models.endef import ENDEF
from zhenwei.models.layers import MLP, masked_mean
from zhenwei.tokens import Batch
from zhenwei.training.loss import training_loss

MakeBatch = Callable[..., Batch]
ROWS, LABELS = [[3, 4, 5, 6], [7, 8], [9], [3, 3, 4]], [1.0, 0.0, 0.0, 1.0]
ENTITIES: list[list[int]] = [[2, 5, 3], [2, 6, 3, 7, 8, 3], [], [2, 5, 3]]
DOMAINS = [0, 1, -1, 1]
VOCABULARY = Vocabulary(20, 0, 10, domains=("a", "b"), emotion_size=2)


def build(name: str = "textcnn", **settings: Any) -> ENDEF:
    torch.manual_seed(0)
    small = {"name": name, "emb_dim": 4, "mlp_dims": [6], "dropout": 0.0, "debias": "endef"}
    config = Config.load({"model": {**small, **settings}})
    network = build_network(config.model, VOCABULARY)
    assert isinstance(network, ENDEF)
    return network


@pytest.fixture
def batch(make_batch: MakeBatch) -> Batch:
    return make_batch(ROWS, labels=LABELS, entities=ENTITIES, domains=DOMAINS)


def entity_logits(ref: Any, network: ENDEF, entities: list[list[int]]) -> list[float]:
    """Compute the entity branch, article by article: the base's embeddings, a CNN extractor, an MLP."""
    result = []
    for tokens in entities:
        features = ref.extractor(network.entity_extractor, ref.embeddings(network.base, tokens))
        result.append(float(ref.mlp(network.entity_mlp, features)[0]))
    return result


class TestTraining:
    def test_train_logits_are_nine_tenths_base_and_one_tenth_entities(self, ref: Any, batch: Batch) -> None:
        network = build().train()
        output = network(batch)
        base, entity = (
            ref.to_numpy(network.base(batch).logits),
            np.array(entity_logits(ref, network, ENTITIES)),
        )
        assert output.train_logits is not None
        np.testing.assert_allclose(ref.to_numpy(output.train_logits), 0.9 * base + 0.1 * entity, atol=1e-6)
        np.testing.assert_allclose(ref.to_numpy(output.logits), base, atol=1e-6)

    @pytest.mark.parametrize(
        "settings",
        [
            {},
            {"endef_base_weight": 0.7, "endef_entity_weight": 0.3},
            {"endef_loss_weight": 0.0},
            {"endef_loss_weight": 2.0},
            {"endef_base_weight": 0.0, "endef_entity_weight": 1.0},
        ],
        ids=str,
    )
    @pytest.mark.parametrize("weights", [[1.0, 1.0, 1.0, 1.0], [1.0, 0.0, 1.0, 0.0]])
    def test_the_loss_is_that_of_the_mix_plus_a_fifth_of_the_entity_loss(
        self, settings: dict[str, float], weights: list[float], ref: Any, batch: Batch
    ) -> None:
        network = build(**settings).train()
        batch = replace(batch, weights=torch.tensor(weights))
        n_texts = int(sum(weights))
        base, entity = ref.to_numpy(network.base(batch).logits), entity_logits(ref, network, ENTITIES)
        base_weight, entity_weight, loss_weight = (
            settings.get(f"endef_{name}_weight", default)
            for name, default in (("base", 0.9), ("entity", 0.1), ("loss", 0.2))
        )
        expected = 0.0
        for row, label in enumerate(LABELS):
            if weights[row] == 1.0:
                mixed = base_weight * base[row] + entity_weight * entity[row]
                expected += ref.cross_entropy(mixed, label) + loss_weight * ref.cross_entropy(entity[row], label)
        loss = training_loss(network(batch), batch, n_texts)
        assert loss.item() == pytest.approx(expected / n_texts, abs=1e-6)

    def test_losses_of_the_base_are_added(self, ref: Any, batch: Batch) -> None:
        network = build("eann").train()
        output = network(batch, 0.5)
        assert output.losses.keys() == {"domain", "entity"}
        domain_loss = network.base(batch, 0.5).losses["domain"].item()
        expected = domain_loss
        for row, label in enumerate(LABELS):
            assert output.train_logits is not None
            expected += ref.cross_entropy(output.train_logits[row].item(), label) / 4
            expected += 0.2 * ref.cross_entropy(entity_logits(ref, network, ENTITIES)[row], label) / 4
        assert domain_loss > 0
        assert training_loss(output, batch, 4).item() == pytest.approx(expected, abs=1e-5)

    def test_it_mixes_the_train_logits_of_the_base(self, batch: Batch) -> None:
        network = build().train()

        class Doubled(DetectorNetwork):
            """A network that trains on twice its logit."""

            def forward(self, batch: Batch, progress: float = 1.0) -> Output:
                logits = network.base(batch).logits
                return Output(logits, train_logits=2 * logits)

            def token_encoder(self) -> Any:
                return network.base.token_encoder()

        doubled = ENDEF(Doubled(), NetworkConfig(name="doubled", mlp_dims=[6], dropout=0.0))
        doubled.entity_extractor, doubled.entity_mlp = network.entity_extractor, network.entity_mlp
        plain, twice = network(batch), doubled.train()(batch)
        assert plain.train_logits is not None
        torch.testing.assert_close(twice.train_logits, plain.train_logits + 0.9 * plain.logits)

    def test_a_batch_without_entities(self, ref: Any, make_batch: MakeBatch) -> None:
        network, none = build().train(), make_batch(ROWS, labels=LABELS, entities=[[]] * 4)
        output = network(none)
        bias_alone = float(ref.mlp(network.entity_mlp, np.zeros(320))[0])
        expected = 0.2 * np.mean([ref.cross_entropy(bias_alone, label) for label in LABELS])
        assert output.losses["entity"].item() == pytest.approx(expected, abs=1e-6)
        training_loss(output, none, 4).backward()
        trained = [weight.grad for weight in network.parameters() if weight.grad is not None]
        assert all(torch.isfinite(gradient).all() for gradient in trained)

    def test_a_batch_of_one(self, make_batch: MakeBatch) -> None:
        alone = make_batch([[3]], labels=[1.0], entities=[[]])
        assert torch.isfinite(training_loss(build().train()(alone), alone, 1))

    def test_the_entity_loss_trains_the_branch_and_the_shared_embeddings(self, batch: Batch) -> None:
        network = build().train()
        network(batch).losses["entity"].backward()
        assert network.entity_mlp.layers[0].weight.grad is not None
        touched = network.base.embedding.table.weight.grad.abs().sum(dim=1) > 0  # type: ignore[union-attr]
        assert touched.nonzero().flatten().tolist() == sorted({token for row in ENTITIES for token in row})

    @pytest.mark.parametrize("name", ["bigru", "textcnn"])
    def test_max_tokens_per_step_is_that_of_the_base(self, name: str) -> None:
        network = build(name)
        assert network.max_tokens_per_step == network.base.max_tokens_per_step
        assert (network.max_tokens_per_step is None) == (name == "textcnn")

    def test_the_entity_branch_is_the_published_one_for_every_base(self) -> None:
        for network in (build("textcnn", kernels=[2], filters=3), build("bigru"), build("eann", filters=3)):
            assert network.entity_extractor.features == 320


class TestPrediction:
    def test_the_logit_is_that_of_the_base(self, batch: Batch) -> None:
        network = build().eval()
        output = network(batch)
        assert torch.equal(output.logits, network.base(batch).logits)
        assert (output.train_logits, output.losses) == (None, {})

    def test_prediction_does_not_read_entities(self, batch: Batch) -> None:
        network = build().eval()
        bare = replace(batch, entity_tokens=None, entity_mask=None, labels=None)
        assert torch.equal(network(bare).logits, network(batch).logits)

    def test_for_prediction_returns_the_base(self) -> None:
        network = build("eann")
        assert network.for_prediction() is network.base
        assert network.needs == {"domain", "entities"}
        assert network.for_prediction().needs == {"domain"}


class TestNeeds:
    @pytest.mark.parametrize(
        ("name", "own"), [("bigru", set()), ("textcnn", set()), ("eann", {"domain"}), ("mdfend", {"domain"}),
                          ("bert", set()), ("bert_emo", {"emotion"})]
    )  # fmt: skip
    def test_entities_are_needed_in_training_only(self, name: str, own: set[str]) -> None:
        plain = Config.load({"model": {"name": name}}).model
        debiased = Config.load({"model": {"name": name, "debias": "endef"}}).model
        assert network_needs(plain) == network_needs(plain, training=True) == network_needs(debiased) == own
        assert network_needs(debiased, training=True) == own | {"entities"}

    def test_a_network_for_prediction_has_no_entity_branch(self) -> None:
        config = Config.load({"model": {"name": "textcnn", "emb_dim": 4, "debias": "endef"}})
        assert not isinstance(build_network(config.model, VOCABULARY, training=False), ENDEF)

    def test_tfidf_needs_nothing(self) -> None:
        assert network_needs(TfidfConfig(), training=True) == frozenset()


class Pooled(DetectorNetwork):
    """A network without a token encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.mlp = torch.nn.Embedding(20, 4), MLP(4, [], 0.0)

    def forward(self, batch: Batch, progress: float = 1.0) -> Output:
        return Output(self.mlp(masked_mean(self.table(batch.tokens), batch.mask)))


def test_a_network_without_a_token_encoder_is_an_error() -> None:
    with pytest.raises(ConfigError) as caught:
        ENDEF(Pooled(), NetworkConfig(name="pooled", debias="endef"))
    assert str(caught.value) == (
        "model.debias: found 'endef', but 'pooled' offers no token encoder for the entity branch to share; leave it "
        "out, or return one from the network's token_encoder()"
    )
