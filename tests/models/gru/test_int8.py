"""Int8 recurrent inference, against PyTorch operations in float32."""

from contextlib import suppress
from typing import Any

import pytest
import torch
from tests.models.gru.test_input_projection import tokens
from tests.models.test_bigru import batch_of, build
from torch import Tensor

from zhenwei.bundle.predict_logits import prediction_precision
from zhenwei.models import bigru
from zhenwei.models.gru import autograd, int8
from zhenwei.models.gru.bigru_layer import MaskedBiGRU
from zhenwei.models.gru.input_projection import FactoredEmbeddings
from zhenwei.models.gru.int8 import forward_int8, int8_inference, int8_inference_enabled, uses_int8

FEATURES = 16
MASK = torch.arange(6) < torch.tensor([6, 1, 3, 6, 0, 4, 5, 6, 1])[:, None]
BOTH = (False, True)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def network(hidden: int, layers: int = 1) -> MaskedBiGRU:
    torch.manual_seed(1)
    return MaskedBiGRU(FEATURES, hidden, layers, dropout=0.0).eval()


@torch.inference_mode()
def int8_output(gru: MaskedBiGRU, inputs: Tensor | FactoredEmbeddings, *, mixed: bool = False) -> Tensor:
    """Return the int8 states of all real tokens [N, 2H]."""
    with int8_inference(), torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        return gru(inputs, MASK)[MASK].float()


def quantized(values: Tensor, scale: Tensor | float) -> Tensor:
    """Round to multiples of a scale."""
    return torch.round(values / scale) * scale


