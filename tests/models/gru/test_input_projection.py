"""A bidirectional GRU over factored embeddings, against one over dense embeddings."""

import pytest
import torch
from torch import Tensor

from zhenwei.models.gru.bigru_layer import MANY_ROWS, MaskedBiGRU
from zhenwei.models.gru.input_projection import FactoredEmbeddings

ROWS, STEPS, FEATURES, HIDDEN = 9, 6, 16, 8
LENGTHS = torch.tensor([6, 1, 3, 6, 2, 4, 5, 6, 1])
MASK = torch.arange(STEPS) < LENGTHS[:, None]


def tokens(*, placed: bool, scaled: bool, shifted: bool) -> FactoredEmbeddings:
    """Build factored embeddings with some of the factors; the last of 4 unique tokens is unused."""
    torch.manual_seed(0)
    return FactoredEmbeddings(
        torch.randn(4, FEATURES),
        torch.randint(0, 3, (ROWS, STEPS)),
        torch.randn(STEPS, FEATURES) if placed else None,
        torch.rand(ROWS, STEPS) + 0.5 if scaled else None,
        torch.randn(FEATURES) if shifted else None,
    )


def gru(layers: int = 1) -> MaskedBiGRU:
    torch.manual_seed(1)
    return MaskedBiGRU(FEATURES, HIDDEN, layers, dropout=0.0)


def gradients(network: MaskedBiGRU, inputs: Tensor | FactoredEmbeddings) -> tuple[Tensor, dict[str, Tensor]]:
    network.zero_grad()
    states = network(inputs, MASK)[MASK]
    (states.float() * torch.linspace(-1, 1, 2 * HIDDEN)).sum().backward()
    return states.detach(), {name: weight.grad.clone() for name, weight in network.named_parameters()}


PARTS = pytest.mark.parametrize(
    ("placed", "scaled", "shifted"),
    [(False, False, False), (True, True, True), (True, False, False), (False, True, False), (False, False, True)],
)


class TestFactoredEmbeddings:
    def test_dense_combines_the_factors(self) -> None:
        parts = tokens(placed=True, scaled=True, shifted=True)
        assert parts.positions is not None
        assert parts.scale is not None
        assert parts.shift is not None
        expected = parts.scale[4, 2] * (parts.unique[parts.index[4, 2]] + parts.positions[2]) + parts.shift
        torch.testing.assert_close(parts.dense()[4, 2], expected)

    @PARTS
    @pytest.mark.parametrize("layers", [1, 2])
    def test_states_and_gradients_equal_those_of_dense_embeddings(
        self, placed: bool, scaled: bool, shifted: bool, layers: int
    ) -> None:
        parts, network = tokens(placed=placed, scaled=scaled, shifted=shifted), gru(layers)
        states, grads = gradients(network, parts)
        expected_states, expected = gradients(network, parts.dense())
        torch.testing.assert_close(states, expected_states, atol=1e-6, rtol=1e-5)
        for name, grad in grads.items():
            torch.testing.assert_close(grad, expected[name], atol=1e-5, rtol=1e-4, msg=name)

    @PARTS
    def test_inference_equals_training(self, placed: bool, scaled: bool, shifted: bool) -> None:
        parts, network = tokens(placed=placed, scaled=scaled, shifted=shifted), gru()
        with torch.inference_mode():
            predicted = network(parts, MASK)
        torch.testing.assert_close(predicted[MASK], network(parts, MASK)[MASK], atol=1e-6, rtol=1e-5)

    def test_gradients_reach_the_unique_tokens(self) -> None:
        parts, network = tokens(placed=True, scaled=True, shifted=True), gru()
        parts.unique.requires_grad_()
        result, expected = (
            torch.autograd.grad(network(inputs, MASK)[MASK].square().sum(), parts.unique)[0]
            for inputs in (parts, parts.dense())
        )
        torch.testing.assert_close(result, expected, atol=1e-5, rtol=1e-4)
        assert not result[3].any()  # unused

    def test_mixed_precision_is_close_to_float32(self) -> None:
        parts, network = tokens(placed=True, scaled=True, shifted=True), gru()
        exact_states, exact = gradients(network, parts.dense())
        with torch.autocast("cpu", torch.bfloat16):
            states, grads = gradients(network, parts)
        assert states.dtype == torch.bfloat16
        torch.testing.assert_close(states.float(), exact_states, atol=0.03, rtol=0.03)
        for name, grad in grads.items():
            assert torch.linalg.vector_norm(grad - exact[name]) < 0.03 * torch.linalg.vector_norm(exact[name]), name

    def test_values_at_padding_are_ignored(self) -> None:
        parts = tokens(placed=True, scaled=True, shifted=True)
        other = FactoredEmbeddings(
            parts.unique, torch.where(MASK, parts.index, 3), parts.positions, parts.scale, parts.shift
        )  # fmt: skip
        with torch.inference_mode():
            torch.testing.assert_close(gru()(other, MASK)[MASK], gru()(parts, MASK)[MASK])


class TestPrefersFactored:
    def test_small_batches_are_dense_in_inference(self) -> None:
        with torch.inference_mode():
            assert not gru().prefers_factored(torch.zeros(MANY_ROWS - 1, 3, dtype=torch.int64))
            assert gru().prefers_factored(torch.zeros(MANY_ROWS, 3, dtype=torch.int64))

    def test_training_and_mixed_precision_are_always_factored(self) -> None:
        one = torch.zeros(1, 3, dtype=torch.int64)
        assert gru().prefers_factored(one)
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            assert gru().prefers_factored(one)

    def test_an_empty_batch_is_dense(self) -> None:
        assert not gru().prefers_factored(torch.zeros(0, 3, dtype=torch.int64))
