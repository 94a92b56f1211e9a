"""The published formulas, each written as slowly and plainly as can be: numpy, float64, one article at a time."""

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

from zhenwei.models.gru.build import COMPILERS
from zhenwei.tokens import Batch

Floats = NDArray[np.float64]


class Slow:
    """What a layer should give for one article, given its weights."""

    @staticmethod
    def array(tensor: Tensor) -> Floats:
        return np.asarray(tensor.detach().double().numpy())

    @staticmethod
    def sigmoid(x: Any) -> Any:
        return 1 / (1 + np.exp(-x))

    @classmethod
    def cross_entropy(cls, logit: float, label: float) -> float:
        """Of one article: -ln of the probability that its label has."""
        fake = cls.sigmoid(logit)
        return float(-np.log(fake if label == 1 else 1 - fake))

    @staticmethod
    def softmax(scores: Floats) -> Floats:
        powers = [np.exp(score) for score in scores]
        return np.array([power / sum(powers) for power in powers])

    @classmethod
    def linear(cls, layer: nn.Linear, features: Floats) -> Floats:
        weight, bias = cls.array(layer.weight), cls.array(layer.bias)
        return np.array([sum(row * features) + bias[place] for place, row in enumerate(weight)])

    @classmethod
    def mlp(cls, mlp: nn.Module, features: Floats) -> Floats:
        """Linear layers with a ReLU between each two: [D] -> [outputs]."""
        linears = [layer for layer in mlp.modules() if isinstance(layer, nn.Linear)]
        for layer in linears[:-1]:
            features = np.maximum(cls.linear(layer, features), 0.0)
        return cls.linear(linears[-1], features)

    @classmethod
    def attention(cls, attention: nn.Module, states: Floats) -> Floats:
        """MaskAttention over the T tokens of an article: [T, D] -> [D]."""
        shares = cls.softmax(np.array([cls.linear(attention.score, state)[0] for state in states]))
        return np.sum([share * state for share, state in zip(shares, states, strict=True)], axis=0)

    @classmethod
    def convolution(cls, weight: Floats, bias: Floats, states: Floats) -> Floats:
        """One width: each filter's largest value over all windows of an article [T, D] -> [filters].

        An article shorter than the window is read once, with zeros behind its end.
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
        """All widths of a CNN extractor, one after the other; an article of no token gives zeros."""
        if len(states) == 0:
            return np.zeros(sum(conv.out_channels for conv in extractor.convolutions))
        return np.concatenate(
            [cls.convolution(cls.array(conv.weight), cls.array(conv.bias), states) for conv in extractor.convolutions]
        )

    @classmethod
    def gru(cls, gru: nn.Module, inputs: Floats) -> Floats:
        """A one-directional GRU over one article [T, D], state by state (Cho et al., EMNLP 2014)."""
        w_in, w_state = cls.array(gru.weight_ih_l0), cls.array(gru.weight_hh_l0)
        b_in, b_state = cls.array(gru.bias_ih_l0), cls.array(gru.bias_hh_l0)
        hidden = w_state.shape[1]
        state, states = np.zeros(hidden), []
        for token in inputs:
            of_input, of_state = w_in @ token + b_in, w_state @ state + b_state
            reset = cls.sigmoid(of_input[:hidden] + of_state[:hidden])
            update = cls.sigmoid(of_input[hidden : 2 * hidden] + of_state[hidden : 2 * hidden])
            candidate = np.tanh(of_input[2 * hidden :] + reset * of_state[2 * hidden :])
            state = (1 - update) * candidate + update * state
            states.append(state)
        return np.array(states)

    @classmethod
    def bigru(cls, bigru: nn.Module, states: Floats) -> Floats:
        """Stacked layers, each of both directions: [T, D] -> [T, 2H]."""
        for ahead, back in zip(bigru.forward_layers, bigru.backward_layers, strict=True):
            states = np.concatenate([cls.gru(ahead, states), cls.gru(back, states[::-1])[::-1]], axis=1)
        return states

    @classmethod
    def embedded(cls, network: nn.Module, tokens: Sequence[int]) -> Floats:
        """Rows of a table of embeddings: [T, E]."""
        return cls.array(network.embedding.table.weight)[list(tokens)]


@pytest.fixture(scope="session")
def slow() -> type[Slow]:
    return Slow


def padded(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    lengths = torch.tensor([len(row) for row in rows])
    width = max(int(lengths.max()), 1)
    tokens = torch.tensor([[*row, *[0] * (width - len(row))] for row in rows])
    return tokens, torch.arange(width) < lengths[:, None]


@pytest.fixture(scope="session")
def make_batch() -> Callable[..., Batch]:
    """A function of the articles' tokens, and of what else is known of them, that gives their batch."""

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
        made = Batch(tokens, mask, mask.sum(dim=1), np.arange(len(rows)), torch.ones(len(rows)))
        if entities is not None:
            entity_tokens, entity_mask = padded(entities)
            made = replace(made, entity_tokens=entity_tokens, entity_mask=entity_mask)
        return replace(
            made,
            labels=None if labels is None else torch.tensor(labels, dtype=torch.float32),
            domains=None if domains is None else torch.tensor(domains),
            emotion=None if emotion is None else torch.tensor(emotion, dtype=torch.float32),
            weights=made.weights if weights is None else torch.tensor(weights, dtype=torch.float32),
        )

    return batch


@pytest.fixture(scope="session")
def compiler() -> None:
    """What needs a C++ compiler is skipped without one, except where one is asked for."""
    if not any(map(shutil.which, COMPILERS)):
        if os.environ.get("ZHENWEI_REQUIRE_SERVICES"):
            pytest.fail("no C++ compiler is installed, and ZHENWEI_REQUIRE_SERVICES asks for it")
        pytest.skip("no C++ compiler is installed")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny tensors gain nothing by threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