def reference_states(vectors: Tensor, gru: MaskedBiGRU) -> Tensor:
    """Compute each row, token by token, with quantized states and weights: [N, 2H]."""
    states = torch.zeros(*MASK.shape, 2 * gru.hidden)
    for direction, layers in enumerate((gru.forward_layers, gru.backward_layers)):
        w_ih, w_hh, b_ih, b_hh = (weight.detach() for weight in layers[0].parameters())
        w_hh = quantized(w_hh, w_hh.abs().amax(dim=1, keepdim=True) / 127)
        for row, length in enumerate(MASK.sum(dim=1).tolist()):
            h = torch.zeros(gru.hidden)
            for step in range(length) if direction == 0 else reversed(range(length)):
                input_proj = vectors[row, step] @ w_ih.t() + b_ih
                hidden_proj = quantized(h, 1 / 127) @ w_hh.t() + b_hh
                (input_r, input_z, input_n), (hidden_r, hidden_z, hidden_n) = input_proj.chunk(3), hidden_proj.chunk(3)
                r, z = torch.sigmoid(input_r + hidden_r), torch.sigmoid(input_z + hidden_z)
                n = torch.tanh(input_n + r * hidden_n)
                h = torch.lerp(n, h, z)
                states[row, step, direction * gru.hidden : (direction + 1) * gru.hidden] = h
    return states[MASK]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Record the hidden units of each layer that is computed in int8."""
    hidden_units: list[int] = []

    def spy(buffers: Any, w_hh: Any, output: Tensor) -> bool:
        done = forward_int8(buffers, w_hh, output)
        if done:
            hidden_units.append(output.shape[-1])
        return done

    monkeypatch.setattr(autograd, "forward_int8", spy)
    return hidden_units


@pytest.fixture
def processor() -> None:
    with int8_inference():
        is_supported = uses_int8(256)
    if not is_supported:
        pytest.skip("needs a C++ compiler, and a processor with AVX-512 VNNI")


@pytest.mark.usefixtures("compiler", "processor")
class TestStates:
    @pytest.mark.parametrize("hidden", [256, 272])  # an even number of tiles, and an odd one
    def test_states_equal_a_reference_with_quantized_states_and_weights(self, hidden: int, calls: list[int]) -> None:
        vectors, gru = torch.randn(*MASK.shape, FEATURES), network(hidden)
        result, expected = int8_output(gru, vectors), reference_states(vectors, gru)
        assert calls == [hidden]
        difference = (result - expected).abs()  # a state halfway between two levels may round either way
        assert difference.mean() < 1e-5
        assert difference.max() < 1e-3

    @pytest.mark.parametrize("mixed", BOTH)
    @pytest.mark.parametrize("layers", [1, 2])
    def test_states_are_close_to_float32(self, mixed: bool, layers: int, calls: list[int]) -> None:
        vectors, gru = torch.randn(*MASK.shape, FEATURES), network(256, layers)
        with torch.inference_mode():
            expected = gru(vectors, MASK)[MASK]
        assert (int8_output(gru, vectors, mixed=mixed) - expected).abs().max() < 0.01
        assert calls == [256] * layers

    @pytest.mark.parametrize("mixed", BOTH)
    @pytest.mark.parametrize("placed", BOTH)
    @pytest.mark.parametrize("scaled", BOTH)
    @pytest.mark.parametrize("shifted", BOTH)
    def test_factored_states_are_close_to_float32(
        self, mixed: bool, placed: bool, scaled: bool, shifted: bool, calls: list[int]
    ) -> None:
        parts, gru = tokens(placed=placed, scaled=scaled, shifted=shifted), network(256)
        with torch.inference_mode():
            expected = gru(parts.dense(), MASK)[MASK]
        assert (int8_output(gru, parts, mixed=mixed) - expected).abs().max() < (0.03 if mixed else 0.01)
        assert calls == [256]

    def test_results_do_not_depend_on_threads(self) -> None:
        parts, gru = tokens(placed=True, scaled=True, shifted=True), network(1824)  # large enough for several threads
        threads, results = torch.get_num_threads(), []
        try:
            for number in (1, 2, 3):
                torch.set_num_threads(number)
                results.append(int8_output(gru, parts))
        finally:
            torch.set_num_threads(threads)
        torch.testing.assert_close(results[1], results[0], atol=1e-3, rtol=0)  # the input projections may round
        torch.testing.assert_close(results[2], results[0], atol=1e-3, rtol=0)

    def test_zero_weights(self) -> None:
        gru = network(256)
        with torch.no_grad():
            for weight in gru.parameters():
                weight.zero_()
        assert int8_output(gru, torch.randn(*MASK.shape, FEATURES)).abs().max() < 1e-6

    @pytest.mark.parametrize("where", ["weights", "inputs"])
    def test_nan_propagates(self, where: str) -> None:
        gru, vectors = network(256), torch.randn(*MASK.shape, FEATURES)
        if where == "weights":
            with torch.no_grad():
                gru.forward_layers[0].weight_hh_l0[300, 17] = torch.nan  # type: ignore[index, operator]
        else:
            vectors[0, 0] = torch.nan
        result = int8_output(gru, vectors)
        if where == "weights":
            assert result[:, 300 - 256].isnan().all()
        else:
            assert result[0, :256].isnan().all()
            assert not result[6:].isnan().any()  # those of the other rows


@pytest.mark.usefixtures("compiler", "processor")
class TestWhenUsed:
    def test_large_batches_use_int8_in_chunks(self, calls: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bigru, "CHUNK", 4)
        torch.manual_seed(0)
        detector = build(emb_dim=16, hidden_dim=256, dropout=0.0).eval()
        batch = batch_of(*(torch.randint(1, 7, (length,)).tolist() for length in (5, 2, 9, 1, 7, 7, 3, 12, 4)))
        with torch.inference_mode():
            expected = detector(batch).logits
            with prediction_precision("auto", "cpu"):
                result = detector(batch).logits
        assert calls == [256] * 3
        assert result.dtype == torch.float32  # the head is not computed in bf16
        assert 0 < (result - expected).abs().max() < 0.01

    def test_int8_is_opt_in(self, calls: list[int]) -> None:
        gru, vectors = network(256), torch.randn(*MASK.shape, FEATURES)
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            gru(vectors, MASK)
        assert not calls

    def test_training_does_not_use_int8(self, calls: list[int]) -> None:
        with int8_inference():
            network(256)(torch.randn(*MASK.shape, FEATURES), MASK)[MASK].sum().backward()
        assert not calls

    @pytest.mark.parametrize("hidden", [128, 264])  # too few to be faster; not a multiple of 16
    def test_unsupported_sizes_do_not_use_int8(self, hidden: int, calls: list[int]) -> None:
        gru, vectors = network(hidden), torch.randn(*MASK.shape, FEATURES)
        with torch.inference_mode():
            torch.testing.assert_close(int8_output(gru, vectors), gru(vectors, MASK)[MASK], atol=1e-5, rtol=0)
        assert not calls

    def test_float64_does_not_use_int8(self, calls: list[int]) -> None:
        int8_output(network(256).double(), torch.randn(*MASK.shape, FEATURES).double())
        assert not calls


def test_processors_without_vnni_do_not_use_int8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(int8, "load_library", lambda _source: type("NoVNNI", (), {"rows_per_tile": lambda _hidden: 0}))
    gru, vectors = network(256), torch.randn(*MASK.shape, FEATURES)
    with torch.inference_mode():
        torch.testing.assert_close(int8_output(gru, vectors), gru(vectors, MASK)[MASK], atol=1e-5, rtol=0)


def test_a_batch_of_padding_has_zero_states() -> None:
    with torch.inference_mode(), int8_inference():
        assert not network(256)(torch.randn(2, 3, FEATURES), torch.zeros(2, 3, dtype=torch.bool)).any()


@pytest.mark.slow  # imports PyTorch's compiler
@pytest.mark.nightly
def test_export_does_not_use_int8() -> None:
    given = torch.randn(*MASK.shape, FEATURES), MASK
    with torch.no_grad():
        graph = torch.export.export(network(8), given, strict=True)
        torch.testing.assert_close(graph.module()(*given)[MASK], network(8)(*given)[MASK], atol=1e-5, rtol=0)


def test_int8_is_enabled_within_the_context_only() -> None:
    with suppress(ValueError), int8_inference():
        assert int8_inference_enabled()
        raise ValueError
    assert not int8_inference_enabled()
