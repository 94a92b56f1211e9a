"""The shared layers, against slow versions that anybody can check."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from zhenwei.models.dropout import Dropout
from zhenwei.models.gru.autograd import read_both_ways
from zhenwei.models.gru.bigru_layer import MaskedBiGRU, mirrored_positions
from zhenwei.models.gru.buffers import Workspace
from zhenwei.models.gru.input_projection import EachToken
from zhenwei.models.gru.packing import Packing
from zhenwei.models.layers import MLP, MaskAttention, masked_mean

Floats = NDArray[np.float64]

LENGTHS = torch.tensor([5, 1, 3])
MASK = torch.arange(5) < LENGTHS[:, None]  # [3, 5]


def attend_slowly(inputs: Floats, length: int, weight: Floats, bias: float) -> tuple[Floats, Floats]:
    """Pool one article [T, D], token by token."""
    powers = [np.exp(inputs[place] @ weight + bias) for place in range(length)]
    weights = np.array([power / sum(powers) for power in powers] + [0.0] * (len(inputs) - length))
    return sum(weights[place] * inputs[place] for place in range(length)), weights


class TestMaskAttention:
    def test_it_is_a_softmax_over_the_real_tokens_alone(self) -> None:
        torch.manual_seed(0)
        attention, inputs = MaskAttention(4), torch.randn(3, 5, 4)
        pooled, weights = attention(inputs, MASK)
        for row, length in enumerate(LENGTHS.tolist()):
            expected = attend_slowly(
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

    def test_what_stands_at_padding_makes_no_difference(self) -> None:
        attention, inputs = MaskAttention(4), torch.randn(3, 5, 4)
        loud = torch.where(MASK.unsqueeze(-1), inputs, torch.tensor(1e6))
        assert torch.equal(
            attention(inputs * MASK.unsqueeze(-1), MASK)[0], attention(loud * MASK.unsqueeze(-1), MASK)[0]
        )
        torch.testing.assert_close(attention(loud, MASK)[1], attention(inputs, MASK)[1])

    def test_a_row_of_padding_alone_gives_zeros_and_finite_gradients(self) -> None:
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


def reference_gru(ours: MaskedBiGRU, features: int, hidden: int, layers: int) -> nn.GRU:
    """Build torch's own bidirectional GRU with the same weights."""
    theirs = nn.GRU(features, hidden, layers, batch_first=True, bidirectional=True)
    for depth in range(layers):
        for suffix, layer in (("", ours.forward_layers[depth]), ("_reverse", ours.backward_layers[depth])):
            for name, weight in layer.named_parameters():
                getattr(theirs, name.replace("_l0", f"_l{depth}{suffix}")).data.copy_(weight.data)
    return theirs


