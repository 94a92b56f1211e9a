"""Numpy references of the published formulas, in float64, one article at a time."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from zhenwei.models.gru import attention_pooling, cpu_kernels, int8, segment_sum
from zhenwei.models.gru.build import COMPILERS, load_library
from zhenwei.tokens import Batch

Floats = NDArray[np.float64]


class Reference:
    """The output of each layer for one article, given its weights."""

    @staticmethod
    def to_numpy(tensor: Tensor) -> Floats:
        return np.asarray(tensor.detach().double().numpy())

    @staticmethod
    def sigmoid(x: Any) -> Any:
        return 1 / (1 + np.exp(-x))

    @classmethod
    def cross_entropy(cls, logit: float, label: float) -> float:
        """Return the cross-entropy of one article: -ln of the probability of its label."""
        fake = cls.sigmoid(logit)
        return float(-np.log(fake if label == 1 else 1 - fake))

    @staticmethod
    def softmax(scores: Floats) -> Floats:
        powers = [np.exp(score) for score in scores]
        return np.array([power / sum(powers) for power in powers])

    @classmethod
    def linear(cls, layer: nn.Linear, features: Floats) -> Floats:
        weight, bias = cls.to_numpy(layer.weight), cls.to_numpy(layer.bias)
        return np.array([sum(row * features) + bias[unit] for unit, row in enumerate(weight)])

    @classmethod
    def mlp(cls, mlp: nn.Module, features: Floats) -> Floats:
        """Compute linear layers with ReLU in between: [D] -> [outputs]."""
        linears = [layer for layer in mlp.modules() if isinstance(layer, nn.Linear)]
        for layer in linears[:-1]:
            features = np.maximum(cls.linear(layer, features), 0.0)
        return cls.linear(linears[-1], features)

    @classmethod
    def attention(cls, attention: nn.Module, states: Floats) -> Floats:
        """Pool the T tokens of an article by MaskAttention: [T, D] -> [D]."""
        shares = cls.softmax(np.array([cls.linear(attention.score, state)[0] for state in states]))
        return np.sum([share * state for share, state in zip(shares, states, strict=True)], axis=0)

    @classmethod
    def convolution(cls, weight: Floats, bias: Floats, states: Floats) -> Floats:
        """Compute each filter's maximum over all windows of an article [T, D] -> [filters].

        An article shorter than the window is padded with zeros.
        """
        width = weight.shape[2]
        if len(states) < width:
            states = np.concatenate([states, np.zeros((width - len(states), states.shape[1]))])
        best = []
        for number in range(len(weight)):
            values = []
            for start in range(len(states) - width + 1):
                value = bias[number]
                for offset in range(width):
                    value += np.dot(weight[number, :, offset], states[start + offset])
                values.append(value)
            best.append(max(values))
        return np.array(best)

    @classmethod
    def extractor(cls, extractor: nn.Module, states: Floats) -> Floats:
        """Compute a CNN extractor, kernel by kernel; an article without tokens gives zeros."""
        if len(states) == 0:
            return np.zeros(sum(conv.out_channels for conv in extractor.convolutions))
        return np.concatenate(
            [
                cls.convolution(cls.to_numpy(conv.weight), cls.to_numpy(conv.bias), states)
                for conv in extractor.convolutions
            ]
        )

    @classmethod
    def gru(cls, gru: nn.Module, inputs: Floats) -> Floats:
        """Compute a one-directional GRU over one article [T, D] (Cho et al., EMNLP 2014)."""
        w_ih, w_hh = cls.to_numpy(gru.weight_ih_l0), cls.to_numpy(gru.weight_hh_l0)
        b_ih, b_hh = cls.to_numpy(gru.bias_ih_l0), cls.to_numpy(gru.bias_hh_l0)
        h, states = np.zeros(w_hh.shape[1]), []
        for x in inputs:
            (input_r, input_z, input_n), (hidden_r, hidden_z, hidden_n) = (
                np.split(proj, 3) for proj in (w_ih @ x + b_ih, w_hh @ h + b_hh)
            )
            r, z = cls.sigmoid(input_r + hidden_r), cls.sigmoid(input_z + hidden_z)
            n = np.tanh(input_n + r * hidden_n)
            h = (1 - z) * n + z * h
            states.append(h)
        return np.array(states)

    @classmethod
    def bigru(cls, bigru: nn.Module, states: Floats) -> Floats:
        """Compute stacked layers of both directions: [T, D] -> [T, 2H]."""
        for forward, backward in zip(bigru.forward_layers, bigru.backward_layers, strict=True):
            states = np.concatenate([cls.gru(forward, states), cls.gru(backward, states[::-1])[::-1]], axis=1)
        return states

    @classmethod
    def embeddings(cls, network: nn.Module, tokens: Sequence[int]) -> Floats:
        """Look up embeddings in a table: [T, E]."""
        return cls.to_numpy(network.embedding.table.weight)[list(tokens)]


@pytest.fixture(scope="session")
def ref() -> type[Reference]:
    return Reference


def padded(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    lengths = torch.tensor([len(row) for row in rows])
    width = max(int(lengths.max()), 1)
    tokens = torch.tensor([[*row, *[0] * (width - len(row))] for row in rows])
    return tokens, torch.arange(width) < lengths[:, None]


@pytest.fixture(scope="session")
def make_batch() -> Callable[..., Batch]:
    """Return a function that builds a batch from tokens and optional fields."""

    def batch(
        rows: Sequence[Sequence[int]],
        *,
        labels: Sequence[float] | None = None,
        entities: Sequence[Sequence[int]] | None = None,
        domains: Sequence[int] | None = None,
        emotion: Sequence[Sequence[float]] | None = None,
        weights: Sequence[float] | None = None,
    ) -> Batch:
        tokens, mask = padded(rows)
        built = Batch(tokens, mask, mask.sum(dim=1), np.arange(len(rows)), torch.ones(len(rows)))
        if entities is not None:
            entity_tokens, entity_mask = padded(entities)
            built = replace(built, entity_tokens=entity_tokens, entity_mask=entity_mask)
        return replace(
            built,
            labels=None if labels is None else torch.tensor(labels, dtype=torch.float32),
            domains=None if domains is None else torch.tensor(domains),
            emotion=None if emotion is None else torch.tensor(emotion, dtype=torch.float32),
            weights=built.weights if weights is None else torch.tensor(weights, dtype=torch.float32),
        )

    return batch


@pytest.fixture(scope="session")
def compiler() -> None:
    """Skip tests that need a C++ compiler, unless ZHENWEI_REQUIRE_SERVICES is set."""
    if not any(map(shutil.which, COMPILERS)):
        if os.environ.get("ZHENWEI_REQUIRE_SERVICES"):
            pytest.fail("no C++ compiler is installed, and ZHENWEI_REQUIRE_SERVICES asks for it")
        pytest.skip("no C++ compiler is installed")


@pytest.fixture(scope="session", autouse=True)
def kernels() -> None:
    """Compile the kernels once, before the first test, so that no test is charged for it."""
    for module in (attention_pooling, cpu_kernels, int8, segment_sum):
        load_library(module.SOURCE)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Use one thread: tiny tensors gain nothing from more."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)
