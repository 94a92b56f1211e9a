"""Pooling in chunks, against pooling at once."""

import pytest
import torch
from tests.models.test_bigru import batch_of, build
from torch import Tensor

from zhenwei.models import bigru
from zhenwei.models.bigru import BiGRU
from zhenwei.models.gru import checkpointing
from zhenwei.models.gru.checkpointing import pool_in_chunks

ROWS = ([2, 3, 4, 5], [6], [2, 7], [4, 4, 4], [9, 8, 7, 6])


def gradients(network: BiGRU) -> tuple[Tensor, dict[str, Tensor]]:
    """Train on a batch with a fixed seed; return the logits and the gradient of each weight."""
    torch.manual_seed(3)
    network.zero_grad()
    output = network.train()(batch_of(*ROWS))
    output.logits.sum().backward()
    return output.logits.detach(), {
        name: weight.grad.clone() for name, weight in network.named_parameters() if weight.grad is not None
    }


@pytest.fixture
def rows_by_twos(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pool chunks of two rows of four tokens by PyTorch operations."""
    monkeypatch.setattr(bigru, "prefers_kernel", lambda *_: False)
    monkeypatch.setattr(bigru, "LARGE", 1)
    monkeypatch.setattr(checkpointing, "CHUNK", 2 * 4 * 8)


@pytest.mark.parametrize("pooling", [["attention"], ["attention", "max", "mean"], ["max"]])
def test_logits_and_gradients_equal_those_without_chunks(pooling: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bigru, "prefers_kernel", lambda *_: False)
    network = build(hidden_dim=4, pooling=pooling, dropout=0.0, emb_dropout=0.0)
    expected_logits, expected = gradients(network)
    monkeypatch.setattr(bigru, "LARGE", 1)
    monkeypatch.setattr(checkpointing, "CHUNK", 2 * 4 * 8)
    logits, grads = gradients(network)
    torch.testing.assert_close(logits, expected_logits)
    assert grads.keys() == expected.keys()
    for name, grad in grads.items():
        torch.testing.assert_close(grad, expected[name], atol=1e-6, rtol=1e-5, msg=name)


@pytest.mark.usefixtures("rows_by_twos")
def test_the_backward_pass_uses_the_dropout_of_the_forward_pass() -> None:
    torch.manual_seed(0)
    inputs, mask, weight = torch.ones(4, 4, 16, requires_grad=True), torch.ones(4, 4, dtype=torch.bool), torch.ones(())
    weight.requires_grad_()

    def drop(rows: Tensor, real: Tensor) -> tuple[Tensor, None]:
        del real
        return weight * torch.nn.functional.dropout(rows, 0.5).sum(dim=1), None

    features, attention = pool_in_chunks(drop, inputs, mask)
    assert attention is None
    features.sum().backward()
    assert inputs.grad is not None
    torch.testing.assert_close(inputs.grad.sum(dim=1), features)  # inputs are 1: gradients equal the kept values
    assert len(inputs.grad.unique()) > 1


@pytest.mark.usefixtures("rows_by_twos")
def test_recomputation_does_not_advance_the_random_generator() -> None:
    network = build(hidden_dim=4, dropout=0.5)
    torch.manual_seed(3)
    network.train()(batch_of(*ROWS))
    expected = torch.rand(3)
    gradients(network)
    assert torch.equal(torch.rand(3), expected)
