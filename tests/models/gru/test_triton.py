"""The Triton kernels of the GRU, against PyTorch's layer in double precision; needs an NVIDIA GPU."""

import pytest
import torch
from torch import Tensor, nn

from zhenwei.models.gru.bigru_layer import MaskedBiGRU

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")


def reference(gru: MaskedBiGRU, inputs: Tensor, lengths: list[int]) -> tuple[Tensor, nn.GRU]:
    """Compute each row without padding, in float64 on the CPU -> [B, T, 2H], zeros at padding."""
    both = nn.GRU(inputs.shape[-1], gru.forward_layers[0].hidden_size, batch_first=True, bidirectional=True).double()
    for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
        getattr(both, name).data.copy_(getattr(gru.forward_layers[0], name).detach())
        getattr(both, f"{name}_reverse").data.copy_(getattr(gru.backward_layers[0], name).detach())
    read = [both(inputs[row : row + 1, :length])[0][0] for row, length in enumerate(lengths)]
    return torch.stack([nn.functional.pad(each, (0, 0, 0, inputs.shape[1] - len(each))) for each in read]), both


def relative_error(result: Tensor, expected: Tensor) -> float:
    result, expected = result.detach().double().cpu(), expected.detach()
    return float((result - expected).norm() / expected.norm().clamp(min=1e-12))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize(
    ("rows", "width", "features", "hidden"), [(64, 97, 768, 768), (33, 20, 100, 48), (1, 1, 16, 16), (5, 12, 7, 272)]
)
def test_states_and_gradients_equal_torch_row_by_row(
    dtype: torch.dtype, rows: int, width: int, features: int, hidden: int
) -> None:
    torch.manual_seed(0)
    gru = MaskedBiGRU(features, hidden, 1, 0.0).cuda()
    lengths = [max(1, width - 3 * (row % 4)) for row in range(rows)]
    mask = torch.arange(width) < torch.tensor(lengths)[:, None]
    inputs = torch.randn(rows, width, features)
    upstream = torch.randn(rows, width, 2 * hidden) * mask.unsqueeze(-1)
    expected_inputs = inputs.double().requires_grad_()
    expected, both = reference(gru, expected_inputs, lengths)
    expected.backward(upstream.double())
    on_gpu = inputs.cuda().requires_grad_()
    with torch.autocast("cuda", dtype):
        assert gru._has_triton(on_gpu)
        result = gru(on_gpu, mask.cuda())
    (result * mask.cuda().unsqueeze(-1)).backward(upstream.cuda().to(result.dtype))
    close = 2e-2 if dtype == torch.bfloat16 else 4e-3
    assert relative_error(result, expected) < close
    assert relative_error(on_gpu.grad, expected_inputs.grad) < close
    for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
        for layers, end in ((gru.forward_layers, ""), (gru.backward_layers, "_reverse")):
            assert relative_error(getattr(layers[0], name).grad, getattr(both, name + end).grad) < close, name


def test_stacked_layers() -> None:
    torch.manual_seed(0)
    gru = MaskedBiGRU(32, 64, 2, 0.0).cuda()
    inputs, mask = torch.randn(4, 9, 32).cuda(), torch.ones(4, 9, dtype=torch.bool).cuda()
    with torch.autocast("cuda", torch.bfloat16):
        trained = gru(inputs, mask)
        with torch.no_grad():
            predicted = gru(inputs, mask)
    torch.testing.assert_close(trained.float(), predicted.float(), rtol=3e-2, atol=1e-2)
