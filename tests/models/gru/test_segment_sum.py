"""Sums of rows by an index, against PyTorch's, with a compiler and without."""

import pytest
import torch

from zhenwei.models.gru import segment_sum as row_sums
from zhenwei.models.gru.segment_sum import sum_rows


@pytest.fixture(params=["compiled", "by operations"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "compiled":
        request.getfixturevalue("compiler")
    else:
        monkeypatch.setattr(row_sums, "load_library", lambda source: None)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("width", [1, 37, 256, 300])
@pytest.mark.parametrize("scaled", [True, False])
def test_each_sum_is_of_the_rows_of_its_number(dtype: torch.dtype, width: int, scaled: bool) -> None:
    torch.manual_seed(0)
    rows, index = torch.randn(90, width).to(dtype), torch.randint(0, 17, (90,)) + 1  # nothing belongs to 0, nor to 18
    scale = torch.rand(90).to(dtype) if scaled else None
    into = torch.full((19, width), torch.nan, dtype=dtype)
    sum_rows(rows, index, scale, into)
    weighted = rows.double() if scale is None else rows.double() * scale.double()[:, None]
    expected = torch.zeros(19, width, dtype=torch.double).index_add_(0, index, weighted)
    torch.testing.assert_close(into.double(), expected, rtol=0.01, atol=1e-5 if dtype == torch.float32 else 0.02)
    assert not into[0].any()
    assert not into[18].any()


def test_no_rows_at_all_give_zeros() -> None:
    into = torch.full((3, 4), torch.nan)
    sum_rows(torch.empty(0, 4), torch.empty(0, dtype=torch.int64), None, into)
    assert not into.any()
