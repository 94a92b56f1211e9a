"""The EANN detector: the domain's loss, and what the reversal makes of its gradients."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.utils import counters

from zhenwei.config import EANNConfig
from zhenwei.models import Vocabulary, build_network
from zhenwei.models.eann import EANN, reversal_strength
from zhenwei.models.layers import reverse_gradients
from zhenwei.tokens import Batch
from zhenwei.training.loop import training_loss

MakeBatch = Callable[..., Batch]
ROWS, LABELS = [[3, 4, 5, 6], [7, 8], [9], [3, 3, 4]], [1.0, 0.0, 0.0, 1.0]


def build(*, domains: tuple[str, ...] = ("a", "b", "c"), **settings: Any) -> EANN:
    torch.manual_seed(0)
    small = {"emb_dim": 4, "mlp_dims": [6], "kernels": [1, 3], "filters": 5, "dropout": 0.0}
    network = build_network(EANNConfig(**{**small, **settings}), Vocabulary(20, 0, 10, domains=domains))
    assert isinstance(network, EANN)
    return network


def domain_loss_slowly(slow: Any, network: EANN, domains: list[int], weights: list[float]) -> float:
    """The mean of -ln(share of the right domain) over the articles that have a domain and count."""
    lost = []
    for tokens, domain, weight in zip(ROWS, domains, weights, strict=True):
        if domain >= 0 and weight > 0:
            features = slow.extractor(network.extractor, slow.embedded(network, tokens))
            lost.append(-np.log(slow.softmax(slow.mlp(network.domain_mlp, features))[domain]))
    return float(np.mean(lost)) if lost else 0.0


def strength_at(progress: float) -> float:
    return reversal_strength(torch.tensor(progress)).item()


class TestStrength:
    @pytest.mark.parametrize("progress", [0.0, 0.01, 0.02, 0.05, 0.1, 0.5, 0.9, 1.0])
    def test_it_rises_from_a_tenth_to_one_as_published(self, progress: float) -> None:
        published = max(2.0 / (1.0 + math.e ** (-10.0 * progress)) - 1.0, 0.1)
        assert strength_at(progress) == pytest.approx(published)

    def test_figures(self) -> None:
        assert strength_at(0.0) == pytest.approx(0.1)
        assert strength_at(0.02) == pytest.approx(0.1)  # 0.0997 by the formula alone
        assert strength_at(0.1) == pytest.approx(0.46212, abs=1e-5)
        assert strength_at(1.0) == pytest.approx(0.99991, abs=1e-5)


class TestGradientReversal:
    def test_values_pass_and_gradients_turn_round(self) -> None:
        values = torch.randn(3, 2, requires_grad=True)
        passed = reverse_gradients(values, torch.tensor(0.7))
        assert torch.equal(passed, values)
        passed.backward(torch.ones(3, 2) * 2)
        assert values.grad is not None
        torch.testing.assert_close(values.grad, torch.full((3, 2), -1.4))


class TestForward:
    def test_the_label_is_read_off_the_features(self, slow: Any, make_batch: MakeBatch) -> None:
        network = build()
        logits = slow.array(network(make_batch(ROWS, domains=[0, 1, 2, 0])).logits)
        for row, tokens in enumerate(ROWS):
            features = slow.extractor(network.extractor, slow.embedded(network, tokens))
            np.testing.assert_allclose(logits[row], slow.mlp(network.mlp, features)[0], atol=1e-6)

    @pytest.mark.parametrize(
        ("domains", "weights"),
        [
            ([0, 1, 2, 0], [1, 1, 1, 1]),
            ([0, -1, 2, -1], [1, 1, 1, 1]),
            ([0, 1, 2, 0], [1, 1, 0, 0]),
            ([0, -1, 2, 1], [1, 1, 0, 1]),
            ([2, -1, -1, -1], [1, 1, 1, 1]),
            ([-1, -1, -1, -1], [1, 1, 1, 1]),
            ([0, -1, -1, -1], [0, 1, 1, 1]),
        ],
    )
    @pytest.mark.parametrize("weight", [1.0, 0.25, 0.0])
    def test_the_domains_loss_is_the_mean_over_known_articles_that_count(
        self, domains: list[int], weights: list[float], weight: float, slow: Any, make_batch: MakeBatch
    ) -> None:
        network = build(domain_loss_weight=weight)
        losses = network(make_batch(ROWS, domains=domains, weights=weights), 0.5).losses
        assert losses.keys() == {"domain"}
        expected = weight * domain_loss_slowly(slow, network, domains, weights)
        assert losses["domain"].item() == pytest.approx(expected, abs=1e-6)

    def test_the_progress_changes_no_value(self, make_batch: MakeBatch) -> None:
        network, batch = build(), make_batch(ROWS, domains=[0, 1, 2, 0])
        early, late = network(batch, 0.0), network(batch, 1.0)
        assert torch.equal(early.logits, late.logits)
        assert torch.equal(early.losses["domain"], late.losses["domain"])

    def test_at_prediction_nobody_asks_for_the_domain(self, make_batch: MakeBatch) -> None:
        network = build().eval()
        known, bare = network(make_batch(ROWS, domains=[0, 1, 2, 0])), network(make_batch(ROWS))
        assert torch.equal(known.logits, bare.logits)
        assert known.losses == bare.losses == {}

    def test_a_single_domain_and_a_batch_of_one(self, make_batch: MakeBatch) -> None:
        loss = build(domains=("a",))(make_batch([[3]], domains=[0])).losses["domain"]
        assert torch.isfinite(loss)


def gradients(network: nn.Module, loss: Tensor) -> dict[str, Tensor]:
    """The gradient of each weight; zeros where the loss does not depend on it."""
    network.zero_grad()
    loss.backward()
    return {
        name: torch.zeros_like(weight) if weight.grad is None else weight.grad.clone()
        for name, weight in network.named_parameters()
    }


def unreversed_domain_loss(network: EANN, batch: Batch) -> Tensor:
    """The domain's loss with nothing between features and classifier."""
    assert batch.domains is not None
    features = network.extractor(network.embedding(batch.tokens, batch.mask), batch.mask)
    known = batch.domains >= 0
    return torch.nn.functional.cross_entropy(network.domain_mlp(features)[known], batch.domains[known])


