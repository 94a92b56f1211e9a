"""Encoded articles, and small networks with their optimizers, without files or a Trainer."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, PartialState

from zhenwei.config import Config
from zhenwei.models import Vocabulary, build_network
from zhenwei.news import Article
from zhenwei.tokens import EncodedArticles, TextTokenizer, encode_articles, train_tokenizer
from zhenwei.training.optimization import build_optimizer, build_schedule
from zhenwei.training.plan import TrainingPlan
from zhenwei.training.state import TrainState

MakeTrainState = Callable[..., TrainState]


@pytest.fixture(scope="session")
def tokenizer(make_posts: Callable[..., list[dict[str, Any]]]) -> TextTokenizer:
    return train_tokenizer([row["content"] for row in make_posts(64)], 500, min_frequency=1)


@pytest.fixture(scope="session")
def articles(make_posts: Callable[..., list[dict[str, Any]]], tokenizer: TextTokenizer) -> EncodedArticles:
    """80 labelled posts."""
    return encode_articles([Article(**row) for row in make_posts(80)], tokenizer, max_len=40)


@pytest.fixture
def plain_config() -> Callable[..., Config]:
    """A function that returns settings of a small network without dropout; its arguments change the training."""

    def config(**training: Any) -> Config:
        model = {"name": "bigru", "emb_dim": 16, "hidden_dim": 8, "mlp_dims": [8], "dropout": 0.0}
        return Config.load({"model": model, "training": {"batch_size": 8, "lr": 0.01, "precision": "no", **training}})

    return config


@pytest.fixture
def make_accelerator() -> Callable[..., Accelerator]:
    """A function of the precision that builds an accelerator on the CPU."""

    def accelerator(precision: str = "no") -> Accelerator:
        AcceleratorState._reset_state()
        PartialState._reset_state()
        return Accelerator(cpu=True, mixed_precision=precision)

    return accelerator


@pytest.fixture
def make_plan(articles: EncodedArticles, tokenizer: TextTokenizer) -> Callable[..., TrainingPlan]:
    """A function that returns a training plan for the first `count` posts."""

    def plan(config: Config, count: int = 80, **further: Any) -> TrainingPlan:
        some = articles.tokens.offsets[: count + 1]
        tokens = type(articles.tokens)(articles.tokens.ids[: some[-1]], some)
        part = EncodedArticles(tokens, articles.words[: some[-1]], articles.labels[:count], articles.truncated[:count])
        return TrainingPlan(part, config, tokenizer.pad_id, **further)

    return plan


@pytest.fixture
def make_train_state(tokenizer: TextTokenizer, make_accelerator: Callable[..., Accelerator]) -> MakeTrainState:
    """A function that builds the same network each time, with its optimizer and schedule."""

    def state(config: Config, total_steps: int = 100, precision: str = "no") -> TrainState:
        torch.manual_seed(0)
        network = build_network(config.model, Vocabulary(tokenizer.vocab_size, tokenizer.pad_id, 40))
        optimizer = build_optimizer(network, config.training)
        schedule = build_schedule(optimizer, config.training, total_steps)
        return TrainState(network, optimizer, schedule, make_accelerator(precision))

    return state


@pytest.fixture
def weights_of() -> Callable[[TrainState], dict[str, np.ndarray[Any, Any]]]:
    """A function that copies a network's weights."""
    return lambda state: {name: value.numpy().copy() for name, value in state.network.state_dict().items()}


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Small tensors gain nothing from threads, and lose much if other work keeps the cores busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