class TestMaskedBiGRU:
    @pytest.mark.parametrize("layers", [1, 2])
    def test_it_equals_torch_on_packed_sequences(self, layers: int) -> None:
        torch.manual_seed(0)
        ours = MaskedBiGRU(4, 3, layers, dropout=0.5).eval()
        theirs = reference_gru(ours, 4, 3, layers)
        inputs = torch.randn(3, 5, 4)
        packed = pack_padded_sequence(inputs, LENGTHS, batch_first=True, enforce_sorted=False)
        expected, _ = pad_packed_sequence(theirs(packed)[0], batch_first=True)
        torch.testing.assert_close(ours(inputs, MASK)[MASK], expected[MASK], atol=1e-6, rtol=1e-5)

    @pytest.mark.parametrize("layers", [1, 2])
    def test_gradients_are_those_of_torch(self, layers: int) -> None:
        torch.manual_seed(0)
        ours = MaskedBiGRU(4, 3, layers, dropout=0.0)
        theirs = reference_gru(ours, 4, 3, layers)
        inputs, same = (torch.ones(3, 5, 4).cumsum(1).sin().requires_grad_() for _ in range(2))
        packed = pack_padded_sequence(same, LENGTHS, batch_first=True, enforce_sorted=False)
        pad_packed_sequence(theirs(packed)[0], batch_first=True)[0][MASK].square().sum().backward()
        ours(inputs, MASK)[MASK].square().sum().backward()
        torch.testing.assert_close(inputs.grad, same.grad)
        for depth in range(layers):
            for suffix, layer in (("", ours.forward_layers[depth]), ("_reverse", ours.backward_layers[depth])):
                for name, weight in layer.named_parameters():
                    expected = getattr(theirs, name.replace("_l0", f"_l{depth}{suffix}")).grad
                    torch.testing.assert_close(weight.grad, expected)

    def test_it_gives_the_same_whether_it_is_trained_or_not(self) -> None:
        torch.manual_seed(0)
        gru, inputs = MaskedBiGRU(4, 3, 2, dropout=0.0), torch.randn(3, 5, 4)
        with torch.no_grad():
            judged = gru(inputs, MASK)
        assert gru(inputs, MASK).grad_fn is not None
        torch.testing.assert_close(gru(inputs, MASK)[MASK], judged[MASK], atol=1e-6, rtol=1e-5)

    def test_no_rows_at_all_will_do(self) -> None:
        assert MaskedBiGRU(4, 3, 1, dropout=0.0)(torch.randn(0, 5, 4), MASK[:0]).shape == (0, 5, 6)

    def test_nothing_flows_back_into_padding(self) -> None:
        gru, inputs = MaskedBiGRU(4, 3, 1, dropout=0.0), torch.randn(3, 5, 4, requires_grad=True)
        gru(inputs, MASK)[MASK].sum().backward()
        assert inputs.grad is not None
        assert not inputs.grad[~MASK].any()
        assert inputs.grad[MASK].all()

    def test_a_graph_is_walked_back_once(self) -> None:
        states = MaskedBiGRU(4, 3, 1, dropout=0.0)(torch.randn(3, 5, 4), MASK).sum()
        states.backward(retain_graph=True)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            states.backward()

    def test_mixed_precision_gives_states_in_its_type_and_stays_near(self) -> None:
        torch.manual_seed(0)
        gru, inputs = MaskedBiGRU(16, 8, 2, dropout=0.0), torch.randn(3, 5, 16)
        whole = gru(inputs, MASK)
        whole[MASK].square().sum().backward()
        expected = {name: weight.grad.clone() for name, weight in gru.named_parameters()}
        gru.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            coarse = gru(inputs, MASK)
        coarse[MASK].float().square().sum().backward()
        assert coarse.dtype == torch.bfloat16
        torch.testing.assert_close(coarse[MASK].float(), whole[MASK], atol=0.02, rtol=0.02)
        for name, weight in gru.named_parameters():
            assert torch.linalg.vector_norm(weight.grad - expected[name]) < 0.03 * torch.linalg.vector_norm(
                expected[name]
            )

    def test_mixed_precision_holds_what_a_long_text_adds_up(self) -> None:
        """A gate that lets a thousandth through at each token: in bf16 it would be shut."""
        gru = MaskedBiGRU(1, 2, 1, dropout=0.0)
        for weight in gru.parameters():
            weight.data.zero_()
        for layer in (gru.forward_layers[0], gru.backward_layers[0]):
            layer.bias_ih_l0.data[2:4] = 6.9  # z
            layer.bias_ih_l0.data[4:6] = 2.0  # n
        inputs, mask = torch.zeros(1, 600, 1), torch.ones(1, 600, dtype=torch.bool)
        with torch.autocast("cpu", torch.bfloat16):
            states = gru(inputs, mask)
        through = 1 - torch.tensor(6.9).bfloat16().float().sigmoid().item()
        assert states[0, -1, 0].item() == pytest.approx(0.964 * (1 - (1 - through) ** 600), rel=0.02)

    @pytest.mark.parametrize("layers", [1, 2])
    def test_scoring_in_mixed_precision_gives_what_training_gives(self, layers: int) -> None:
        torch.manual_seed(0)
        gru, inputs = MaskedBiGRU(16, 8, layers, dropout=0.0), torch.randn(3, 5, 16)
        with torch.autocast("cpu", torch.bfloat16):
            trained = gru(inputs, MASK)
            with torch.inference_mode():
                judged = gru(inputs, MASK)
        assert judged.grad_fn is None
        assert torch.equal(judged, trained)

    def test_scoring_in_mixed_precision_stays_near_torch_in_float32(self) -> None:
        torch.manual_seed(0)
        gru = MaskedBiGRU(16, 8, 1, dropout=0.0)
        theirs, inputs = reference_gru(gru, 16, 8, 1), torch.randn(3, 5, 16)
        packed = pack_padded_sequence(inputs, LENGTHS, batch_first=True, enforce_sorted=False)
        with torch.inference_mode():
            expected, _ = pad_packed_sequence(theirs(packed)[0], batch_first=True)
            with torch.autocast("cpu", torch.bfloat16):
                judged = gru(inputs, MASK)
        torch.testing.assert_close(judged[MASK].float(), expected[MASK], atol=0.02, rtol=0.02)

    def test_scoring_in_mixed_precision_is_blind_to_padding(self) -> None:
        gru, inputs = MaskedBiGRU(16, 8, 2, dropout=0.0), torch.randn(3, 5, 16)
        loud = torch.where(MASK.unsqueeze(-1), inputs, torch.tensor(1e3))
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(gru(inputs, MASK)[MASK], gru(loud, MASK)[MASK])

    def test_no_rows_at_all_will_do_in_mixed_precision(self) -> None:
        gru = MaskedBiGRU(4, 3, 1, dropout=0.0)
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            assert gru(torch.randn(0, 5, 4), MASK[:0]).shape == (0, 5, 6)

    def test_in_float32_both_directions_at_once_are_torch_to_rounding(self) -> None:
        torch.manual_seed(0)
        theirs, inputs = nn.GRU(4, 3, bidirectional=True), torch.randn(5, 3, 4)
        weights = list(theirs.parameters())  # of the forward direction, and then of the other
        with torch.no_grad():
            packing = Packing.of(torch.ones(3, 5, dtype=torch.bool))
            states = read_both_ways(inputs.transpose(0, 1).flatten(0, 1), EachToken(packing), weights, Workspace())
            torch.testing.assert_close(states, theirs(inputs)[0].transpose(0, 1), atol=1e-6, rtol=1e-5)

    @pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
    def test_where_a_graph_is_made_the_same_numbers_come_out(self) -> None:
        torch.manual_seed(0)
        gru, inputs = MaskedBiGRU(4, 3, 2, dropout=0.0).eval(), torch.randn(3, 5, 4)
        traced = torch.jit.trace(gru, (inputs, MASK), check_trace=False)
        with torch.no_grad():
            assert not any("BiGRUFunction" in str(node) for node in traced.graph.nodes())
            torch.testing.assert_close(traced(inputs, MASK)[MASK], gru(inputs, MASK)[MASK], atol=1e-6, rtol=1e-5)

    def test_a_row_of_padding_alone_leaves_the_others_as_they_are(self) -> None:
        gru, inputs = MaskedBiGRU(4, 3, 2, dropout=0.0), torch.randn(2, 5, 4)
        mask = torch.tensor([[True] * 5, [False] * 5])
        both = gru(inputs, mask)
        assert torch.isfinite(both).all()
        torch.testing.assert_close(both[0], gru(inputs[:1], mask[:1])[0])

    def test_dropout_acts_between_layers_only(self) -> None:
        inputs, full = torch.randn(1, 5, 4), torch.ones(1, 5, dtype=torch.bool)
        one, two = (MaskedBiGRU(4, 3, layers, dropout=0.5).train() for layers in (1, 2))
        assert torch.equal(one(inputs, full), one(inputs, full))
        assert not torch.equal(two(inputs, full), two(inputs, full))

    def test_rows_are_mirrored_within_their_length(self) -> None:
        assert mirrored_positions(MASK).tolist() == [[4, 3, 2, 1, 0], [0, 1, 2, 3, 4], [2, 1, 0, 3, 4]]
