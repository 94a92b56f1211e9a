"""Segment sums, against PyTorch, with and without a compiler."""

import pytest
import torch

from zhenwei.models.gru import segment_sum as module
from zhenwei.models.gru.segment_sum import segment_sum


@pytest.fixture(params=["compiled", "pytorch"], autouse=True)
def implementation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "compiled":
        request.getfixturevalue("compiler")
    else:
        monkeypatch.setattr(module, "load_library", lambda source: None)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("width", [1, 37, 256, 300])
@pytest.mark.parametrize("scaled", [True, False])
def test_sums_equal_index_add(dtype: torch.dtype, width: int, scaled: bool) -> None:
    torch.manual_seed(0)
    rows, index = torch.randn(90, width).to(dtype), torch.randint(0, 17, (90,)) + 1  # segments 0 and 18 are empty
    scale = torch.rand(90).to(dtype) if scaled else None
    into = torch.full((19, width), torch.nan, dtype=dtype)
    segment_sum(rows, index, scale, into)
    weighted = rows.double() if scale is None else rows.double() * scale.double()[:, None]
    expected = torch.zeros(19, width, dtype=torch.double).index_add_(0, index, weighted)
    torch.testing.assert_close(into.double(), expected, rtol=0.01, atol=1e-5 if dtype == torch.float32 else 0.02)
    assert not into[0].any()
    assert not into[18].any()


def test_no_rows_give_zeros() -> None:
    into = torch.full((3, 4), torch.nan)
    segment_sum(torch.empty(0, 4), torch.empty(0, dtype=torch.int64), None, into)
    assert not into.any()
