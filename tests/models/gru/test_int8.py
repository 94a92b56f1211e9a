"""Scoring by a GRU whose states are multiplied in 8 bits, against the same by PyTorch's operations in float32."""

from contextlib import suppress
from typing import Any

import pytest
import torch
from tests.models.gru.test_input_projection import tokens
from tests.models.test_bigru import batch_of, build
from torch import Tensor

from zhenwei.bundle.predict_logits import prediction_precision
from zhenwei.models import bigru
from zhenwei.models.gru import autograd as gru_function
from zhenwei.models.gru import int8 as gru_int8
from zhenwei.models.gru.bigru_layer import MaskedBiGRU
from zhenwei.models.gru.coarse import allows_int8_states, int8_states
from zhenwei.models.gru.factored_embeddings import TokenRows
from zhenwei.models.gru.int8 import multiplies_int8, read_in_int8

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
def judged(gru: MaskedBiGRU, inputs: Tensor | TokenRows, *, mixed: bool = False) -> Tensor:
    """Return the states of all real tokens [N, 2H]."""
    with int8_states(), torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        return gru(inputs, MASK)[MASK].float()


def whole(values: Tensor, unit: Tensor | float) -> Tensor:
    """Round to whole numbers of units."""
    return torch.round(values / unit) * unit


