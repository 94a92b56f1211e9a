"""The bidirectional GRU, against PyTorch's own on packed sequences."""

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from zhenwei.models.gru.autograd import bigru_inference
from zhenwei.models.gru.bigru_layer import MaskedBiGRU, mirrored_positions
from zhenwei.models.gru.buffers import BufferPool
from zhenwei.models.gru.input_projection import DenseInputs
from zhenwei.models.gru.packing import Packing

LENGTHS = torch.tensor([5, 1, 3])
MASK = torch.arange(5) < LENGTHS[:, None]  # [3, 5]


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
    def test_gradients_equal_torch(self, layers: int) -> None:
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

    def test_training_and_inference_give_equal_states(self) -> None:
        torch.manual_seed(0)
        gru, inputs = MaskedBiGRU(4, 3, 2, dropout=0.0), torch.randn(3, 5, 4)
        with torch.no_grad():
            predicted = gru(inputs, MASK)
        assert gru(inputs, MASK).grad_fn is not None
        torch.testing.assert_close(gru(inputs, MASK)[MASK], predicted[MASK], atol=1e-6, rtol=1e-5)

    def test_an_empty_batch(self) -> None:
        assert MaskedBiGRU(4, 3, 1, dropout=0.0)(torch.randn(0, 5, 4), MASK[:0]).shape == (0, 5, 6)

    def test_padding_gets_no_gradient(self) -> None:
        gru, inputs = MaskedBiGRU(4, 3, 1, dropout=0.0), torch.randn(3, 5, 4, requires_grad=True)
        gru(inputs, MASK)[MASK].sum().backward()
        assert inputs.grad is not None
        assert not inputs.grad[~MASK].any()
        assert inputs.grad[MASK].all()

    def test_a_second_backward_pass_is_an_error(self) -> None:
        states = MaskedBiGRU(4, 3, 1, dropout=0.0)(torch.randn(3, 5, 4), MASK).sum()
        states.backward(retain_graph=True)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            states.backward()

    def test_mixed_precision_is_close_to_float32(self) -> None:
        torch.manual_seed(0)
        gru, inputs = MaskedBiGRU(16, 8, 2, dropout=0.0), torch.randn(3, 5, 16)
        float32 = gru(inputs, MASK)
        float32[MASK].square().sum().backward()
        expected = {name: weight.grad.clone() for name, weight in gru.named_parameters()}
        gru.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            bf16 = gru(inputs, MASK)
        bf16[MASK].float().square().sum().backward()
        assert bf16.dtype == torch.bfloat16
        torch.testing.assert_close(bf16[MASK].float(), float32[MASK], atol=0.02, rtol=0.02)
        for name, weight in gru.named_parameters():
            assert torch.linalg.vector_norm(weight.grad - expected[name]) < 0.03 * torch.linalg.vector_norm(
                expected[name]
            )

    def test_mixed_precision_accumulates_over_long_texts(self) -> None:
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
    def test_inference_in_mixed_precision_equals_training(self, layers: int) -> None:
        torch.manual_seed(0)
        gru, inputs = MaskedBiGRU(16, 8, layers, dropout=0.0), torch.randn(3, 5, 16)
        with torch.autocast("cpu", torch.bfloat16):
            trained = gru(inputs, MASK)
            with torch.inference_mode():
                predicted = gru(inputs, MASK)
        assert predicted.grad_fn is None
        assert torch.equal(predicted, trained)

    def test_inference_in_mixed_precision_is_close_to_torch_in_float32(self) -> None:
        torch.manual_seed(0)
        gru = MaskedBiGRU(16, 8, 1, dropout=0.0)
        theirs, inputs = reference_gru(gru, 16, 8, 1), torch.randn(3, 5, 16)
        packed = pack_padded_sequence(inputs, LENGTHS, batch_first=True, enforce_sorted=False)
        with torch.inference_mode():
            expected, _ = pad_packed_sequence(theirs(packed)[0], batch_first=True)
            with torch.autocast("cpu", torch.bfloat16):
                predicted = gru(inputs, MASK)
        torch.testing.assert_close(predicted[MASK].float(), expected[MASK], atol=0.02, rtol=0.02)

    def test_inference_in_mixed_precision_ignores_padding(self) -> None:
        gru, inputs = MaskedBiGRU(16, 8, 2, dropout=0.0), torch.randn(3, 5, 16)
        loud = torch.where(MASK.unsqueeze(-1), inputs, torch.tensor(1e3))
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(gru(inputs, MASK)[MASK], gru(loud, MASK)[MASK])

    def test_an_empty_batch_in_mixed_precision(self) -> None:
        gru = MaskedBiGRU(4, 3, 1, dropout=0.0)
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            assert gru(torch.randn(0, 5, 4), MASK[:0]).shape == (0, 5, 6)

    def test_bigru_inference_equals_torch_in_float32(self) -> None:
        torch.manual_seed(0)
        theirs, inputs = nn.GRU(4, 3, bidirectional=True), torch.randn(5, 3, 4)
        weights = list(theirs.parameters())  # of the forward direction, and then of the other
        with torch.no_grad():
            packing = Packing.from_mask(torch.ones(3, 5, dtype=torch.bool))
            states = bigru_inference(inputs.transpose(0, 1).flatten(0, 1), DenseInputs(packing), weights, BufferPool())
            torch.testing.assert_close(states, theirs(inputs)[0].transpose(0, 1), atol=1e-6, rtol=1e-5)

    @pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
    def test_a_traced_graph_gives_equal_states(self) -> None:
        torch.manual_seed(0)
        gru, inputs = MaskedBiGRU(4, 3, 2, dropout=0.0).eval(), torch.randn(3, 5, 4)
        traced = torch.jit.trace(gru, (inputs, MASK), check_trace=False)
        with torch.no_grad():
            assert not any("BiGRUFunction" in str(node) for node in traced.graph.nodes())
            torch.testing.assert_close(traced(inputs, MASK)[MASK], gru(inputs, MASK)[MASK], atol=1e-6, rtol=1e-5)

    def test_a_row_of_padding_does_not_affect_other_rows(self) -> None:
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
