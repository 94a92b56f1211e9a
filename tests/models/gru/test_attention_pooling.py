"""LayerNorm, dropout and attention in one kernel, against the three layers."""

from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from zhenwei.models.gru.attention_pooling import fused_attention_pooling, prefers_kernel
from zhenwei.models.layers import MaskAttention

pytestmark = pytest.mark.usefixtures("compiler")

SIZE = 37  # not a multiple of the vector width
MASK = torch.arange(12) < torch.tensor([12, 1, 7, 0, 3])[:, None]


@pytest.fixture
def layers() -> tuple[nn.LayerNorm, MaskAttention]:
    torch.manual_seed(0)
    norm, attention = nn.LayerNorm(SIZE), MaskAttention(SIZE)
    for weight in [*norm.parameters(), *attention.parameters()]:
        weight.data.add_(torch.randn_like(weight) * 0.3)
    return norm, attention


def states(dtype: torch.dtype = torch.float32) -> Tensor:
    torch.manual_seed(1)
    return torch.randn(5, 12, SIZE).to(dtype).requires_grad_()


class TestFusedAttentionPooling:
    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
    def test_it_equals_the_three_layers(self, layers: tuple[nn.LayerNorm, MaskAttention], dtype: torch.dtype) -> None:
        (norm, attention), (same_norm, same) = layers, deepcopy(layers)
        ours, theirs = states(dtype), states(dtype)
        pooled, weights = fused_attention_pooling(ours * 1, MASK, norm, nn.Dropout(0.3).eval(), attention)
        expected, shares = same(same_norm(theirs.float()), MASK)
        torch.testing.assert_close(pooled, expected, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(weights, shares, atol=1e-6, rtol=1e-5)
        slopes = torch.linspace(-1, 1, SIZE)
        (pooled * slopes).sum().backward()
        (expected * slopes).sum().backward()
        torch.testing.assert_close(
            ours.grad, theirs.grad, atol=1e-6 if dtype == torch.float32 else 1e-3, rtol=0.01
        )  # fmt: skip
        for one, other in zip(
            (norm.weight, norm.bias, attention.score.weight),
            (same_norm.weight, same_norm.bias, same.score.weight),
            strict=True,
        ):
            torch.testing.assert_close(one.grad, other.grad, atol=1e-5, rtol=1e-4)
        assert attention.score.bias.grad is not None
        assert attention.score.bias.grad.abs() < 1e-5  # it shifts all scores equally, which does not change the weights

    def test_a_row_of_padding_gives_zeros(self, layers: tuple[nn.LayerNorm, MaskAttention]) -> None:
        rows = states()
        pooled, weights = fused_attention_pooling(rows * 1, MASK, layers[0], nn.Dropout(0.0), layers[1])
        pooled.sum().backward()
        assert not pooled[3].any()
        assert not weights[3].any()
        assert rows.grad is not None
        assert not rows.grad[~MASK].any()

    def test_dropout_rate_and_scale(self) -> None:
        norm, attention = nn.LayerNorm(SIZE, elementwise_affine=True), MaskAttention(SIZE)
        norm.weight.data.zero_()
        norm.bias.data.fill_(1.0)
        attention.score.weight.data.zero_()
        one = torch.ones(4000, 1, dtype=torch.bool)
        pooled, _ = fused_attention_pooling(torch.randn(4000, 1, SIZE), one, norm, nn.Dropout(0.3), attention)
        assert pooled.unique().tolist() == pytest.approx([0.0, 1 / 0.7])
        dropped = (pooled == 0).float()
        assert dropped.mean().item() == pytest.approx(0.3, abs=0.005)  # four standard deviations
        assert dropped.mean(dim=0).std().item() < 0.012  # by position and by row, as by chance
        assert dropped.mean(dim=1).std().item() == pytest.approx((0.3 * 0.7 / SIZE) ** 0.5, rel=0.1)

    def test_the_backward_pass_uses_the_dropout_of_the_forward_pass(
        self, layers: tuple[nn.LayerNorm, MaskAttention]
    ) -> None:
        rows, slopes, step = states(), torch.linspace(-1, 1, SIZE), torch.randn(5, 12, SIZE) * 1e-2

        def value(moved: Tensor) -> Tensor:
            torch.manual_seed(7)
            return (fused_attention_pooling(moved, MASK, layers[0], nn.Dropout(0.5), layers[1])[0] * slopes).sum()

        value(rows * 1).backward()
        with torch.no_grad():
            slope = (value(rows + step) - value(rows - step)) / 2
        assert rows.grad is not None
        assert (rows.grad * step).sum().item() == pytest.approx(slope.item(), rel=0.01)

    def test_each_call_draws_from_pytorchs_generator(self, layers: tuple[nn.LayerNorm, MaskAttention]) -> None:
        def pooled() -> Tensor:
            return fused_attention_pooling(rows, MASK, layers[0], nn.Dropout(0.5), layers[1])[0]

        rows = states()
        torch.manual_seed(3)
        first, second = pooled(), pooled()
        assert not torch.equal(first, second)
        torch.manual_seed(3)
        assert torch.equal(pooled(), first)
        assert torch.equal(pooled(), second)

    def test_results_do_not_depend_on_threads(self) -> None:
        norm, attention = nn.LayerNorm(2048), MaskAttention(2048)
        rows, threads, results = torch.randn(5, 12, 2048), torch.get_num_threads(), []
        try:
            for number in (1, 2):
                torch.set_num_threads(number)
                leaf = rows.clone().requires_grad_()
                norm.zero_grad()
                fused_attention_pooling(leaf * 1, MASK, norm, nn.Dropout(0.0), attention)[0].square().sum().backward()
                results.append((leaf.grad, norm.weight.grad))
        finally:
            torch.set_num_threads(threads)
        assert all(torch.equal(one, other) for one, other in zip(*results, strict=True))

    def test_nan_propagates(self, layers: tuple[nn.LayerNorm, MaskAttention]) -> None:
        rows = states().detach()
        rows[0, 4, 2] = torch.nan
        pooled, _ = fused_attention_pooling(rows, MASK, layers[0], nn.Dropout(0.0), layers[1])
        assert pooled[0].isnan().all()
        assert not pooled[1:].isnan().any()

    def test_a_second_backward_pass_is_an_error(self, layers: tuple[nn.LayerNorm, MaskAttention]) -> None:
        pooled, _ = fused_attention_pooling(states() * 1, MASK, layers[0], nn.Dropout(0.0), layers[1])
        pooled.sum().backward(retain_graph=True)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            pooled.sum().backward()


def test_other_dtypes_have_no_kernel(layers: tuple[nn.LayerNorm, MaskAttention]) -> None:
    assert prefers_kernel(states(), layers[0])
    assert not prefers_kernel(states().double(), layers[0])
    assert not prefers_kernel(states(), deepcopy(layers[0]).bfloat16())
