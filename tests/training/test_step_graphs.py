"""Steps whose figures are read later, and steps recorded as CUDA graphs."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, PartialState
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from zhenwei.config import Config
from zhenwei.errors import ConfigError, TrainingError
from zhenwei.tokens import Batch
from zhenwei.training import loop
from zhenwei.training.loop import Step, train_steps
from zhenwei.training.loss import training_loss
from zhenwei.training.plan import TrainingPlan
from zhenwei.training.state import TrainState
from zhenwei.training.step_graphs import StepGraphs, build_step_graphs, graph_widths

MakeConfig = Callable[..., Config]
MakePlan = Callable[..., TrainingPlan]
MakeTrainState = Callable[..., TrainState]


def read_at(config: Config, log_interval: int, save_steps: int) -> Config:
    settings = config.to_dict()
    settings["output"] |= {"log_interval": log_interval, "save_steps": save_steps}
    return Config.load(settings)


class TestReadLater:
    @pytest.fixture(autouse=True)
    def later(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Read steps as on a GPU, which does not wait for the CPU."""
        monkeypatch.setattr(loop, "_is_async", lambda state: True)
        monkeypatch.setattr(loop, "MAX_PENDING_SECONDS", float("inf"))

    def test_slow_steps_are_read_at_once(
        self, plain_config: MakeConfig, make_plan: MakePlan, make_train_state: MakeTrainState,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        monkeypatch.setattr(loop, "MAX_PENDING_SECONDS", -1.0)
        config = read_at(plain_config(), log_interval=50, save_steps=0)
        state = make_train_state(config)
        assert all(step.is_latest for step in train_steps(state.network, state, make_plan(config), 0))

    def test_the_steps_are_the_same_and_mark_the_latest(
        self, plain_config: MakeConfig, make_plan: MakePlan, make_train_state: MakeTrainState,
        monkeypatch: pytest.MonkeyPatch, weights_of: Callable[[TrainState], dict[str, Any]],
    ) -> None:  # fmt: skip
        config = read_at(plain_config(), log_interval=4, save_steps=3)
        later = make_train_state(config)
        found = list(train_steps(later.network, later, make_plan(config), 0))
        monkeypatch.setattr(loop, "_is_async", lambda state: False)
        at_once = make_train_state(config)
        expected = list(train_steps(at_once.network, at_once, make_plan(config), 0))
        assert [(step.loss, step.grad_norm, step.lr) for step in found] == [
            (step.loss, step.grad_norm, step.lr) for step in expected
        ]
        assert [number for number, step in enumerate(found, 1) if step.is_latest] == [3, 4, 6, 8, 9, 10]
        assert all(step.is_latest for step in expected)
        for name, weight in weights_of(later).items():
            assert np.array_equal(weight, weights_of(at_once)[name])

    def test_the_weights_are_those_of_the_latest_step(
        self, plain_config: MakeConfig, make_plan: MakePlan, make_train_state: MakeTrainState
    ) -> None:
        config = read_at(plain_config(), log_interval=4, save_steps=0)
        state = make_train_state(config)
        for taken, step in enumerate(train_steps(state.network, state, make_plan(config), 0), start=1):
            if step.is_latest:
                assert state.schedule.last_epoch == taken

    @pytest.mark.parametrize("broken", [1, 3, 6, 10])
    def test_a_loss_that_is_not_finite_changes_no_weight(
        self, plain_config: MakeConfig, make_plan: MakePlan, make_train_state: MakeTrainState,
        monkeypatch: pytest.MonkeyPatch, weights_of: Callable[[TrainState], dict[str, Any]], broken: int,
    ) -> None:  # fmt: skip
        config = read_at(plain_config(), log_interval=5, save_steps=0)
        monkeypatch.setattr(loop, "_is_async", lambda state: False)
        expected = make_train_state(config)
        untouched = weights_of(expected)
        for number, _ in enumerate(train_steps(expected.network, expected, make_plan(config), 0), start=1):
            if number == broken - 1:
                untouched = weights_of(expected)
        monkeypatch.setattr(loop, "_is_async", lambda state: True)
        calls = iter(range(1, 100))

        def loss(*args: Any) -> Tensor:
            return training_loss(*args) * (float("nan") if next(calls) == broken else 1.0)

        state = make_train_state(config)
        seen: list[Step] = []
        monkeypatch.setattr(loop, "training_loss", loss)
        with pytest.raises(TrainingError, match="the loss of the next step is nan"):
            seen.extend(train_steps(state.network, state, make_plan(config), 0))
        assert len(seen) == broken - 1
        for name, weight in weights_of(state).items():
            assert np.array_equal(weight, untouched[name]), name


class Recorder:
    """Computes gradients like graphs do; it does not know every third batch."""

    def __init__(self, state: TrainState) -> None:
        self.state, self.batches = state, 0

    def gradients(self, batch: Batch) -> tuple[Tensor, Tensor] | None:
        self.batches += 1
        if self.batches % 3 == 0:
            return None
        loss = training_loss(self.state.network(batch), batch, len(batch))
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach(), clip_grad_norm_(self.state.network.parameters(), 1.0)


def test_replayed_and_eager_steps_can_be_mixed(
    plain_config: MakeConfig, make_plan: MakePlan, make_train_state: MakeTrainState
) -> None:
    config = plain_config()
    plain, recorded = make_train_state(config), make_train_state(config)
    expected = list(train_steps(plain.network, plain, make_plan(config), 0))
    recorder = Recorder(recorded)
    found = list(train_steps(recorded.network, recorded, make_plan(config), 0, graphs=recorder))
    assert recorder.batches == len(expected) == 10
    assert [step.loss for step in found] == pytest.approx([step.loss for step in expected], rel=1e-6)
    assert [step.width for step in found] == [step.width for step in expected]


def test_on_a_cpu_nothing_is_recorded(
    plain_config: MakeConfig, make_plan: MakePlan, make_train_state: MakeTrainState
) -> None:
    assert build_step_graphs(make_train_state(plain_config()), make_plan(plain_config())) is None


@pytest.mark.parametrize(
    ("max_len", "widths"), [(20, (8, 16, 20)), (16, (8, 16)), (8, (8,)), (5, (5,)), (17, (8, 16, 17))]
)
def test_batches_have_few_widths(max_len: int, widths: tuple[int, ...]) -> None:
    assert graph_widths(max_len) == widths


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA card")
class TestOnACard:
    @pytest.fixture
    def on_card(self, make_train_state: MakeTrainState) -> MakeTrainState:
        """A function that builds a state whose network is on the GPU."""

        def state(config: Config, precision: str = "bf16") -> TrainState:
            made = make_train_state(config)
            AcceleratorState._reset_state()
            PartialState._reset_state()
            accelerator = Accelerator(mixed_precision=precision)
            made.network.cuda()
            return TrainState(made.network, made.optimizer, made.schedule, accelerator)

        return state

    @pytest.mark.parametrize("precision", ["bf16", "no"])
    @pytest.mark.parametrize("name", ["bigru", "textcnn"])
    def test_replayed_steps_equal_eager_steps(
        self, make_plan: MakePlan, on_card: MakeTrainState, name: str, precision: str
    ) -> None:
        model = {"name": name, "emb_dim": 16, "mlp_dims": [8], "dropout": 0.3, "emb_dropout": 0.2}
        model |= (
            {"hidden_dim": 16, "num_layers": 2, "ngram_sizes": [2], "ngram_buckets": 500} if name == "bigru" else {}
        )
        config = Config.load({"model": model, "data": {"max_len": 40}, "training": {"batch_size": 8, "lr": 0.01}})
        losses = []
        for recorded in (False, True):
            state = on_card(config, precision)
            plan = make_plan(config, widths=graph_widths(config.data.max_len))
            graphs = build_step_graphs(state, plan) if recorded else None
            torch.manual_seed(5)
            steps: list[Step] = []
            for epoch in range(4):
                steps += train_steps(state.network, state, plan, epoch, graphs=graphs)
            losses.append([step.loss for step in steps])
            assert graphs is None or graphs.graphs
        assert losses[1] == pytest.approx(losses[0], rel=2e-2)
        assert losses[0][-1] < losses[0][0]

    def test_a_step_that_cannot_be_recorded_ends_the_training(
        self, plain_config: MakeConfig, make_plan: MakePlan, on_card: MakeTrainState, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        config = plain_config(precision="bf16")
        state, plan = on_card(config), make_plan(config, widths=graph_widths(config.data.max_len))
        forward = state.network.forward

        def looks(batch: Batch, progress: float = 1.0) -> Any:
            assert float(batch.weights.sum()) > 0  # which the processor has to wait for
            return forward(batch, progress)

        monkeypatch.setattr(state.network, "forward", looks)
        graphs = build_step_graphs(state, plan)
        assert isinstance(graphs, StepGraphs)
        with pytest.raises(ConfigError, match=r"training.cuda_graphs: found true, but a step of \d+ tokens cannot be"):
            list(train_steps(state.network, state, plan, 0, graphs=graphs))