def read_slowly(vectors: Tensor, gru: MaskedBiGRU) -> Tensor:
    """Read each row by itself, token by token, with states and weights of so few values: [N, 2H]."""
    found = torch.zeros(*MASK.shape, 2 * gru.hidden)
    for way, layers in enumerate((gru.forward_layers, gru.backward_layers)):
        w_ih, w_hh, b_ih, b_hh = (weight.detach() for weight in layers[0].parameters())
        w_hh = whole(w_hh, w_hh.abs().amax(dim=1, keepdim=True) / 127)
        for row, length in enumerate(MASK.sum(dim=1).tolist()):
            state = torch.zeros(gru.hidden)
            for step in range(length) if way == 0 else reversed(range(length)):
                heard = vectors[row, step] @ w_ih.t() + b_ih
                said = whole(state, 1 / 127) @ w_hh.t() + b_hh
                (r, z, n), (sr, sz, sn) = heard.chunk(3), said.chunk(3)
                n = torch.tanh(n + torch.sigmoid(r + sr) * sn)
                state = torch.lerp(n, state, torch.sigmoid(z + sz))
                found[row, step, way * gru.hidden : (way + 1) * gru.hidden] = state
    return found[MASK]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of hidden units of the layers that were read in 8 bits."""
    made: list[int] = []

    def spy(room: Any, weights: Any, states: Tensor) -> bool:
        done = read_in_int8(room, weights, states)
        if done:
            made.append(states.shape[-1])
        return done

    monkeypatch.setattr(gru_function, "read_in_int8", spy)
    return made


@pytest.fixture
def processor() -> None:
    with int8_states():
        there = multiplies_int8(256)
    if not there:
        pytest.skip("needs a C++ compiler, and a processor with AVX-512 VNNI")


@pytest.mark.usefixtures("compiler", "processor")
class TestStates:
    @pytest.mark.parametrize("hidden", [256, 272])  # an even number of tiles, and an odd one
    def test_they_are_those_of_rounded_states_and_weights(self, hidden: int, calls: list[int]) -> None:
        vectors, gru = torch.randn(*MASK.shape, FEATURES), network(hidden)
        found, expected = judged(gru, vectors), read_slowly(vectors, gru)
        assert calls == [hidden]
        apart = (found - expected).abs()  # a state on the border of two whole numbers may fall to either side
        assert apart.mean() < 1e-5
        assert apart.max() < 1e-3

    @pytest.mark.parametrize("mixed", BOTH)
    @pytest.mark.parametrize("layers", [1, 2])
    def test_they_are_close_to_those_in_float32(self, mixed: bool, layers: int, calls: list[int]) -> None:
        vectors, gru = torch.randn(*MASK.shape, FEATURES), network(256, layers)
        with torch.inference_mode():
            expected = gru(vectors, MASK)[MASK]
        assert (judged(gru, vectors, mixed=mixed) - expected).abs().max() < 0.01
        assert calls == [256] * layers

    @pytest.mark.parametrize("mixed", BOTH)
    @pytest.mark.parametrize("placed", BOTH)
    @pytest.mark.parametrize("scaled", BOTH)
    @pytest.mark.parametrize("shifted", BOTH)
    def test_so_they_are_where_tokens_share(
        self, mixed: bool, placed: bool, scaled: bool, shifted: bool, calls: list[int]
    ) -> None:
        parts, gru = tokens(placed=placed, scaled=scaled, shifted=shifted), network(256)
        with torch.inference_mode():
            expected = gru(parts.dense(), MASK)[MASK]
        assert (judged(gru, parts, mixed=mixed) - expected).abs().max() < (0.03 if mixed else 0.01)
        assert calls == [256]

    def test_threads_change_nothing(self) -> None:
        parts, gru = tokens(placed=True, scaled=True, shifted=True), network(2048)  # wide enough to be shared out
        threads, results = torch.get_num_threads(), []
        try:
            for number in (1, 2, 3):
                torch.set_num_threads(number)
                results.append(judged(gru, parts))
        finally:
            torch.set_num_threads(threads)
        torch.testing.assert_close(results[1], results[0], atol=1e-3, rtol=0)  # the inputs' product may round
        torch.testing.assert_close(results[2], results[0], atol=1e-3, rtol=0)

    def test_weights_may_be_zero(self) -> None:
        gru = network(256)
        with torch.no_grad():
            for weight in gru.parameters():
                weight.zero_()
        assert judged(gru, torch.randn(*MASK.shape, FEATURES)).abs().max() < 1e-6

    @pytest.mark.parametrize("where", ["weights", "inputs"])
    def test_what_is_no_number_stays_none(self, where: str) -> None:
        gru, vectors = network(256), torch.randn(*MASK.shape, FEATURES)
        if where == "weights":
            with torch.no_grad():
                gru.forward_layers[0].weight_hh_l0[300, 17] = torch.nan  # type: ignore[index, operator]
        else:
            vectors[0, 0] = torch.nan
        found = judged(gru, vectors)
        if where == "weights":
            assert found[:, 300 - 256].isnan().all()
        else:
            assert found[0, :256].isnan().all()
            assert not found[6:].isnan().any()  # those of the other rows


@pytest.mark.usefixtures("compiler", "processor")
class TestWhereItIs:
    def test_many_articles_are_scored_so_in_parts(self, calls: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bigru, "PART", 4)
        torch.manual_seed(0)
        judge = build(emb_dim=16, hidden_dim=256, dropout=0.0).eval()
        batch = batch_of(*(torch.randint(1, 7, (length,)).tolist() for length in (5, 2, 9, 1, 7, 7, 3, 12, 4)))
        with torch.inference_mode():
            expected = judge(batch).logits
            with prediction_precision("auto", "cpu"):
                found = judge(batch).logits
        assert calls == [256] * 3
        assert found.dtype == torch.float32  # the head is not computed in bf16
        assert 0 < (found - expected).abs().max() < 0.01

    def test_it_has_to_be_allowed(self, calls: list[int]) -> None:
        gru, vectors = network(256), torch.randn(*MASK.shape, FEATURES)
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            gru(vectors, MASK)
        assert not calls

    def test_never_where_gradients_are_asked_for(self, calls: list[int]) -> None:
        with int8_states():
            network(256)(torch.randn(*MASK.shape, FEATURES), MASK)[MASK].sum().backward()
        assert not calls

    @pytest.mark.parametrize("hidden", [128, 264])  # too few to gain anything; no multiple of 16
    def test_other_sizes_are_read_as_ever(self, hidden: int, calls: list[int]) -> None:
        gru, vectors = network(hidden), torch.randn(*MASK.shape, FEATURES)
        with torch.inference_mode():
            torch.testing.assert_close(judged(gru, vectors), gru(vectors, MASK)[MASK], atol=1e-5, rtol=0)
        assert not calls

    def test_another_type_is_read_as_ever(self, calls: list[int]) -> None:
        judged(network(256).double(), torch.randn(*MASK.shape, FEATURES).double())
        assert not calls


def test_without_the_instructions_it_is_read_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gru_int8, "load_library", lambda _source: type("Old", (), {"rows_at_once": lambda _hidden: 0}))
    gru, vectors = network(256), torch.randn(*MASK.shape, FEATURES)
    with torch.inference_mode():
        torch.testing.assert_close(judged(gru, vectors), gru(vectors, MASK)[MASK], atol=1e-5, rtol=0)


def test_a_batch_of_padding_alone_has_states_of_zero() -> None:
    with torch.inference_mode(), int8_states():
        assert not network(256)(torch.randn(2, 3, FEATURES), torch.zeros(2, 3, dtype=torch.bool)).any()


def test_a_graph_of_it_can_still_be_made() -> None:
    given = torch.randn(*MASK.shape, FEATURES), MASK
    with torch.no_grad():
        graph = torch.export.export(network(8), given, strict=True)
        torch.testing.assert_close(graph.module()(*given)[MASK], network(8)(*given)[MASK], atol=1e-5, rtol=0)


def test_it_is_allowed_within_the_context_alone() -> None:
    with suppress(ValueError), int8_states():
        assert allows_int8_states()
        raise ValueError
    assert not allows_int8_states()
