"""The promises of every detector, whatever its network: one suite over the whole registry, plain and with ENDEF.

A detector of the registry is tested as soon as it is registered: it is built with its defaults, made small.
"""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from zhenwei.bundle import load_bundle, save_bundle
from zhenwei.bundle.card.update import updated_card
from zhenwei.config import Config, NetworkConfig
from zhenwei.models import FittedNetwork, Vocabulary, build_network
from zhenwei.models.encoders.encoder import PretrainedEncoder

from .conftest import MAX_LEN, Subject

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]  # a thousand tests

SHORTEST, LONGEST, NO_ENTITY, UNKNOWN_DOMAIN = 30, 31, 30, 31


class TestTraining:
    @pytest.mark.parametrize("progress", [0.0, 1.0])
    def test_the_loss_and_all_gradients_are_finite(self, subject: Subject, progress: float) -> None:
        loss = subject.loss(subject.batch(), progress)
        loss.backward()
        assert torch.isfinite(loss)
        for name, weight in subject.network.named_parameters():
            if weight.requires_grad:
                assert weight.grad is not None, name
                assert torch.isfinite(weight.grad).all(), name
            else:
                assert weight.grad is None, name

    @pytest.mark.parametrize("row", [SHORTEST, LONGEST, NO_ENTITY, UNKNOWN_DOMAIN])
    def test_a_batch_of_one_has_a_finite_loss_and_finite_gradients(self, subject: Subject, row: int) -> None:
        loss = subject.loss(subject.batch(row), 0.5)
        loss.backward()
        assert torch.isfinite(loss)
        trained = [weight for weight in subject.network.parameters() if weight.requires_grad]
        assert all(torch.isfinite(weight.grad).all() for weight in trained if weight.grad is not None)

    def test_it_memorizes_32_posts(self, subject: Subject) -> None:
        torch.manual_seed(0)
        batch, network = subject.batch(), subject.network
        assert batch.labels is not None
        optimizer = torch.optim.AdamW([weight for weight in network.parameters() if weight.requires_grad], lr=0.03)
        steps = 0 if isinstance(network, FittedNetwork) else 300
        for step in range(steps):
            subject.loss(batch, step / steps).backward()
            optimizer.step()
            optimizer.zero_grad()
            if step % 5 == 4 and torch.equal(subject.logits(batch) > 0, batch.labels.bool()):
                break
        assert torch.equal(subject.logits(batch) > 0, batch.labels.bool())

    def test_the_same_seed_gives_the_same_weights(self, subject: Subject) -> None:
        one, two = subject.network.state_dict(), subject.rebuild().state_dict()
        assert one.keys() == two.keys()
        assert all(torch.equal(one[name], two[name]) for name in one)

    def test_the_same_seed_gives_the_same_losses(self, subject: Subject) -> None:
        batch, losses = subject.batch(), []
        for _ in range(2):
            torch.manual_seed(1)
            losses.append(subject.loss(batch, 0.5))
        assert torch.equal(*losses)

    def test_frozen_layers_never_run_dropout(self, subject: Subject) -> None:
        encoder = getattr(
            subject.network.token_encoder(), "model", getattr(subject.network.token_encoder(), "layer", None)
        )
        if encoder is None:
            return
        subject.network.train()
        for part in encoder.modules():
            weights = list(part.parameters())
            if weights and not any(weight.requires_grad for weight in weights):
                assert not [inner for inner in part.modules() if isinstance(inner, nn.Dropout) and inner.training]
        if not any(weight.requires_grad for weight in encoder.parameters()):
            batch = subject.batch()
            token_encoder = subject.network.token_encoder()
            assert token_encoder is not None
            assert torch.equal(token_encoder(batch.tokens, batch.mask), token_encoder(batch.tokens, batch.mask))


class TestFrozenStates:
    """A batch may contain the output of the frozen layers of an encoder."""

    def test_logits_and_loss_are_the_same_with_and_without_them(self, subject: Subject) -> None:
        encoder = subject.network.token_encoder()
        if not isinstance(encoder, PretrainedEncoder) or encoder.split() is not None:
            return
        batch = subject.batch()
        states = encoder.frozen_states(batch.tokens, batch.mask)
        states = torch.where(batch.mask.unsqueeze(-1), states, 0.0)  # states of padding are not stored
        with_states = replace(batch, frozen_states=states)
        torch.testing.assert_close(subject.logits(with_states), subject.logits(batch), atol=1e-5, rtol=0)
        losses = []
        for each in (batch, with_states):
            torch.manual_seed(1)
            losses.append(subject.loss(each, 0.5))
        torch.testing.assert_close(losses[1], losses[0], atol=1e-5, rtol=0)

    def test_they_are_read(self, subject: Subject) -> None:
        encoder = subject.network.token_encoder()
        if not isinstance(encoder, PretrainedEncoder) or encoder.split() is not None:
            return
        batch = subject.batch()
        other = torch.randn(*batch.tokens.shape, encoder.features)
        assert not torch.allclose(subject.logits(replace(batch, frozen_states=other)), subject.logits(batch), atol=1e-3)


