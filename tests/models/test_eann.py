"""The EANN detector: the domain loss and the gradient reversal."""

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
from zhenwei.training.loss import training_loss

MakeBatch = Callable[..., Batch]
ROWS, LABELS = [[3, 4, 5, 6], [7, 8], [9], [3, 3, 4]], [1.0, 0.0, 0.0, 1.0]


def build(*, domains: tuple[str, ...] = ("a", "b", "c"), **settings: Any) -> EANN:
    torch.manual_seed(0)
    small = {"emb_dim": 4, "mlp_dims": [6], "kernels": [1, 3], "filters": 5, "dropout": 0.0}
    network = build_network(EANNConfig(**{**small, **settings}), Vocabulary(20, 0, 10, domains=domains))
    assert isinstance(network, EANN)
    return network


def reference_domain_loss(ref: Any, network: EANN, domains: list[int], weights: list[float]) -> float:
    """Return the mean of -ln(probability of the domain) over articles of known domain and weight 1."""
    lost = []
    for tokens, domain, weight in zip(ROWS, domains, weights, strict=True):
        if domain >= 0 and weight > 0:
            features = ref.extractor(network.extractor, ref.embeddings(network, tokens))
            lost.append(-np.log(ref.softmax(ref.mlp(network.domain_mlp, features))[domain]))
    return float(np.mean(lost)) if lost else 0.0


def strength_at(progress: float) -> float:
    return reversal_strength(torch.tensor(progress)).item()


class TestStrength:
    @pytest.mark.parametrize("progress", [0.0, 0.01, 0.02, 0.05, 0.1, 0.5, 0.9, 1.0])
    def test_it_equals_the_published_schedule(self, progress: float) -> None:
        published = max(2.0 / (1.0 + math.e ** (-10.0 * progress)) - 1.0, 0.1)
        assert strength_at(progress) == pytest.approx(published)

    def test_figures(self) -> None:
        assert strength_at(0.0) == pytest.approx(0.1)
        assert strength_at(0.02) == pytest.approx(0.1)  # 0.0997 by the formula alone
        assert strength_at(0.1) == pytest.approx(0.46212, abs=1e-5)
        assert strength_at(1.0) == pytest.approx(0.99991, abs=1e-5)


class TestGradientReversal:
    def test_values_pass_and_gradients_are_reversed(self) -> None:
        values = torch.randn(3, 2, requires_grad=True)
        passed = reverse_gradients(values, torch.tensor(0.7))
        assert torch.equal(passed, values)
        passed.backward(torch.ones(3, 2) * 2)
        assert values.grad is not None
        torch.testing.assert_close(values.grad, torch.full((3, 2), -1.4))


class TestForward:
    def test_logits_equal_a_numpy_reference(self, ref: Any, make_batch: MakeBatch) -> None:
        network = build()
        logits = ref.to_numpy(network(make_batch(ROWS, domains=[0, 1, 2, 0])).logits)
        for row, tokens in enumerate(ROWS):
            features = ref.extractor(network.extractor, ref.embeddings(network, tokens))
            np.testing.assert_allclose(logits[row], ref.mlp(network.mlp, features)[0], atol=1e-6)

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
    def test_the_domain_loss_is_the_mean_over_weighted_articles_of_known_domain(
        self, domains: list[int], weights: list[float], weight: float, ref: Any, make_batch: MakeBatch
    ) -> None:
        network = build(domain_loss_weight=weight)
        losses = network(make_batch(ROWS, domains=domains, weights=weights), 0.5).losses
        assert losses.keys() == {"domain"}
        expected = weight * reference_domain_loss(ref, network, domains, weights)
        assert losses["domain"].item() == pytest.approx(expected, abs=1e-6)

    def test_progress_changes_gradients_only(self, make_batch: MakeBatch) -> None:
        network, batch = build(), make_batch(ROWS, domains=[0, 1, 2, 0])
        early, late = network(batch, 0.0), network(batch, 1.0)
        assert torch.equal(early.logits, late.logits)
        assert torch.equal(early.losses["domain"], late.losses["domain"])

    def test_prediction_does_not_read_the_domain(self, make_batch: MakeBatch) -> None:
        network = build().eval()
        known, bare = network(make_batch(ROWS, domains=[0, 1, 2, 0])), network(make_batch(ROWS))
        assert torch.equal(known.logits, bare.logits)
        assert known.losses == bare.losses == {}

    def test_a_single_domain_and_a_batch_of_one(self, make_batch: MakeBatch) -> None:
        loss = build(domains=("a",))(make_batch([[3]], domains=[0])).losses["domain"]
        assert torch.isfinite(loss)


