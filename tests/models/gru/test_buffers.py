"""Memory that one batch after another computes in."""

import copy
import pickle

import pytest
import torch
from tests.models.gru.test_input_projection import MASK, gradients, gru, tokens

from zhenwei.models.gru import buffers as workspace
from zhenwei.models.gru.bigru_layer import MaskedBiGRU
from zhenwei.models.gru.buffers import SMALL, Workspace

LIKE = torch.zeros(1)


class TestWorkspace:
    def test_what_was_put_back_is_taken_again(self) -> None:
        own = Workspace()
        memory = own.take("states", 10, LIKE)
        assert len(memory) >= 10
        own.put("states", memory)
        assert own.take("states", 10, LIKE).data_ptr() == memory.data_ptr()

    def test_while_it_is_away_there_is_other_memory(self) -> None:
        own = Workspace()
        one, other = (own.take("states", 10, LIKE) for _ in range(2))
        assert one.data_ptr() != other.data_ptr()

    def test_memory_of_another_name_type_or_size_is_other_memory(self) -> None:
        own = Workspace()
        with own.lent("states", (2, 5), LIKE) as memory:
            assert memory.shape == (2, 5)
        more = own.take("states", 10**8, LIKE)
        assert len(more) >= 10**8
        with own.lent("states", (2, 5), LIKE):
            pass
        assert own.take("states", 10, LIKE.half()).dtype == torch.float16
        assert own.take("room", 10, LIKE).dtype == torch.float32

    def test_inference_lends_autograd_nothing(self) -> None:
        own = Workspace()
        with torch.inference_mode(), own.lent("states", (10,), LIKE):
            pass
        assert not own.take("states", 10, LIKE).is_inference()

    def test_where_all_memory_is_filled_there_is_no_more_of_it_than_needed(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:  # fmt: skip
        assert len(Workspace().take("states", SMALL + 1, LIKE)) > SMALL + 1
        monkeypatch.setattr(workspace, "are_deterministic_algorithms_enabled", lambda: True)
        assert len(Workspace().take("states", SMALL + 1, LIKE)) == SMALL + 1

    def test_memory_comes_back_after_an_error(self) -> None:
        own = Workspace()
        with pytest.raises(ValueError, match="no"), own.lent("states", (10,), LIKE) as memory:
            raise ValueError("no")
        assert own.take("states", 10, LIKE).data_ptr() == memory.data_ptr()

    @pytest.mark.parametrize("copied", [copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])
    def test_a_copy_is_empty(self, copied: object) -> None:
        own = Workspace()
        with own.lent("states", (10,), LIKE) as memory:
            pass
        other = copied(own)  # type: ignore[operator]
        assert other.take("states", 10, LIKE).data_ptr() != memory.data_ptr()
        assert own.take("states", 10, LIKE).data_ptr() == memory.data_ptr()


def passing_gru(layers: int = 1) -> MaskedBiGRU:
    """The GRU of these tests, whose states may go when they have been walked back."""
    network = gru(layers)
    network.states_stay = False
    return network


class TestInAGRU:
    @pytest.mark.parametrize("mixed", [False, True])
    @pytest.mark.parametrize("layers", [1, 2])
    def test_gradients_are_not_in_memory_that_the_next_batch_takes(self, mixed: bool, layers: int) -> None:
        parts, network = tokens(placed=True, scaled=True, shifted=True), passing_gru(layers)
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            network(parts, MASK).float().square().sum().backward()
            before = {name: weight.grad.clone() for name, weight in network.named_parameters()}
            network(parts, MASK)
        for name, weight in network.named_parameters():
            assert torch.equal(weight.grad, before[name]), name

    def test_two_batches_may_be_walked_back_together(self) -> None:
        parts, network = tokens(placed=True, scaled=True, shifted=True), passing_gru()
        _, once = gradients(network, parts)
        network.zero_grad()
        both = [network(parts, MASK)[MASK] for _ in range(2)]
        (sum(both) * torch.linspace(-1, 1, both[0].shape[1])).sum().backward()
        for name, weight in network.named_parameters():
            torch.testing.assert_close(weight.grad, 2 * once[name], msg=name)

    def test_one_batch_after_another_gives_the_same(self) -> None:
        parts, network = tokens(placed=True, scaled=True, shifted=True), passing_gru()
        first, again = (gradients(network, parts) for _ in range(2))
        assert torch.equal(first[0], again[0])
        assert all(torch.equal(grad, again[1][name]) for name, grad in first[1].items())

    def test_who_keeps_the_graph_keeps_no_memory(self) -> None:
        parts, network = tokens(placed=True, scaled=True, shifted=True), passing_gru()
        states = network(parts, MASK)
        states.sum().backward()
        assert not states.grad_fn.taken

    def test_states_stay_unless_they_were_promised(self) -> None:
        parts, network = tokens(placed=True, scaled=True, shifted=True), gru()
        states = network(parts, MASK)
        states[MASK].sum().backward()
        before = states.detach().clone()
        network(tokens(placed=False, scaled=False, shifted=False), MASK)
        assert torch.equal(states[MASK], before[MASK])

    def test_a_switch_of_mode_lets_the_memory_go(self) -> None:
        parts, network = tokens(placed=True, scaled=True, shifted=True), passing_gru()
        network(parts, MASK)[MASK].sum().backward()
        assert network.workspaces[0]._kept
        network.eval()
        assert not network.workspaces[0]._kept