class TestGradients:
    @pytest.mark.parametrize("progress", [0.0, 0.05, 0.3, 1.0])
    @pytest.mark.parametrize("reversal", [None, 0.0, 0.6, 3.0])
    @pytest.mark.parametrize("weight", [1.0, 0.5])
    def test_features_get_the_domains_gradient_turned_round_its_classifier_as_it_is(
        self, progress: float, reversal: float | None, weight: float, make_batch: MakeBatch
    ) -> None:
        network = build(reversal=reversal, domain_loss_weight=weight).double()
        batch = make_batch(ROWS, labels=LABELS, domains=[0, 1, -1, 2])
        strength = strength_at(progress) if reversal is None else reversal
        of_domain = gradients(network, unreversed_domain_loss(network, batch))
        of_label = gradients(network, training_loss(network.eval()(batch), batch, 4))
        found = gradients(network, training_loss(network.train()(batch, progress), batch, 4))
        for name, gradient in found.items():
            turned = weight if name.startswith("domain_mlp") else -strength * weight
            torch.testing.assert_close(
                gradient, of_label[name] + turned * of_domain[name], msg=name, rtol=1e-5, atol=1e-7
            )
        assert any(of_domain[name].abs().max() > 0 for name in found if name.startswith("extractor"))

    def test_the_domains_gradient_is_that_of_finite_differences(self, make_batch: MakeBatch) -> None:
        network, batch = build(reversal=2.0).double(), make_batch(ROWS, domains=[0, 1, -1, 2])
        found = gradients(network, network(batch).losses["domain"])
        for name, factor in (("extractor.convolutions.0.weight", -2.0), ("domain_mlp.layers.0.weight", 1.0)):
            weight = network.get_parameter(name)
            place = tuple(int(n) for n in np.unravel_index(int(found[name].abs().argmax()), weight.shape))
            ends = []
            for step in (1e-2, -1e-2):  # the loss is a float32
                with torch.no_grad():
                    weight[place] += step
                    ends.append(float(network(batch).losses["domain"]))
                    weight[place] -= step
            slope = (ends[0] - ends[1]) / 2e-2
            assert float(found[name][place]) == pytest.approx(factor * slope, rel=2e-3)

    def test_where_no_domain_is_known_the_domain_moves_nothing(self, make_batch: MakeBatch) -> None:
        network, batch = build(), make_batch(ROWS, domains=[-1] * 4)
        found = gradients(network, network(batch, 1.0).losses["domain"])
        assert all((gradient == 0).all() for gradient in found.values())


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {"reversal": 0.6}, {"debias": "endef"}], ids=str)
def test_compiled_it_is_not_compiled_anew_for_each_progress(settings: dict[str, Any], make_batch: MakeBatch) -> None:
    batch = make_batch(ROWS, labels=LABELS, domains=[0, 1, -1, 2], entities=[[5], [6, 7], [], [5]])
    network = build_network(
        EANNConfig(emb_dim=4, mlp_dims=[6], kernels=[1, 3], filters=5, dropout=0.0, **settings),
        Vocabulary(20, 0, 10, domains=("a", "b", "c")),
    ).train()
    torch.compiler.reset()
    counters.clear()
    compiled = torch.compile(network, backend="aot_eager")
    for progress in (0.0, 0.1, 0.2, 0.3, 0.4, 1.0):
        found = gradients(network, training_loss(compiled(batch, progress), batch, 4))
        expected = gradients(network, training_loss(network(batch, progress), batch, 4))
        for name, gradient in found.items():
            torch.testing.assert_close(gradient, expected[name], msg=name)
    assert counters["stats"]["unique_graphs"] <= 2  # for the first progress, then for any
    assert not counters["graph_break"]
    torch.compiler.reset()
