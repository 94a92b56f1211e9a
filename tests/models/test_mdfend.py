"""The MDFEND detector, against a numpy reference, and its use of domains."""

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


def reference_logit(ref: Any, network: MDFEND, tokens: list[int], domain: int | None, n_experts: int = 3) -> float:
    """Compute the logit of one article: gate = softmax(MLP([domain, pooled text])), experts, sum, MLP.

    Args:
        domain: Its domain id; None: the mean of all domain embeddings.
    """
    encoded = ref.embeddings(network, tokens)
    pooled = ref.attention(network.attention, encoded)
    embeddings = ref.to_numpy(network.domain_embedding.weight)
    domain_vector = sum(embeddings) / len(embeddings) if domain is None else embeddings[domain]
    gate = ref.softmax(ref.mlp(network.gate, np.concatenate([domain_vector, pooled])))
    features: NDArray[np.float64] = np.zeros(0)
    experts = [reference_expert(ref, network, encoded, number, n_experts) for number in range(n_experts)]
    features = np.sum([share * expert for share, expert in zip(gate, experts, strict=True)], axis=0)
    return float(ref.mlp(network.mlp, features)[0])


def reference_expert(
    ref: Any, network: MDFEND, encoded: NDArray[np.float64], number: int, n_experts: int
) -> NDArray[np.float64]:
    """Compute one expert: the filters of the shared layers from number * filters on."""
    result = []
    for convolution in network.experts.convolutions:
        weight, bias = ref.to_numpy(convolution.weight), ref.to_numpy(convolution.bias)
        filters = len(weight) // n_experts
        own = slice(number * filters, (number + 1) * filters)
        result.append(ref.convolution(weight[own], bias[own], encoded))
    return np.concatenate(result)


def expected(ref: Any, network: MDFEND, domains: list[int | None], **more: int) -> list[float]:
    return [reference_logit(ref, network, tokens, domain, **more) for tokens, domain in zip(ROWS, domains, strict=True)]


OWN: list[int | None] = [2, 0, 1, None]  # an unknown domain uses the mean
MEAN: list[int | None] = [None] * 4


class TestForward:
    def test_prediction_uses_the_articles_domain(self, ref: Any, make_batch: MakeBatch) -> None:
        network = build().eval()
        result = network(make_batch(ROWS, domains=DOMAINS)).logits
        np.testing.assert_allclose(ref.to_numpy(result), expected(ref, network, OWN), atol=1e-6)
        assert not np.allclose(ref.to_numpy(result)[:3], expected(ref, network, MEAN)[:3], atol=1e-4)

    def test_unknown_domains_use_the_mean_embedding(self, ref: Any, make_batch: MakeBatch) -> None:
        network = build().eval()
        result = network(make_batch(ROWS)).logits
        np.testing.assert_allclose(ref.to_numpy(result), expected(ref, network, MEAN), atol=1e-6)
        assert torch.equal(network(make_batch(ROWS, domains=[UNKNOWN] * 4)).logits, result)

    @pytest.mark.parametrize("setting", ["own", "mean", None])
    def test_training_always_uses_the_articles_domain(
        self, setting: str | None, ref: Any, make_batch: MakeBatch
    ) -> None:
        network = build(domain_at_prediction=setting).train()
        result = network(make_batch(ROWS, domains=DOMAINS)).logits
        np.testing.assert_allclose(ref.to_numpy(result), expected(ref, network, OWN), atol=1e-6)

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
    def test_domain_at_prediction_is_a_setting_and_endef_defaults_to_the_mean(
        self, settings: dict[str, Any], domains: list[int | None], ref: Any, make_batch: MakeBatch
    ) -> None:
        network = build(**settings).eval()
        result = network(make_batch(ROWS, domains=DOMAINS)).logits
        np.testing.assert_allclose(ref.to_numpy(result), expected(ref, network, domains), atol=1e-6)

    @pytest.mark.parametrize("n_experts", [1, 2, 5])
    def test_any_number_of_experts(self, n_experts: int, ref: Any, make_batch: MakeBatch) -> None:
        network = build(n_experts=n_experts).eval()
        result = network(make_batch(ROWS, domains=DOMAINS)).logits
        np.testing.assert_allclose(ref.to_numpy(result), expected(ref, network, OWN, n_experts=n_experts), atol=1e-6)

    @pytest.mark.parametrize("settings", [{"mlp_dims": []}, {"mlp_dims": [8, 5]}, {"kernels": [2]}], ids=str)
    def test_other_sizes(self, settings: dict[str, Any], ref: Any, make_batch: MakeBatch) -> None:
        network = build(**settings).eval()
        result = network(make_batch(ROWS, domains=DOMAINS)).logits
        np.testing.assert_allclose(ref.to_numpy(result), expected(ref, network, OWN), atol=1e-6)

    def test_a_single_domain(self, ref: Any, make_batch: MakeBatch) -> None:
        network = build(domains=("a",)).eval()
        result = network(make_batch(ROWS, domains=[0, 0, UNKNOWN, 0])).logits
        np.testing.assert_allclose(ref.to_numpy(result), expected(ref, network, [0, 0, 0, 0]), atol=1e-6)

    def test_a_batch_of_one_and_a_row_of_padding_alone(self, ref: Any, make_batch: MakeBatch) -> None:
        network = build().eval()
        [alone] = ref.to_numpy(network(make_batch([ROWS[0]], domains=[2])).logits)
        np.testing.assert_allclose(alone, expected(ref, network, OWN)[0], atol=1e-6)
        assert torch.isfinite(network(make_batch([[]], domains=[UNKNOWN])).logits).all()


def test_a_known_domain_trains_its_embedding_and_an_unknown_one_all(make_batch: MakeBatch) -> None:
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


def test_published_settings() -> None:
    config = MDFENDConfig()
    assert (config.n_experts, config.finetune_layers, config.bert_model_name) == (5, 0, "bert-base-chinese")
    assert (config.kernels, config.filters, config.mlp_dims) == ([1, 2, 3, 5, 10], 64, [384])
