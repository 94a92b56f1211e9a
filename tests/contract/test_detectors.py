"""What every detector promises, whatever its network: one suite over the whole registry, plain and with ENDEF.

A detector of the registry is tested as soon as it is there: it is built at its defaults, made small.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from zhenwei.bundle import Bundle, load_bundle, save_bundle
from zhenwei.bundle.featurizer import LearnedFields
from zhenwei.config import Config, NetworkConfig, detector_names
from zhenwei.models import DetectorNetwork, FittedNetwork, Vocabulary, build_network, network_needs
from zhenwei.models.encoders.encoder import PretrainedEncoder
from zhenwei.news import Article
from zhenwei.tokens import Batch, EncodedArticles, collate, encode_articles, load_pretrained_tokenizer
from zhenwei.training.loop import training_loss

MAX_LEN = 40
SMALL = {"emb_dim": 16, "hidden_dim": 8, "mlp_dims": [16], "dropout": 0.1, "filters": 8, "ngram_range": [1, 3]}
EXTRAS: dict[str, dict[str, Any]] = {  # what a detector may have besides, which must keep the promises too
    "bigru": {
        "wide_share": 0.5, "ngram_sizes": [2, 3], "ngram_buckets": 50, "pooling": ["attention", "max", "mean"],
        "use_residual": True,
    },
}  # fmt: skip
DOMAINS = ("健康", "社会")
PLACES = ("云溪", "东河", "南岭", "西塘", "北川", "临江")
SHORTEST, LONGEST, NO_ENTITY, UNKNOWN_DOMAIN = 30, 31, 30, 31


def settings_of(detector: str) -> dict[str, Any]:
    """The settings of a detector and their defaults."""
    return type(Config.load({"model": {"name": detector}}).model).model_fields


def starts(detector: str) -> Iterator[dict[str, Any]]:
    """Say from which embeddings a detector may start."""
    settings = settings_of(detector)
    if "finetune_layers" in settings:
        if detector != "bert":
            yield {"use_pretrained_bert": False}
        yield from ({"use_pretrained_bert": True, "finetune_layers": layers} for layers in (0, 1, "all"))
    elif "use_pretrained_bert" in settings:
        yield {"use_pretrained_bert": False}
        yield from ({"use_pretrained_bert": True, "finetune_bert": finetune} for finetune in (False, True))
    else:
        yield {}


def cases() -> Iterator[Any]:
    """Every detector, from every start, plain and debiased."""
    for detector in detector_names():
        for start in starts(detector):
            for debias in (None, "endef") if "debias" in settings_of(detector) else (None,):
                model = {"name": detector, **start} | ({"debias": debias} if debias else {})
                yield pytest.param(model, id=" ".join(f"{key}={value}" for key, value in model.items()))
        for debias in (None, "endef") if detector in EXTRAS else ():
            yield pytest.param({"name": detector, **EXTRAS[detector], "debias": debias}, id=f"{detector} all {debias}")


@dataclass
class Subject:
    """A detector under test, and 32 posts for it."""

    config: Config
    bundle: Bundle
    encoded: EncodedArticles

    @property
    def network(self) -> DetectorNetwork:
        return self.bundle.network

    def batch(self, *rows: int, width: int = 0) -> Batch:
        chosen = np.array(rows or range(len(self.encoded)), np.int64)
        return collate(self.encoded, chosen, pad_id=self.bundle.tokenizer.pad_id, widths=[width] if width else None)

    def logits(self, batch: Batch) -> Tensor:
        with torch.inference_mode():
            logits: Tensor = self.network.eval()(batch).logits
        return logits

    def loss(self, batch: Batch, progress: float) -> Tensor:
        return training_loss(self.network.train()(batch, progress), batch, len(batch))

    def rebuilt(self) -> DetectorNetwork:
        return built(self.config, self.bundle, self.encoded)


def built(config: Config, bundle: Bundle, encoded: EncodedArticles) -> DetectorNetwork:
    """The network as a training would begin with it; one that is fitted is fitted."""
    torch.manual_seed(config.seed)
    tokenizer, learned = bundle.tokenizer, bundle.learned
    vocabulary = Vocabulary(
        tokenizer.vocab_size, tokenizer.pad_id, MAX_LEN,
        domains=learned.domain_names, emotion_size=learned.emotion_size,
    )  # fmt: skip
    network = build_network(config.model, vocabulary)
    if isinstance(network, FittedNetwork):
        network.fit(encoded, config.seed)
    network.fit_linear(encoded, config.seed)
    return network


def articles(rows: list[dict[str, Any]]) -> list[Article]:
    """Thirty posts of two domains, then the shortest one, and the longest one of an unknown domain."""
    chance = np.random.default_rng(0)
    extra = ("domain", "entity_list", "emotion")
    found = [
        Article(
            **row,
            **dict(
                zip(
                    extra,
                    (
                        DOMAINS[n // 2 % 2],
                        [name for name in PLACES if name in row["content"]],
                        chance.random(3).tolist(),
                    ),
                    strict=True,
                )
            ),
        )
        for n, row in enumerate(rows)
    ]
    found += [Article(content="。", label="real", domain="健康", entity_list=[], emotion=[0, 0, 0])]
    return [*found, Article(content="大蒜" * 100, label="fake", entity_list=["大蒜"], emotion=[1, 1, 1])]


@pytest.fixture(params=list(cases()))
def subject(
    request: pytest.FixtureRequest, tiny_bert: Path, make_posts: Callable[..., list[dict[str, Any]]]
) -> Subject:
    model = dict(request.param)
    model |= {key: value for key, value in SMALL.items() if key in settings_of(model["name"])}
    if model.get("use_pretrained_bert"):
        model["bert_model_name"] = str(tiny_bert)
    config = Config.load({"model": model, "data": {"max_len": MAX_LEN}, "seed": 3})
    tokenizer = load_pretrained_tokenizer(str(tiny_bert))
    needs = network_needs(config.model, training=True)
    encoded = encode_articles(articles(make_posts(30)), tokenizer, MAX_LEN, fields=needs, domain_names=DOMAINS)
    learned = LearnedFields(DOMAINS if "domain" in needs else (), 3 if "emotion" in needs else 0)
    bundle = Bundle(config, tokenizer, None, learned=learned)  # type: ignore[arg-type]
    bundle.network = built(config, bundle, encoded)
    return Subject(config, bundle, encoded)


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

    def test_it_learns_32_posts_by_heart(self, subject: Subject) -> None:
        torch.manual_seed(0)
        batch, network = subject.batch(), subject.network
        assert batch.labels is not None
        optimizer = torch.optim.AdamW([weight for weight in network.parameters() if weight.requires_grad], lr=0.01)
        steps = 0 if isinstance(network, FittedNetwork) else 300
        for step in range(steps):
            subject.loss(batch, step / steps).backward()
            optimizer.step()
            optimizer.zero_grad()
            if step % 20 == 19 and torch.equal(subject.logits(batch) > 0, batch.labels.bool()):
                break
        assert torch.equal(subject.logits(batch) > 0, batch.labels.bool())

    def test_the_same_seed_gives_the_same_weights(self, subject: Subject) -> None:
        one, two = subject.rebuilt().state_dict(), subject.rebuilt().state_dict()
        assert all(torch.equal(one[name], two[name]) for name in one)

    def test_the_same_seed_gives_the_same_losses(self, subject: Subject) -> None:
        batch, losses = subject.batch(), []
        for _ in range(2):
            torch.manual_seed(1)
            losses.append(subject.loss(batch, 0.5))
        assert torch.equal(*losses)

    def test_what_is_frozen_never_runs_dropout(self, subject: Subject) -> None:
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
    """What the frozen layers of an encoder gave may come with the batch."""

    def test_a_batch_that_brings_them_is_judged_and_learned_from_as_one_that_does_not(self, subject: Subject) -> None:
        encoder = subject.network.token_encoder()
        if not isinstance(encoder, PretrainedEncoder) or encoder.cut() is not None:
            return
        batch = subject.batch()
        states = encoder.frozen_states(batch.tokens, batch.mask)
        states = torch.where(batch.mask.unsqueeze(-1), states, 0.0)  # of pads nothing is kept
        bringing = replace(batch, frozen_states=states)
        torch.testing.assert_close(subject.logits(bringing), subject.logits(batch), atol=1e-5, rtol=0)
        losses = []
        for each in (batch, bringing):
            torch.manual_seed(1)
            losses.append(subject.loss(each, 0.5))
        torch.testing.assert_close(losses[1], losses[0], atol=1e-5, rtol=0)

    def test_they_are_read(self, subject: Subject) -> None:
        encoder = subject.network.token_encoder()
        if not isinstance(encoder, PretrainedEncoder) or encoder.cut() is not None:
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


class TestBundle:
    def test_it_judges_as_before_it_was_saved(self, subject: Subject, tmp_path: Path) -> None:
        expected = subject.logits(subject.batch())
        save_bundle(subject.bundle, tmp_path / "bundle")
        subject.bundle = load_bundle(tmp_path / "bundle")
        assert not subject.network.training
        assert torch.equal(subject.logits(subject.batch()), expected)

    def test_its_files_are_no_pickles(self, subject: Subject, tmp_path: Path) -> None:
        save_bundle(subject.bundle, tmp_path / "bundle")
        suffixes = {path.suffix for path in (tmp_path / "bundle").iterdir()}
        assert suffixes == {".json", ".safetensors", ".md"}

    def test_nothing_of_the_entity_branch_is_shipped(self, subject: Subject, tmp_path: Path) -> None:
        save_bundle(subject.bundle, tmp_path / "bundle")
        shipped = load_bundle(tmp_path / "bundle").network
        assert "entities" not in shipped.needs
        assert not [name for name in shipped.state_dict() if name.startswith(("base.", "entity"))]
        if isinstance(subject.config.model, NetworkConfig) and subject.config.model.debias:
            assert [name for name in subject.network.state_dict() if name.startswith("entity")]


def test_the_suite_goes_over_frozen_and_trained_layers_of_one_encoder(tiny_bert: Path) -> None:
    config = Config.load({"model": {"name": "bert", "bert_model_name": str(tiny_bert), "finetune_layers": 1}})
    encoder = build_network(config.model, Vocabulary(40, 0, MAX_LEN)).train().token_encoder()
    assert isinstance(encoder, PretrainedEncoder)
    running = [name for name, part in encoder.model.named_modules() if isinstance(part, nn.Dropout) and part.training]
    assert running
    assert all(name.startswith("encoder.layer.1.") for name in running)
    trained = [name for name, weight in encoder.model.named_parameters() if weight.requires_grad]
    assert trained
    assert all(name.startswith("encoder.layer.1.") for name in trained)
