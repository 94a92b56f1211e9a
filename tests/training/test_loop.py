"""Optimizer steps: accumulation, loss, clipping, schedule, errors and precision."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from zhenwei.config import Config
from zhenwei.errors import TrainingError
from zhenwei.models import Output
from zhenwei.tokens import Augmentation, collate
from zhenwei.training.loop import Step, _optimizer_step, train_steps
from zhenwei.training.loss import training_loss
from zhenwei.training.plan import TrainingPlan
from zhenwei.training.state import TrainState

MakeConfig = Callable[..., Config]
MakePlan = Callable[..., TrainingPlan]
MakeTrainState = Callable[..., TrainState]


def train(state: TrainState, plan: TrainingPlan, epochs: int = 1) -> list[Step]:
    return [step for epoch in range(epochs) for step in train_steps(state.network, state, plan, epoch)]


class TestAccumulation:
    @pytest.mark.parametrize("count", [64, 80])  # the last group of 80: 2 of 4 batches
    def test_four_batches_of_eight_make_the_step_of_one_batch_of_32(
        self, plain_config: MakeConfig, make_plan: MakePlan, make_train_state: MakeTrainState, count: int
    ) -> None:
        small = plain_config(batch_size=8, accumulation_steps=4, schedule="constant", warmup_steps=0)
        plan = make_plan(small, count)
        piecewise, at_once = make_train_state(small), make_train_state(small)
        for step, group in zip(train_steps(piecewise.network, piecewise, plan, 0), plan.step_rows(0), strict=True):
            batch = collate(plan.articles, np.concatenate(group), pad_id=plan.pad_id)
            loss = training_loss(at_once.network(batch), batch, len(batch))
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(at_once.network.parameters(), 1.0)
            at_once.optimizer.step()
            at_once.optimizer.zero_grad()
            assert step.loss == pytest.approx(float(loss.detach()), rel=1e-5)
            assert step.n_texts == sum(map(len, group))
        for name, weight in piecewise.network.named_parameters():
            if name == "attention.score.bias":
                continue  # softmax does not feel it: AdamW makes steps of rounding errors
            torch.testing.assert_close(weight, at_once.network.get_parameter(name), rtol=1e-3, atol=2e-5)

    def test_a_batch_of_many_tokens_is_split_by_length(
        self, plain_config: MakeConfig, make_plan: MakePlan, make_train_state: MakeTrainState
    ) -> None:
        config = plain_config(batch_size=32, schedule="constant", warmup_steps=0)
        plan, at_once, parted = make_plan(config, 64), make_train_state(config), make_train_state(config)
        most = 12 * int(plan.articles.lengths.max())
        parted.network.max_tokens_per_step = most
        shapes: list[torch.Size] = []
        parted.network.register_forward_pre_hook(lambda _network, given: shapes.append(given[0].tokens.shape))
        expected, found = train(at_once, plan), train(parted, plan)
        assert [step.loss for step in found] == pytest.approx([step.loss for step in expected], rel=1e-5)
        assert [step.width for step in found] == [step.width for step in expected]
        assert len(shapes) > len(expected) == 2
        assert all(rows * width <= most for rows, width in shapes)
        assert sum(rows for rows, _ in shapes) == 64
        for name, weight in parted.network.named_parameters():
            if name != "attention.score.bias":  # softmax does not feel it
                torch.testing.assert_close(weight, at_once.network.get_parameter(name), rtol=1e-3, atol=2e-5)

    def test_a_long_article_is_never_split(
        self, plain_config: MakeConfig, make_plan: MakePlan, make_train_state: MakeTrainState
    ) -> None:
        state = make_train_state(plain_config(batch_size=4))
        state.network.max_tokens_per_step = 1
        assert len(train(state, make_plan(plain_config(batch_size=4), 8))) == 2

    @pytest.mark.parametrize(
        ("count", "batch", "accumulation", "steps"), [(80, 8, 1, 10), (80, 8, 4, 3), (79, 16, 1, 5), (5, 8, 4, 1)]
    )
    def test_the_number_of_steps_is_that_of_the_batches(
        self, plain_config: MakeConfig, make_plan: MakePlan, count: int, batch: int, accumulation: int, steps: int
    ) -> None:
        plan = make_plan(plain_config(batch_size=batch, accumulation_steps=accumulation, epochs=3), count)
        assert plan.steps_per_epoch == len(plan.step_rows(0)) == steps
        assert plan.total_steps == 3 * steps

    def test_a_resumed_epoch_takes_the_remaining_steps(
        self, plain_config: MakeConfig, make_plan: MakePlan, make_train_state: MakeTrainState
    ) -> None:
        plan, state = make_plan(plain_config(lr=1e-9)), make_train_state(plain_config(lr=1e-9))
        every_step = train(state, plan)
        rest = list(train_steps(state.network, state, plan, 0, first=7))
        assert [step.loss for step in rest] == pytest.approx([step.loss for step in every_step[7:]], rel=1e-4)

    @pytest.mark.parametrize("precision", ["no", "bf16"])
    def test_settings_of_accelerate_launch_do_not_divide_gradients(
        self, plain_config: MakeConfig, make_plan: MakePlan, make_train_state: MakeTrainState,
        monkeypatch: pytest.MonkeyPatch, precision: str,
    ) -> None:  # fmt: skip
        config = plain_config()
        plain = train(make_train_state(config, precision=precision), make_plan(config))
        monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4")
        launched = make_train_state(config, precision=precision)
        assert launched.accelerator.gradient_accumulation_steps == 4
        assert [step.grad_norm for step in train(launched, make_plan(config))] == [step.grad_norm for step in plain]

    def test_a_scaler_does_not_change_the_reported_norm(
        self, plain_config: MakeConfig, make_plan: MakePlan, make_train_state: MakeTrainState
    ) -> None:
        config = plain_config(batch_size=80)
        plain, scaled = make_train_state(config), make_train_state(config)
        scaled.accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
        [without], [with_scaler] = (train(state, make_plan(config)) for state in (plain, scaled))
        assert with_scaler.grad_norm == pytest.approx(without.grad_norm, rel=1e-5)
        assert scaled.accelerator.scaler.get_scale() == 1024.0


class TestLoss:
    def test_further_losses_are_added_and_train_logits_are_preferred(
        self, make_plan: MakePlan, plain_config: MakeConfig
    ) -> None:
        plan = make_plan(plain_config())
        batch = collate(plan.articles, np.arange(4), pad_id=0)
        output = Output(logits=torch.full((4,), 9.0), train_logits=torch.zeros(4), losses={"domain": torch.tensor(2.0)})
        assert float(training_loss(output, batch, total_weight=4)) == pytest.approx(math.log(2) + 2.0)
        assert float(training_loss(output, batch, total_weight=8)) == pytest.approx(math.log(2) / 2 + 1.0)

    def test_over_several_processes_further_losses_count_once(
        self, make_plan: MakePlan, plain_config: MakeConfig
    ) -> None:
        plan, losses = make_plan(plain_config()), []
        for rows, weights, loss in (([0, 2], [1, 1], 2.0), ([1, 0], [1, 0], 5.0)):  # the shares of a batch of three
            batch = collate(plan.articles, np.array(rows), pad_id=0, weights=np.array(weights, np.float32))
            output = Output(logits=torch.zeros(2), losses={"domain": torch.tensor(loss)})
            losses.append(float(training_loss(output, batch, total_weight=3)))
        assert sum(losses) == pytest.approx(math.log(2) + (2 * 2.0 + 5.0) / 3)

    def test_padding_rows_do_not_count(self, make_plan: MakePlan, plain_config: MakeConfig) -> None:
        plan = make_plan(plain_config())
        weights = np.array([1, 0], np.float32)
        batch = collate(plan.articles, np.arange(2), pad_id=0, weights=weights)
        assert float(training_loss(Output(torch.zeros(2)), batch, 1)) == pytest.approx(math.log(2))


class TestClipping:
    @pytest.mark.parametrize(("setting", "clipped"), [(0.01, True), (0.0, False), (1e6, False)])
    def test_the_gradient_is_clipped_and_the_norm_before_clipping_is_reported(
        self,
        plain_config: MakeConfig,
        make_plan: MakePlan,
        make_train_state: MakeTrainState,
        setting: float,
        clipped: bool,
    ) -> None:
        config = plain_config(grad_clip=setting)
        state, seen = make_train_state(config), []

        def note(optimizer: Any, *_: Any) -> None:
            grads = [weight.grad.norm() for group in optimizer.param_groups for weight in group["params"]]
            seen.append(float(torch.stack(grads).norm()))

        state.optimizer.register_step_pre_hook(note)
        steps = train(state, make_plan(config))
        for step, norm in zip(steps, seen, strict=True):
            assert norm == pytest.approx(0.01 if clipped else step.grad_norm, rel=1e-3)
            assert step.grad_norm > 0.02


class TestSchedule:
    def test_an_overflowed_step_is_skipped(
        self,
        plain_config: MakeConfig,
        make_train_state: MakeTrainState,
        weights_of: Callable[[TrainState], dict[str, Any]],
    ) -> None:
        state = make_train_state(plain_config())
        state.accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
        for gradient, moved in ((math.inf, False), (1.0, True)):
            for weight in state.network.parameters():
                weight.grad = torch.full_like(weight, gradient)
            state.accelerator.scaler.scale(torch.tensor(1.0))  # as a backward pass would
            state.accelerator.scaler.unscale_(state.optimizer)
            before = weights_of(state)
            state.optimizer.param_groups[0]["lr"] = 0.1
            assert _optimizer_step(state) is moved
            changed = any((before[name] != value).any() for name, value in weights_of(state).items())
            assert changed is moved

    def test_it_is_stepped_once_per_optimizer_step(
        self, plain_config: MakeConfig, make_plan: MakePlan, make_train_state: MakeTrainState
    ) -> None:
        config = plain_config(warmup_steps=10, accumulation_steps=2, epochs=4)
        steps = train(make_train_state(config, total_steps=20), make_plan(config))
        assert [step.lr for step in steps] == pytest.approx([0.0, 0.001, 0.002, 0.003, 0.004])

    def test_an_overflowed_step_does_not_change_the_learning_rate(
        self, plain_config: MakeConfig, make_plan: MakePlan, make_train_state: MakeTrainState
    ) -> None:
        config = plain_config(warmup_steps=10)
        state, factors = make_train_state(config), iter([math.inf])
        state.accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
        state.network.norm.weight.register_hook(lambda gradient: gradient * next(factors, 1.0))
        steps = train(state, make_plan(config))
        assert not math.isfinite(steps[0].grad_norm)
        assert [step.lr for step in steps[:4]] == pytest.approx([0.0, 0.0, 0.001, 0.002])


class TestNotFinite:
    def test_a_loss_that_is_not_finite_stops_before_the_step(
        self, plain_config: MakeConfig, make_plan: MakePlan, make_train_state: MakeTrainState,
        weights_of: Callable[[TrainState], dict[str, Any]],
    ) -> None:  # fmt: skip
        state = make_train_state(plain_config())
        with torch.no_grad():
            state.network.mlp.layers[-1].bias.fill_(math.inf)
        before = weights_of(state)
        with pytest.raises(TrainingError, match=r"loss of the next step is (inf|nan)"):
            train(state, make_plan(plain_config()))
        assert all((before[name] == value).all() for name, value in weights_of(state).items())

    def test_so_does_a_gradient_that_is_not_finite(
        self, plain_config: MakeConfig, make_plan: MakePlan, make_train_state: MakeTrainState
    ) -> None:
        state = make_train_state(plain_config())
        state.network.norm.weight.register_hook(lambda gradient: gradient * math.nan)
        with pytest.raises(TrainingError, match="norm of the next step's gradient is nan"):
            train(state, make_plan(plain_config()))


class TestPrecision:
    def test_the_first_fifty_losses_in_bf16_and_float32_agree_within_two_percent(
        self, plain_config: MakeConfig, make_plan: MakePlan, make_train_state: MakeTrainState
    ) -> None:
        config = plain_config(lr=2e-3)
        plan = make_plan(config)
        losses = {}
        for precision in ("no", "bf16"):
            state = make_train_state(config, precision=precision)
            losses[precision] = [step.loss for step in train(state, plan, epochs=5)]
            assert all(weight.dtype == torch.float32 for weight in state.network.parameters())
        assert len(losses["no"]) == 50
        assert losses["bf16"] == pytest.approx(losses["no"], rel=0.02)
        assert losses["bf16"] != losses["no"]

    def test_widths_are_those_of_the_buckets(
        self, plain_config: MakeConfig, make_plan: MakePlan, make_train_state: MakeTrainState
    ) -> None:
        plan = make_plan(plain_config(), widths=(24, 32, 40))
        assert {step.width for step in train(make_train_state(plain_config()), plan)} <= {24, 32, 40}

    def test_augmentation_changes_the_batches(
        self, plain_config: MakeConfig, make_plan: MakePlan, make_train_state: MakeTrainState
    ) -> None:
        plain = train(make_train_state(plain_config()), make_plan(plain_config()))
        augmentation = Augmentation(0.3, seed=1, mask_id=4)
        augmented = train(make_train_state(plain_config()), make_plan(plain_config(), augmentation=augmentation))
        assert [step.loss for step in plain] != [step.loss for step in augmented]
