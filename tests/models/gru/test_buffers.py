"""Buffers that consecutive batches reuse."""

import copy
import pickle

import pytest
import torch
from tests.models.gru.test_input_projection import MASK, gradients, gru, tokens

from zhenwei.models.gru import buffers
from zhenwei.models.gru.bigru_layer import MaskedBiGRU
from zhenwei.models.gru.buffers import SMALL, BufferPool

LIKE = torch.zeros(1)


class TestBufferPool:
    def test_a_released_buffer_is_acquired_again(self) -> None:
        pool = BufferPool()
        memory = pool.acquire("states", 10, LIKE)
        assert len(memory) >= 10
        pool.release("states", memory)
        assert pool.acquire("states", 10, LIKE).data_ptr() == memory.data_ptr()

    def test_acquiring_twice_gives_two_buffers(self) -> None:
        pool = BufferPool()
        one, other = (pool.acquire("states", 10, LIKE) for _ in range(2))
        assert one.data_ptr() != other.data_ptr()

    def test_buffers_differ_by_name_dtype_and_size(self) -> None:
        pool = BufferPool()
        with pool.borrow("states", (2, 5), LIKE) as memory:
            assert memory.shape == (2, 5)
        more = pool.acquire("states", 10**8, LIKE)
        assert len(more) >= 10**8
        with pool.borrow("states", (2, 5), LIKE):
            pass
        assert pool.acquire("states", 10, LIKE.half()).dtype == torch.float16
        assert pool.acquire("other", 10, LIKE).dtype == torch.float32

    def test_autograd_gets_no_inference_tensors(self) -> None:
        pool = BufferPool()
        with torch.inference_mode(), pool.borrow("states", (10,), LIKE):
            pass
        assert not pool.acquire("states", 10, LIKE).is_inference()

    def test_deterministic_mode_allocates_exact_sizes(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:  # fmt: skip
        assert len(BufferPool().acquire("states", SMALL + 1, LIKE)) > SMALL + 1
        monkeypatch.setattr(buffers, "are_deterministic_algorithms_enabled", lambda: True)
        assert len(BufferPool().acquire("states", SMALL + 1, LIKE)) == SMALL + 1

    def test_a_buffer_is_released_after_an_error(self) -> None:
        pool = BufferPool()
        with pytest.raises(ValueError, match="no"), pool.borrow("states", (10,), LIKE) as memory:
            raise ValueError("no")
        assert pool.acquire("states", 10, LIKE).data_ptr() == memory.data_ptr()

    @pytest.mark.parametrize("copied", [copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])
    def test_a_copy_is_empty(self, copied: object) -> None:
        pool = BufferPool()
        with pool.borrow("states", (10,), LIKE) as memory:
            pass
        other = copied(pool)  # type: ignore[operator]
        assert other.acquire("states", 10, LIKE).data_ptr() != memory.data_ptr()
        assert pool.acquire("states", 10, LIKE).data_ptr() == memory.data_ptr()


def reusing_gru(layers: int = 1) -> MaskedBiGRU:
    """Return a GRU whose states may be overwritten after the backward pass."""
    network = gru(layers)
    network.reuse_output = True
    return network


class TestInAGRU:
    @pytest.mark.parametrize("mixed", [False, True])
    @pytest.mark.parametrize("layers", [1, 2])
    def test_the_next_batch_does_not_overwrite_gradients(self, mixed: bool, layers: int) -> None:
        parts, network = tokens(placed=True, scaled=True, shifted=True), reusing_gru(layers)
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            network(parts, MASK).float().square().sum().backward()
            before = {name: weight.grad.clone() for name, weight in network.named_parameters()}
            network(parts, MASK)
        for name, weight in network.named_parameters():
            assert torch.equal(weight.grad, before[name]), name

    def test_gradients_of_two_batches_at_once(self) -> None:
        parts, network = tokens(placed=True, scaled=True, shifted=True), reusing_gru()
        _, once = gradients(network, parts)
        network.zero_grad()
        both = [network(parts, MASK)[MASK] for _ in range(2)]
        (sum(both) * torch.linspace(-1, 1, both[0].shape[1])).sum().backward()
        for name, weight in network.named_parameters():
            torch.testing.assert_close(weight.grad, 2 * once[name], msg=name)

    def test_consecutive_batches_give_equal_results(self) -> None:
        parts, network = tokens(placed=True, scaled=True, shifted=True), reusing_gru()
        first, again = (gradients(network, parts) for _ in range(2))
        assert torch.equal(first[0], again[0])
        assert all(torch.equal(grad, again[1][name]) for name, grad in first[1].items())

    def test_a_retained_graph_holds_no_buffers(self) -> None:
        parts, network = tokens(placed=True, scaled=True, shifted=True), reusing_gru()
        states = network(parts, MASK)
        states.sum().backward()
        assert not states.grad_fn.acquired

    def test_states_are_not_overwritten_by_default(self) -> None:
        parts, network = tokens(placed=True, scaled=True, shifted=True), gru()
        states = network(parts, MASK)
        states[MASK].sum().backward()
        before = states.detach().clone()
        network(tokens(placed=False, scaled=False, shifted=False), MASK)
        assert torch.equal(states[MASK], before[MASK])

    def test_switching_the_mode_frees_the_buffers(self) -> None:
        parts, network = tokens(placed=True, scaled=True, shifted=True), reusing_gru()
        network(parts, MASK)[MASK].sum().backward()
        assert network.pools[0]._free
        network.eval()
        assert not network.pools[0]._free
