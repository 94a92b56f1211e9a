"""Logits: one per article, in the order of the articles."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from torch import nn

from zhenwei.bundle.device import cpu_computes_bf16
from zhenwei.bundle.metrics import metrics_from_logits
from zhenwei.bundle.predict_logits import mean_cross_entropy, predict_logits, prediction_precision, sigmoid
from zhenwei.config import Config
from zhenwei.errors import TrainingError
from zhenwei.models import DetectorNetwork, Output
from zhenwei.models.gru.int8 import int8_inference_enabled
from zhenwei.tokens import Batch
from zhenwei.training.checkpoints import TrainState
from zhenwei.training.loop import TrainingPlan


class RowNumbers(DetectorNetwork):
    """Returns the row number of each article, and counts them."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []
        self.layer = nn.Linear(1, 1)

    def forward(self, batch: Batch, progress: float = 1.0) -> Output:
        assert not self.training
        self.seen += batch.rows.tolist()
        return Output(torch.from_numpy(batch.rows).float())


@pytest.mark.parametrize("batch_size", [1, 7, 256])
def test_logits_are_in_the_order_of_the_articles(
    plain_config: Callable[..., Config], make_plan: Callable[..., TrainingPlan],
    make_accelerator: Callable[..., Accelerator], batch_size: int,
) -> None:  # fmt: skip
    network, course = RowNumbers().train(), make_plan(plain_config(), 50)
    logits = predict_logits(
        network, course.articles, pad_id=0, batch_size=batch_size, accelerator=make_accelerator()
    )  # fmt: skip
    assert logits.tolist() == list(range(50))
    assert sorted(network.seen) == list(range(50))
    assert network.training  # its mode is put back


def test_the_batch_size_does_not_change_the_logits(
    plain_config: Callable[..., Config],
    make_plan: Callable[..., TrainingPlan],
    make_train_state: Callable[..., TrainState],
) -> None:
    course, trainee = make_plan(plain_config()), make_train_state(plain_config())
    one, many = (
        predict_logits(
            trainee.network,
            course.articles,
            pad_id=0,
            batch_size=size,
            accelerator=trainee.accelerator,
            precision="auto",
        )
        for size in (1, 64)
    )
    np.testing.assert_allclose(one, many, atol=1e-5)


def test_float32_ignores_the_precision_of_training(
    plain_config: Callable[..., Config],
    make_plan: Callable[..., TrainingPlan],
    make_train_state: Callable[..., TrainState],
) -> None:
    course = make_plan(plain_config())
    found = {}
    for precision in ("no", "bf16"):
        trainee = make_train_state(plain_config(), precision=precision)
        found[precision] = predict_logits(
            trainee.network, course.articles, pad_id=0, batch_size=64, accelerator=trainee.accelerator
        )
    np.testing.assert_array_equal(found["no"], found["bf16"])


def test_auto_precision_changes_probabilities_by_thousandths(
    plain_config: Callable[..., Config],
    make_plan: Callable[..., TrainingPlan],
    make_train_state: Callable[..., TrainState],
) -> None:
    course, network = make_plan(plain_config()), make_train_state(plain_config()).network
    exact, fast = (
        predict_logits(network, course.articles, pad_id=0, batch_size=16, device="cpu", precision=precision)
        for precision in ("float32", "auto")
    )
    assert np.abs(sigmoid(fast) - sigmoid(exact)).max() < 0.005 < np.ptp(sigmoid(exact))


@pytest.mark.parametrize(("name", "coarse"), [("float32", False), ("auto", True)])
def test_a_precision_ends_with_its_context(name: str, coarse: bool) -> None:
    def state() -> tuple[bool, bool]:
        return torch.is_autocast_enabled("cpu"), int8_inference_enabled()

    with prediction_precision(name, "cpu"):
        assert state() == (coarse and cpu_computes_bf16(), coarse)
    assert state() == (False, False)


def test_large_logits_have_a_finite_loss() -> None:
    logits = np.array([-1e4, 0.0, 1e4])
    assert sigmoid(logits).tolist() == [0.0, 0.5, 1.0]
    assert mean_cross_entropy(np.array([1.0, 1.0, 1.0]), logits) == pytest.approx((1e4 + np.log(2)) / 3)


def test_logits_that_are_not_finite_are_refused() -> None:
    with pytest.raises(TrainingError, match="1 of 2 articles have no finite logit"):
        metrics_from_logits(np.array([0, 1]), np.array([0.0, np.nan]))
