"""Dropout with cheap random numbers."""

import pytest
import torch

from zhenwei.models.dropout import Dropout, is_tracing

RATE = 0.3


def dropped_out(shape: tuple[int, ...] = (400, 250), seed: int = 0) -> torch.Tensor:
    """Drop values out of ones."""
    torch.manual_seed(seed)
    return Dropout(RATE)(torch.ones(shape))


def test_rate_and_mean() -> None:
    outputs = dropped_out()
    assert outputs.eq(0).float().mean() == pytest.approx(RATE, abs=0.006)  # four standard deviations
    assert outputs.mean() == pytest.approx(1.0, abs=0.01)
    assert outputs[outputs != 0].unique().tolist() == [pytest.approx(1 / (1 - RATE), rel=1e-4)]


def test_neighboring_values_are_dropped_independently() -> None:
    kept = dropped_out() != 0
    for distance in range(1, 9):  # four values share a random number
        both = (kept[:, distance:] & kept[:, :-distance]).float().mean()
        assert both == pytest.approx((1 - RATE) ** 2, abs=0.008)


@pytest.mark.parametrize("shape", [(1,), (3,), (5, 7), (2, 3, 5), (0,)])
def test_any_shape(shape: tuple[int, ...]) -> None:
    assert dropped_out(shape).shape == shape


def test_a_transposed_input() -> None:
    torch.manual_seed(0)
    inputs = torch.rand(50, 60) + 1
    outputs = Dropout(RATE)(inputs.t())
    kept = outputs != 0
    torch.testing.assert_close(outputs[kept], inputs.t()[kept] / (1 - RATE), rtol=1e-4, atol=0)


def test_gradients_are_masked_like_values() -> None:
    torch.manual_seed(0)
    inputs = torch.ones(20, 30, requires_grad=True)
    outputs = Dropout(RATE)(inputs)
    outputs.sum().backward()
    assert torch.equal(inputs.grad, outputs)


def test_results_depend_on_the_seed_only() -> None:
    assert torch.equal(dropped_out(seed=1), dropped_out(seed=1))
    assert not torch.equal(dropped_out(seed=1), dropped_out(seed=2))


@pytest.mark.parametrize("rate", [0.0, 1.0, 1e-9])
def test_extreme_rates_equal_torch(rate: float) -> None:
    inputs = torch.ones(10, 10)
    torch.manual_seed(0)
    expected = torch.nn.Dropout(rate)(inputs)
    assert torch.equal(Dropout(rate)(inputs), expected)


def test_evaluation_drops_nothing() -> None:
    inputs = torch.randn(4, 4)
    assert torch.equal(Dropout(RATE).eval()(inputs), inputs)


def test_bf16_stays_bf16() -> None:
    assert Dropout(RATE)(torch.ones(8, 8, dtype=torch.bfloat16)).dtype == torch.bfloat16


def test_torch_without_is_exporting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.compiler, "is_exporting")
    assert not is_tracing()
