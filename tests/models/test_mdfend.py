"""The MDFEND detector: its whole forward pass, article by article, and whose domain it looks at when."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from zhenwei.config import MDFENDConfig
from zhenwei.models import Vocabulary, build_network
from zhenwei.models.mdfend import MDFEND
from zhenwei.tokens import Batch

MakeBatch = Callable[..., Batch]
ROWS = [[3, 4, 5, 6], [7, 8], [9], [3, 3, 4]]
DOMAINS, UNKNOWN = [2, 0, 1, -1], -1


def build(*, domains: tuple[str, ...] = ("a", "b", "c"), **settings: Any) -> MDFEND:
    torch.manual_seed(0)
    small = {"emb_dim": 4, "mlp_dims": [6], "kernels": [1, 3], "filters": 5, "n_experts": 3, "dropout": 0.0}
    config = MDFENDConfig(use_pretrained_bert=False, **{**small, **settings})
    network = build_network(config, Vocabulary(20, 0, 10, domains=domains), training=False)
    assert isinstance(network, MDFEND)
    return network


def judge_slowly(slow: Any, network: MDFEND, tokens: list[int], domain: int | None, n_experts: int = 3) -> float:
    """Judge one article as the paper reads: gate = softmax(MLP([domain, pooled text])), experts, sum, MLP.

    Args:
        domain: Its domain's number; None: the mean of all domain embeddings.
    """
    encoded = slow.embedded(network, tokens)
    pooled = slow.attention(network.attention, encoded)
    embeddings = slow.array(network.domain_embedding.weight)
    of_domain = sum(embeddings) / len(embeddings) if domain is None else embeddings[domain]
    gate = slow.softmax(slow.mlp(network.gate, np.concatenate([of_domain, pooled])))
    features: NDArray[np.float64] = np.zeros(0)
    experts = [expert_slowly(slow, network, encoded, number, n_experts) for number in range(n_experts)]
    features = np.sum([share * expert for share, expert in zip(gate, experts, strict=True)], axis=0)
    return float(slow.mlp(network.mlp, features)[0])


def expert_slowly(
    slow: Any, network: MDFEND, encoded: NDArray[np.float64], number: int, n_experts: int
) -> NDArray[np.float64]:
    """One expert: a CNN extractor of its own, whose filters stand in the common layers from number * filters on."""
    found = []
    for convolution in network.experts.convolutions:
        weight, bias = slow.array(convolution.weight), slow.array(convolution.bias)
        filters = len(weight) // n_experts
        own = slice(number * filters, (number + 1) * filters)
        found.append(slow.convolution(weight[own], bias[own], encoded))
    return np.concatenate(found)


def expected(slow: Any, network: MDFEND, domains: list[int | None], **more: int) -> list[float]:
    return [judge_slowly(slow, network, tokens, domain, **more) for tokens, domain in zip(ROWS, domains, strict=True)]


OWN: list[int | None] = [2, 0, 1, None]  # the unknown one has the mean
MEAN: list[int | None] = [None] * 4


class TestForward:
    def test_at_prediction_the_gate_sees_an_articles_own_domain(self, slow: Any, make_batch: MakeBatch) -> None:
        network = build().eval()
        found = network(make_batch(ROWS, domains=DOMAINS)).logits
        np.testing.assert_allclose(slow.array(found), expected(slow, network, OWN), atol=1e-6)
        assert not np.allclose(slow.array(found)[:3], expected(slow, network, MEAN)[:3], atol=1e-4)

    def test_where_nobody_knows_the_domains_it_sees_their_mean(self, slow: Any, make_batch: MakeBatch) -> None:
        network = build().eval()
        found = network(make_batch(ROWS)).logits
        np.testing.assert_allclose(slow.array(found), expected(slow, network, MEAN), atol=1e-6)
        assert torch.equal(network(make_batch(ROWS, domains=[UNKNOWN] * 4)).logits, found)

    @pytest.mark.parametrize("setting", ["own", "mean", None])
    def test_in_training_it_always_sees_the_articles_own(
        self, setting: str | None, slow: Any, make_batch: MakeBatch
    ) -> None:
        network = build(domain_at_prediction=setting).train()
        found = network(make_batch(ROWS, domains=DOMAINS)).logits
        np.testing.assert_allclose(slow.array(found), expected(slow, network, OWN), atol=1e-6)

    @pytest.mark.parametrize(
        ("settings", "domains"),
        [
            ({}, OWN),
            ({"domain_at_prediction": "own"}, OWN),
            ({"domain_at_prediction": "mean"}, MEAN),
            ({"debias": "endef"}, MEAN),
            ({"debias": "endef", "domain_at_prediction": "own"}, OWN),
            ({"debias": "endef", "domain_at_prediction": "mean"}, MEAN),
        ],
        ids=str,
    )
    def test_whose_domain_at_prediction_is_a_setting_and_endef_takes_the_mean(
        self, settings: dict[str, Any], domains: list[int | None], slow: Any, make_batch: MakeBatch
    ) -> None:
        network = build(**settings).eval()
        found = network(make_batch(ROWS, domains=DOMAINS)).logits
        np.testing.assert_allclose(slow.array(found), expected(slow, network, domains), atol=1e-6)

    @pytest.mark.parametrize("n_experts", [1, 2, 5])
    def test_any_number_of_experts(self, n_experts: int, slow: Any, make_batch: MakeBatch) -> None:
        network = build(n_experts=n_experts).eval()
        found = network(make_batch(ROWS, domains=DOMAINS)).logits
        np.testing.assert_allclose(slow.array(found), expected(slow, network, OWN, n_experts=n_experts), atol=1e-6)

    @pytest.mark.parametrize("settings", [{"mlp_dims": []}, {"mlp_dims": [8, 5]}, {"kernels": [2]}], ids=str)
    def test_other_sizes(self, settings: dict[str, Any], slow: Any, make_batch: MakeBatch) -> None:
        network = build(**settings).eval()
        found = network(make_batch(ROWS, domains=DOMAINS)).logits
        np.testing.assert_allclose(slow.array(found), expected(slow, network, OWN), atol=1e-6)

    def test_a_single_domain(self, slow: Any, make_batch: MakeBatch) -> None:
        network = build(domains=("a",)).eval()
        found = network(make_batch(ROWS, domains=[0, 0, UNKNOWN, 0])).logits
        np.testing.assert_allclose(slow.array(found), expected(slow, network, [0, 0, 0, 0]), atol=1e-6)

    def test_a_batch_of_one_and_a_row_of_padding_alone(self, slow: Any, make_batch: MakeBatch) -> None:
        network = build().eval()
        [alone] = slow.array(network(make_batch([ROWS[0]], domains=[2])).logits)
        np.testing.assert_allclose(alone, expected(slow, network, OWN)[0], atol=1e-6)
        assert torch.isfinite(network(make_batch([[]], domains=[UNKNOWN])).logits).all()


def test_an_unknown_domain_trains_all_domain_embeddings_a_known_one_its_own(make_batch: MakeBatch) -> None:
    network = build().train()
    network(make_batch([ROWS[0]], domains=[1])).logits.sum().backward()
    gradient = network.domain_embedding.weight.grad
    assert gradient is not None
    assert (gradient.abs().sum(dim=1) > 0).tolist() == [False, True, False]
    network.zero_grad()
    network(make_batch([ROWS[0]], domains=[UNKNOWN])).logits.sum().backward()
    gradient = network.domain_embedding.weight.grad
    assert gradient is not None
    assert (gradient.abs().sum(dim=1) > 0).all()


def test_the_published_one_has_5_experts_and_a_frozen_encoder() -> None:
    config = MDFENDConfig()
    assert (config.n_experts, config.finetune_layers, config.bert_model_name) == (5, 0, "bert-base-chinese")
    assert (config.kernels, config.filters, config.mlp_dims) == ([1, 2, 3, 5, 10], 64, [384])