def gradients(network: nn.Module, loss: Tensor) -> dict[str, Tensor]:
    """Return the gradient of each weight; zeros where the loss does not depend on it."""
    network.zero_grad()
    loss.backward()
    return {
        name: torch.zeros_like(weight) if weight.grad is None else weight.grad.clone()
        for name, weight in network.named_parameters()
    }


def unreversed_domain_loss(network: EANN, batch: Batch) -> Tensor:
    """Return the domain loss without gradient reversal."""
    assert batch.domains is not None
    features = network.extractor(network.embedding(batch.tokens, batch.mask), batch.mask)
    known = batch.domains >= 0
    return torch.nn.functional.cross_entropy(network.domain_mlp(features)[known], batch.domains[known])


class TestGradients:
    @pytest.mark.parametrize("progress", [0.0, 0.05, 0.3, 1.0])
    @pytest.mark.parametrize("reversal", [None, 0.0, 0.6, 3.0])
    @pytest.mark.parametrize("weight", [1.0, 0.5])
    def test_the_domain_gradient_of_features_is_reversed(
        self, progress: float, reversal: float | None, weight: float, make_batch: MakeBatch
    ) -> None:
        network = build(reversal=reversal, domain_loss_weight=weight).double()
        batch = make_batch(ROWS, labels=LABELS, domains=[0, 1, -1, 2])
        strength = strength_at(progress) if reversal is None else reversal
        domain_gradients = gradients(network, unreversed_domain_loss(network, batch))
        label_gradients = gradients(network, training_loss(network.eval()(batch), batch, 4))
        result = gradients(network, training_loss(network.train()(batch, progress), batch, 4))
        for name, gradient in result.items():
            turned = weight if name.startswith("domain_mlp") else -strength * weight
            torch.testing.assert_close(
                gradient, label_gradients[name] + turned * domain_gradients[name], msg=name, rtol=1e-5, atol=1e-7
            )
        assert any(domain_gradients[name].abs().max() > 0 for name in result if name.startswith("extractor"))

    def test_the_domain_gradient_equals_finite_differences(self, make_batch: MakeBatch) -> None:
        network, batch = build(reversal=2.0).double(), make_batch(ROWS, domains=[0, 1, -1, 2])
        result = gradients(network, network(batch).losses["domain"])
        for name, factor in (("extractor.convolutions.0.weight", -2.0), ("domain_mlp.layers.0.weight", 1.0)):
            weight = network.get_parameter(name)
            index = tuple(int(n) for n in np.unravel_index(int(result[name].abs().argmax()), weight.shape))
            ends = []
            for step in (1e-2, -1e-2):  # the loss is a float32
                with torch.no_grad():
                    weight[index] += step
                    ends.append(float(network(batch).losses["domain"]))
                    weight[index] -= step
            slope = (ends[0] - ends[1]) / 2e-2
            assert float(result[name][index]) == pytest.approx(factor * slope, rel=2e-3)

    def test_unknown_domains_give_zero_gradients(self, make_batch: MakeBatch) -> None:
        network, batch = build(), make_batch(ROWS, domains=[-1] * 4)
        result = gradients(network, network(batch, 1.0).losses["domain"])
        assert all((gradient == 0).all() for gradient in result.values())


@pytest.mark.nightly
@pytest.mark.parametrize(
    "settings",
    [{}, {"reversal": 0.6}, {"debias": "endef"}],
    ids=str,
)
def test_progress_does_not_trigger_recompilation(settings: dict[str, Any], make_batch: MakeBatch) -> None:
    batch = make_batch(ROWS, labels=LABELS, domains=[0, 1, -1, 2], entities=[[5], [6, 7], [], [5]])
    network = build_network(
        EANNConfig(emb_dim=4, mlp_dims=[6], kernels=[1, 3], filters=5, dropout=0.0, **settings),
        Vocabulary(20, 0, 10, domains=("a", "b", "c")),
    ).train()
    torch.compiler.reset()
    counters.clear()
    compiled = torch.compile(network, backend="aot_eager")
    for progress in (0.0, 0.1, 0.2, 0.3, 0.4, 1.0):
        result = gradients(network, training_loss(compiled(batch, progress), batch, 4))
        expected = gradients(network, training_loss(network(batch, progress), batch, 4))
        for name, gradient in result.items():
            torch.testing.assert_close(gradient, expected[name], msg=name)
    assert counters["stats"]["unique_graphs"] <= 2  # for the first progress, then for any
    assert not counters["graph_break"]
    torch.compiler.reset()
