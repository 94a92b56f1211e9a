"""The compiled steps of the GRU, against PyTorch operations."""

import pytest
import torch
from tests.models.gru.test_input_projection import tokens
from torch import Tensor

from zhenwei.models.gru import cpu_kernels
from zhenwei.models.gru.bigru_layer import MaskedBiGRU
from zhenwei.models.gru.input_projection import FactoredEmbeddings

pytestmark = pytest.mark.usefixtures("compiler")

FEATURES = 16
MASK = torch.arange(6) < torch.tensor([6, 1, 3, 6, 0, 4, 5, 6, 1])[:, None]
BOTH = (False, True)


def run(
    inputs: Tensor | FactoredEmbeddings, hidden: int, *, mixed: bool, layers: int = 1
) -> tuple[Tensor, dict[str, Tensor]]:  # fmt: skip
    """Run forward and backward; return the states, and the gradients of weights and, if they have one, of inputs."""
    torch.manual_seed(1)
    network = MaskedBiGRU(FEATURES, hidden, layers, dropout=0.0)
    with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        states = network(inputs, MASK)
    (states[MASK].float() * torch.linspace(-1, 1, 2 * hidden)).sum().backward()
    grads = {name: weight.grad.clone() for name, weight in network.named_parameters()}
    if isinstance(inputs, Tensor) and inputs.grad is not None:
        grads["inputs"], inputs.grad = inputs.grad, None
    return states.detach().float(), grads


def disable_kernels(patch: pytest.MonkeyPatch) -> None:
    """Disable kernels."""
    patch.setattr(cpu_kernels, "load_library", lambda _source: None)


def assert_close(
    ours: tuple[Tensor, dict[str, Tensor]], theirs: tuple[Tensor, dict[str, Tensor]], tolerance: float
) -> None:  # fmt: skip
    expected = {"states": theirs[0], **theirs[1]}
    for name, one in {"states": ours[0], **ours[1]}.items():
        difference = torch.linalg.vector_norm(one - expected[name])
        assert difference <= tolerance * torch.linalg.vector_norm(expected[name]), name


class TestKernels:
    @pytest.mark.parametrize("mixed", BOTH)
    @pytest.mark.parametrize("layers", [1, 2])
    @pytest.mark.parametrize("hidden", [3, 16, 40])  # below, equal to and above the vector width
    def test_states_and_gradients_equal_those_of_pytorch_operations(
        self, mixed: bool, layers: int, hidden: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        torch.manual_seed(0)
        inputs = torch.randn(*MASK.shape, FEATURES, requires_grad=True)
        compiled = run(inputs, hidden, mixed=mixed, layers=layers)
        disable_kernels(monkeypatch)
        assert_close(compiled, run(inputs, hidden, mixed=mixed, layers=layers), 0.02 if mixed else 1e-6)

    @pytest.mark.parametrize("mixed", BOTH)
    @pytest.mark.parametrize("placed", BOTH)
    @pytest.mark.parametrize("scaled", BOTH)
    @pytest.mark.parametrize("shifted", BOTH)
    def test_factored_states_and_gradients_equal_those_of_pytorch_operations(
        self, mixed: bool, placed: bool, scaled: bool, shifted: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        parts = tokens(placed=placed, scaled=scaled, shifted=shifted)
        compiled = run(parts, 8, mixed=mixed)
        disable_kernels(monkeypatch)
        assert_close(compiled, run(parts, 8, mixed=mixed), 0.02 if mixed else 1e-6)

    def test_threads_change_only_rounding(self) -> None:
        inputs = torch.randn(*MASK.shape, FEATURES)
        threads, results = torch.get_num_threads(), []
        try:
            for number in (1, 2):
                torch.set_num_threads(number)
                results.append(run(inputs, 1056, mixed=False))  # large enough for two threads
        finally:
            torch.set_num_threads(threads)
        assert_close(results[0], results[1], 1e-6)

    @pytest.mark.parametrize("mixed", BOTH)
    def test_nan_propagates(self, mixed: bool) -> None:
        inputs = torch.randn(*MASK.shape, FEATURES)
        inputs[0, 2] = torch.nan
        states, grads = run(inputs, 8, mixed=mixed)
        assert states[0, 2:6, :8].isnan().all()
        assert not states[1:].isnan().any()
        assert all(grad.isnan().any() for grad in grads.values())

    def test_extreme_gates_saturate(self) -> None:
        network = MaskedBiGRU(FEATURES, 8, 1, dropout=0.0)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            states = network(torch.full((*MASK.shape, FEATURES), 1e4), MASK)[MASK]
        assert states.isfinite().all()
        assert states.abs().max() <= 1

    def test_float64_uses_pytorch_operations(self) -> None:
        torch.manual_seed(0)
        network, inputs = MaskedBiGRU(FEATURES, 8, 1, dropout=0.0), torch.randn(*MASK.shape, FEATURES)
        (states, grads), exact = (
            self.run_in_dtype(network.to(dtype), inputs.to(dtype)) for dtype in (torch.float32, torch.float64)
        )  # fmt: skip
        assert exact[0].dtype == torch.float64
        assert_close((states.double(), {name: grad.double() for name, grad in grads.items()}), exact, 1e-6)

    @staticmethod
    def run_in_dtype(network: MaskedBiGRU, inputs: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        network.zero_grad()
        states = network(inputs, MASK)
        assert type(states.grad_fn).__name__ == "BiGRUFunctionBackward"
        states[MASK].square().sum().backward()
        return states.detach(), {name: weight.grad.clone() for name, weight in network.named_parameters()}
