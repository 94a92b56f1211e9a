"""Products with weights that are laid out once."""

import pytest
import torch

from zhenwei.models.gru import packed_matmul as two_products
from zhenwei.models.gru.packed_matmul import TwoProducts


@pytest.mark.parametrize("packs", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_each_direction_is_multiplied_by_its_own_weight(
    packs: bool, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not packs:
        monkeypatch.setattr(two_products, "_can_pack", lambda: False)
    torch.manual_seed(0)
    weights, inputs = torch.randn(2, 24, 8).to(dtype), torch.randn(2, 50, 8).to(dtype)
    product = TwoProducts(weights, rows=6)
    for first, size in ((10, 6), (10, 3), (10, 1), (0, 50), (46, 4)):
        told = product(inputs, first, size)
        assert len(told) == 2
        for way, found in enumerate(told):
            expected = inputs[way, first : first + size].float() @ weights[way].float().t()
            torch.testing.assert_close(found.float(), expected, rtol=0.01, atol=0.05)


def test_what_stands_behind_the_rows_makes_no_difference() -> None:
    weights, inputs = torch.randn(2, 24, 8).bfloat16(), torch.randn(2, 50, 8).bfloat16()
    product = TwoProducts(weights, rows=6)
    before = torch.stack(list(product(inputs, 10, 5)))
    inputs[:, 15:] = torch.nan
    assert torch.equal(torch.stack(list(product(inputs, 10, 5))), before)


def test_weights_may_be_turned_round() -> None:
    weights, inputs = torch.randn(2, 8, 24).bfloat16(), torch.randn(2, 3, 8).bfloat16()
    for way, found in enumerate(TwoProducts(weights.transpose(1, 2), rows=3)(inputs, 0, 3)):
        torch.testing.assert_close(found, inputs[way] @ weights[way], rtol=0.02, atol=0.05)
