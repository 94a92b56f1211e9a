"""Scoring: every article once, in the order in which they were given."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from torch import nn

from zhenwei.config import Config
from zhenwei.errors import TrainingError
from zhenwei.models import DetectorNetwork, Output
from zhenwei.models.coarse import allows_int8_states
from zhenwei.tokens import Batch
from zhenwei.training.checkpoints import Trainee
from zhenwei.training.device import cpu_computes_bf16
from zhenwei.training.loop import Course
from zhenwei.training.metrics import metrics_of_logits
from zhenwei.training.scoring import mean_cross_entropy, score_alone, score_articles, scoring_precision, sigmoid


class RowNumbers(DetectorNetwork):
    """Says of each article its row number, and keeps count."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []
        self.layer = nn.Linear(1, 1)

    def forward(self, batch: Batch, progress: float = 1.0) -> Output:
        assert not self.training
        self.seen += batch.rows.tolist()
        return Output(torch.from_numpy(batch.rows).float())


@pytest.mark.parametrize("batch_size", [1, 7, 256])
def test_logits_come_in_the_order_of_the_articles_each_judged_once(
    plain_config: Callable[..., Config], make_course: Callable[..., Course],
    make_accelerator: Callable[..., Accelerator], batch_size: int,
) -> None:  # fmt: skip
    network, course = RowNumbers().train(), make_course(plain_config(), 50)
    logits = score_articles(
        network, course.articles, pad_id=0, batch_size=batch_size, accelerator=make_accelerator()
    )  # fmt: skip
    assert logits.tolist() == list(range(50))
    assert sorted(network.seen) == list(range(50))
    assert network.training  # its mode is put back


def test_the_size_of_the_batch_makes_no_difference(
    plain_config: Callable[..., Config], make_course: Callable[..., Course], make_trainee: Callable[..., Trainee]
) -> None:
    course, trainee = make_course(plain_config()), make_trainee(plain_config())
    one, many = (
        score_articles(trainee.network, course.articles, pad_id=0, batch_size=size, accelerator=trainee.accelerator)
        for size in (1, 64)
    )
    np.testing.assert_allclose(one, many, atol=1e-5)


def test_scoring_in_float32_ignores_the_precision_of_training(
    plain_config: Callable[..., Config], make_course: Callable[..., Course], make_trainee: Callable[..., Trainee]
) -> None:
    course = make_course(plain_config())
    found = {}
    for precision in ("no", "bf16"):
        trainee = make_trainee(plain_config(), precision=precision)
        found[precision] = score_articles(
            trainee.network, course.articles, pad_id=0, batch_size=64, accelerator=trainee.accelerator, mixed=False
        )
    np.testing.assert_array_equal(found["no"], found["bf16"])


def test_the_fastest_precision_moves_probabilities_by_thousandths(
    plain_config: Callable[..., Config], make_course: Callable[..., Course], make_trainee: Callable[..., Trainee]
) -> None:
    course, network = make_course(plain_config()), make_trainee(plain_config()).network
    exact, fast = (
        score_alone(network, course.articles, pad_id=0, batch_size=16, device="cpu", precision=precision)
        for precision in ("float32", "auto")
    )
    assert np.abs(sigmoid(fast) - sigmoid(exact)).max() < 0.005 < np.ptp(sigmoid(exact))


@pytest.mark.parametrize(("name", "coarse"), [("float32", False), ("auto", True)])
def test_a_precision_ends_with_its_context(name: str, coarse: bool) -> None:
    def state() -> tuple[bool, bool]:
        return torch.is_autocast_enabled("cpu"), allows_int8_states()

    with scoring_precision(name, "cpu"):
        assert state() == (coarse and cpu_computes_bf16(), coarse)
    assert state() == (False, False)


def test_large_logits_neither_overflow_nor_lose_the_loss() -> None:
    logits = np.array([-1e4, 0.0, 1e4])
    assert sigmoid(logits).tolist() == [0.0, 0.5, 1.0]
    assert mean_cross_entropy(np.array([1.0, 1.0, 1.0]), logits) == pytest.approx((1e4 + np.log(2)) / 3)


def test_logits_that_are_not_finite_have_no_metrics() -> None:
    with pytest.raises(TrainingError, match="1 of 2 articles have no finite logit"):
        metrics_of_logits(np.array([0, 1]), np.array([0.0, np.nan]))
