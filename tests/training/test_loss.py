"""The loss: weights, and consistency over the rewrites of a content."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from zhenwei.config import Config
from zhenwei.models import Output
from zhenwei.news.rewrites import content_weights
from zhenwei.tokens import Batch, collate
from zhenwei.training.loop import train_steps
from zhenwei.training.loss import consistency_loss, training_loss
from zhenwei.training.plan import TrainingPlan
from zhenwei.training.state import TrainState

MakeConfig = Callable[..., Config]
MakePlan = Callable[..., TrainingPlan]
MakeTrainState = Callable[..., TrainState]
Weights = Callable[[TrainState], dict[str, np.ndarray]]  # type: ignore[type-arg]

LOGITS = torch.tensor([1.0, 3.0, 2.0, -1.0])


def batch(weights: list[float], contents: list[int] | None) -> Batch:
    tokens = torch.ones(4, 2, dtype=torch.int64)
    return Batch(
        tokens, tokens.bool(), tokens.sum(1), np.arange(4), torch.tensor(weights), torch.tensor([1.0, 1.0, 0.0, 0.0]),
        contents=None if contents is None else torch.tensor(contents),
    )  # fmt: skip


def test_consistency_is_the_squared_deviation_from_the_mean_of_a_content() -> None:
    contents = torch.tensor([0, 0, 1, 2])
    found = consistency_loss(LOGITS, contents, torch.tensor([0.5, 0.5, 1.0, 1.0]))
    assert float(found) == pytest.approx(0.5 * (1 - 2) ** 2 + 0.5 * (3 - 2) ** 2)
    padded = consistency_loss(LOGITS, contents, torch.tensor([1.0, 0.0, 1.0, 1.0]))  # the second only pads a share
    assert float(padded) == 0


def test_the_loss_adds_consistency_and_weights_articles() -> None:
    cross_entropies = torch.nn.functional.binary_cross_entropy_with_logits(
        LOGITS, torch.tensor([1.0, 1.0, 0.0, 0.0]), reduction="none"
    )
    weights = [0.5, 0.5, 1.0, 1.0]
    expected = float((cross_entropies * torch.tensor(weights)).sum() / 3 + 2.0 * 1.0 / 3)
    assert float(training_loss(Output(LOGITS), batch(weights, [0, 0, 1, 2]), 3, 2.0)) == pytest.approx(expected)


def test_without_rewrites_consistency_changes_no_bit() -> None:
    plain = training_loss(Output(LOGITS), batch([1.0] * 4, None), 4)
    assert torch.equal(plain, training_loss(Output(LOGITS), batch([1.0] * 4, None), 4, 5.0))
    assert torch.equal(plain, cross_entropy_of_four())


def cross_entropy_of_four() -> torch.Tensor:
    labels = torch.tensor([1.0, 1.0, 0.0, 0.0])
    return torch.nn.functional.binary_cross_entropy_with_logits(LOGITS, labels, reduction="none").sum() / 4


def with_rewrites(plan: TrainingPlan) -> TrainingPlan:
    """Return a plan in which every article with an odd row is a rewrite of the article before last of its label."""
    rows = np.arange(len(plan.articles))
    contents = rows // 4 * 2 + rows % 2  # labels alternate
    return replace(plan, articles=replace(plan.articles, contents=contents, is_rewrite=rows % 4 >= 2))


def test_a_step_has_whole_contents_and_their_weights(plain_config: MakeConfig, make_plan: MakePlan) -> None:
    plan = with_rewrites(make_plan(plain_config(batch_size=8)))
    assert plan.articles.contents is not None and plan.articles.is_rewrite is not None  # noqa: PT018
    assert len(plan.step_rows(0)) == plan.steps_per_epoch == 10
    np.testing.assert_array_equal(
        plan.articles.weights, content_weights(plan.articles.contents, plan.articles.is_rewrite)
    )
    for group in plan.step_rows(0):
        assert plan.total_weight(group) == pytest.approx(4)  # contents


def test_consistency_pulls_the_logits_of_a_content_together(
    plain_config: MakeConfig, make_plan: MakePlan, make_train_state: MakeTrainState
) -> None:
    spreads = []
    for weight in (0.0, 20.0):
        config = plain_config(batch_size=16, consistency=weight, schedule="constant", warmup_steps=0)
        plan, state = with_rewrites(make_plan(config)), make_train_state(config)
        for epoch in range(3):
            list(train_steps(state.network, state, plan, epoch))
        rows = np.arange(80)
        with torch.inference_mode():
            logits = state.network.eval()(collate(plan.articles, rows, pad_id=plan.pad_id)).logits
        spreads.append(float(consistency_loss(logits, torch.from_numpy(plan.articles.contents), torch.ones(80))))
    assert spreads[1] < spreads[0] / 2


def test_a_split_epoch_ends_like_a_whole_one(
    plain_config: MakeConfig, make_plan: MakePlan, make_train_state: MakeTrainState, weights_of: Weights
) -> None:
    config = plain_config(batch_size=8)
    plan, whole, parted = with_rewrites(make_plan(config)), make_train_state(config), make_train_state(config)
    list(train_steps(whole.network, whole, plan, 0))
    for number, _ in enumerate(train_steps(parted.network, parted, plan, 0), start=1):
        if number == 4:
            break
    list(train_steps(parted.network, parted, plan, 0, first=4))
    for name, value in weights_of(whole).items():
        np.testing.assert_array_equal(value, weights_of(parted)[name])
