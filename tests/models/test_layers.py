"""The shared layers, against numpy references."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from zhenwei.models.dropout import Dropout
from zhenwei.models.layers import MLP, CNNExtractor, MaskAttention, masked_mean

Floats = NDArray[np.float64]

LENGTHS = torch.tensor([5, 1, 3])
MASK = torch.arange(5) < LENGTHS[:, None]  # [3, 5]


def reference_attention(inputs: Floats, length: int, weight: Floats, bias: float) -> tuple[Floats, Floats]:
    """Pool one article [T, D], token by token."""
    powers = [np.exp(inputs[token] @ weight + bias) for token in range(length)]
    weights = np.array([power / sum(powers) for power in powers] + [0.0] * (len(inputs) - length))
    return sum(weights[token] * inputs[token] for token in range(length)), weights


class TestMaskAttention:
    def test_it_is_a_softmax_over_real_tokens(self) -> None:
        torch.manual_seed(0)
        attention, inputs = MaskAttention(4), torch.randn(3, 5, 4)
        pooled, weights = attention(inputs, MASK)
        for row, length in enumerate(LENGTHS.tolist()):
            expected = reference_attention(
                inputs[row].double().numpy(),
                length,
                attention.score.weight[0].detach().double().numpy(),
                attention.score.bias.item(),
            )
            np.testing.assert_allclose(pooled[row].detach(), expected[0], atol=1e-6)
            np.testing.assert_allclose(weights[row].detach(), expected[1], atol=1e-6)

    def test_weights_sum_to_1_over_real_tokens(self) -> None:
        _, weights = MaskAttention(4)(torch.randn(3, 5, 4), MASK)
        torch.testing.assert_close(weights.sum(dim=1), torch.ones(3))
        assert (weights[~MASK] == 0).all()

    def test_values_at_padding_are_ignored(self) -> None:
        attention, inputs = MaskAttention(4), torch.randn(3, 5, 4)
        loud = torch.where(MASK.unsqueeze(-1), inputs, torch.tensor(1e6))
        assert torch.equal(
            attention(inputs * MASK.unsqueeze(-1), MASK)[0], attention(loud * MASK.unsqueeze(-1), MASK)[0]
        )
        torch.testing.assert_close(attention(loud, MASK)[1], attention(inputs, MASK)[1])

    def test_a_row_of_padding_gives_zeros_and_finite_gradients(self) -> None:
        attention = MaskAttention(4)
        inputs = torch.randn(2, 5, 4, requires_grad=True)
        pooled, weights = attention(inputs, torch.zeros(2, 5, dtype=torch.bool))
        assert (pooled == 0).all()
        assert (weights == 0).all()
        pooled.sum().backward()
        assert inputs.grad is not None
        assert torch.isfinite(inputs.grad).all()

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_half_precision_keeps_its_type_and_stays_finite(self, dtype: torch.dtype) -> None:
        attention = MaskAttention(4).to(dtype)
        pooled, weights = attention(torch.randn(3, 5, 4, dtype=dtype) * 100, MASK)
        assert (pooled.dtype, weights.dtype) == (dtype, torch.float32)
        assert torch.isfinite(pooled).all()


class TestMaskedMean:
    def test_it_averages_the_real_tokens(self) -> None:
        inputs = torch.randn(3, 5, 4)
        expected = torch.stack([inputs[row, :length].mean(dim=0) for row, length in enumerate(LENGTHS)])
        torch.testing.assert_close(masked_mean(inputs, MASK), expected)

    def test_no_token_gives_zeros(self) -> None:
        assert (masked_mean(torch.randn(1, 5, 4), torch.zeros(1, 5, dtype=torch.bool)) == 0).all()


class TestMLP:
    @pytest.mark.parametrize(
        ("hidden", "kinds"),
        [
            ([], [nn.Linear]),
            ([8], [nn.Linear, nn.ReLU, Dropout, nn.Linear]),
            ([8, 4], [nn.Linear, nn.ReLU, Dropout, nn.Linear, nn.ReLU, Dropout, nn.Linear]),
        ],
    )
    def test_each_hidden_size_is_linear_relu_dropout(self, hidden: list[int], kinds: list[type]) -> None:
        mlp = MLP(6, hidden, dropout=0.2)
        assert [type(layer) for layer in mlp.layers] == kinds
        assert mlp(torch.randn(3, 6)).shape == (3,)


CNN_LENGTHS = [7, 2, 0, 4, 1]  # longer than all kernels, shorter than most, empty, equal to one, a single token
KERNELS = [1, 2, 4, 6]


def extractor_and_inputs(width: int = 7) -> tuple[CNNExtractor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    inputs = torch.randn(len(CNN_LENGTHS), 7, 3)[:, :width]
    return CNNExtractor(3, KERNELS, 4), inputs, torch.arange(width) < torch.tensor(CNN_LENGTHS)[:, None]


class TestCNNExtractor:
    def test_output_equals_a_numpy_reference(self, ref: Any) -> None:
        extractor, inputs, mask = extractor_and_inputs()
        result = ref.to_numpy(extractor(inputs, mask))
        for row, length in enumerate(CNN_LENGTHS):
            expected = ref.extractor(extractor, ref.to_numpy(inputs[row, :length]))
            np.testing.assert_allclose(result[row], expected, atol=1e-6)

    def test_values_at_padding_are_ignored(self) -> None:
        extractor, inputs, mask = extractor_and_inputs()
        loud = torch.where(mask.unsqueeze(-1), inputs, torch.tensor(1e6))
        quiet = torch.where(mask.unsqueeze(-1), inputs, torch.tensor(-1e6))
        assert torch.equal(extractor(loud, mask), extractor(quiet, mask))

    def test_padding_never_wins_with_a_large_bias(self, ref: Any) -> None:
        extractor, inputs, mask = extractor_and_inputs()
        with torch.no_grad():
            for convolution in extractor.convolutions:
                convolution.weight.abs_().neg_()
        inputs = inputs.abs()  # every window that reads a token is below the bias, which padding alone would give
        result = ref.to_numpy(extractor(inputs, mask))
        for row, length in enumerate(CNN_LENGTHS):
            expected = ref.extractor(extractor, ref.to_numpy(inputs[row, :length]))
            np.testing.assert_allclose(result[row], expected, atol=1e-6)

    def test_output_does_not_depend_on_the_width(self) -> None:
        extractor, inputs, mask = extractor_and_inputs()
        more = torch.nn.functional.pad(inputs, (0, 0, 0, 20)), torch.nn.functional.pad(mask, (0, 20))
        torch.testing.assert_close(extractor(*more), extractor(inputs, mask), atol=1e-6, rtol=0)

    def test_a_batch_narrower_than_its_kernels(self, ref: Any) -> None:
        extractor, inputs, mask = extractor_and_inputs(width=1)
        result = ref.to_numpy(extractor(inputs[:2], mask[:2]))
        assert result.shape == (2, 16)
        for row in range(2):
            np.testing.assert_allclose(result[row], ref.extractor(extractor, ref.to_numpy(inputs[row])), atol=1e-6)

    def test_a_row_of_padding_gives_zeros_and_finite_gradients(self) -> None:
        extractor, inputs, mask = extractor_and_inputs()
        inputs.requires_grad_()
        result = extractor(inputs, mask)
        assert (result[2] == 0).all()
        result.square().sum().backward()
        assert inputs.grad is not None
        assert torch.isfinite(inputs.grad).all()
        assert (inputs.grad[~mask] == 0).all()

    def test_published_settings(self) -> None:
        extractor = CNNExtractor(3)
        assert extractor.features == 320
        assert [conv.kernel_size[0] for conv in extractor.convolutions] == [1, 2, 3, 5, 10]
        assert {conv.out_channels for conv in extractor.convolutions} == {64}

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_half_precision_keeps_its_type_and_stays_finite(self, dtype: torch.dtype) -> None:
        extractor, inputs, mask = extractor_and_inputs()
        result = extractor.to(dtype)(inputs.to(dtype) * 100, mask)
        assert result.dtype == dtype
        assert torch.isfinite(result).all()