class TestPrediction:
    def test_logits_are_one_finite_number_per_article(self, subject: Subject) -> None:
        logits = subject.logits(subject.batch())
        assert logits.shape == (32,)
        assert torch.isfinite(logits).all()

    def test_padding_makes_no_difference(self, subject: Subject) -> None:
        narrow, wide = (subject.logits(subject.batch(0, 1, SHORTEST, width=width)) for width in (0, 60))
        torch.testing.assert_close(wide, narrow, atol=1e-5, rtol=0)

    def test_neighbours_make_no_difference(self, subject: Subject) -> None:
        together = subject.logits(subject.batch())
        alone = torch.cat([subject.logits(subject.batch(row)) for row in range(32)])
        torch.testing.assert_close(alone, together, atol=1e-5, rtol=0)

    def test_order_makes_no_difference(self, subject: Subject) -> None:
        onward, reverse = subject.batch(), subject.batch(*reversed(range(32)))
        torch.testing.assert_close(subject.logits(reverse).flip(0), subject.logits(onward), atol=1e-5, rtol=0)

    def test_labels_and_entities_make_no_difference(self, subject: Subject) -> None:
        batch = subject.batch()
        bare = replace(batch, labels=None, entity_tokens=None, entity_mask=None)
        assert torch.equal(subject.logits(bare), subject.logits(batch))

    @pytest.mark.parametrize("row", [SHORTEST, LONGEST])
    def test_the_shortest_and_the_longest_text_alone(self, subject: Subject, row: int) -> None:
        assert torch.isfinite(subject.logits(subject.batch(row))).all()

    def test_attention_is_a_share_of_each_real_token(self, subject: Subject) -> None:
        batch = subject.batch()
        attention = subject.network.eval()(batch).attention
        if attention is not None:
            assert attention.shape == batch.mask.shape
            assert (attention[~batch.mask] == 0).all()
            torch.testing.assert_close(attention.sum(dim=1), torch.ones(32))


@pytest.fixture(scope="session")
def saved(shared_subject: Subject, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the saved detector, read-only."""
    folder = tmp_path_factory.mktemp("saved") / "bundle"
    save_bundle(shared_subject.bundle, folder, card=updated_card(shared_subject.bundle, folder))
    return folder


class TestBundle:
    def test_logits_are_the_same_after_loading(self, subject: Subject, saved: Path) -> None:
        expected = subject.logits(subject.batch())
        subject.bundle = load_bundle(saved)
        assert not subject.network.training
        assert torch.equal(subject.logits(subject.batch()), expected)

    def test_no_file_is_a_pickle(self, saved: Path) -> None:
        assert {path.suffix for path in saved.iterdir()} == {".json", ".safetensors", ".md"}

    def test_the_entity_branch_is_not_saved(self, shared_subject: Subject, saved: Path) -> None:
        network = load_bundle(saved).network
        assert "entities" not in network.needs
        assert not [name for name in network.state_dict() if name.startswith(("base.", "entity"))]
        if isinstance(shared_subject.config.model, NetworkConfig) and shared_subject.config.model.debias:
            assert [name for name in shared_subject.network.state_dict() if name.startswith("entity")]


def test_the_suite_covers_frozen_and_trained_layers_of_one_encoder(tiny_bert: Path) -> None:
    config = Config.load({"model": {"name": "bert", "bert_model_name": str(tiny_bert), "finetune_layers": 1}})
    encoder = build_network(config.model, Vocabulary(40, 0, MAX_LEN)).train().token_encoder()
    assert isinstance(encoder, PretrainedEncoder)
    running = [name for name, part in encoder.model.named_modules() if isinstance(part, nn.Dropout) and part.training]
    assert running
    assert all(name.startswith("encoder.layer.1.") for name in running)
    trained = [name for name, weight in encoder.model.named_parameters() if weight.requires_grad]
    assert trained
    assert all(name.startswith("encoder.layer.1.") for name in trained)
