"""Early stopping, by scores of either direction."""

import math
from dataclasses import asdict

import pytest

from zhenwei.training.early_stopping import EarlyStopping


@pytest.mark.parametrize(
    ("direction", "scores", "best_epochs"),
    [("max", [0.5, 0.7, 0.6, 0.8], [1, 2, 4]), ("min", [0.5, 0.7, 0.4, 0.4], [1, 3])],
)
def test_the_direction_decides_what_is_better_and_a_tie_is_not(
    direction: str, scores: list[float], best_epochs: list[int]
) -> None:
    stopping = EarlyStopping(direction, patience=0)  # type: ignore[arg-type]
    assert [epoch for epoch, score in enumerate(scores, 1) if stopping.update(score, epoch)] == best_epochs
    assert stopping.best_epoch == best_epochs[-1]


def test_it_stops_after_patience_epochs() -> None:
    stopping = EarlyStopping("max", patience=2)
    stopped = []
    for epoch, score in enumerate([0.5, 0.4, 0.6, 0.5, 0.6], 1):
        stopping.update(score, epoch)
        stopped.append(stopping.should_stop)
    assert stopped == [False, False, False, False, True]


def test_without_patience_it_never_stops() -> None:
    stopping = EarlyStopping("max", patience=0)
    for epoch in range(1, 100):
        stopping.update(0.5, epoch)
    assert not stopping.should_stop


@pytest.mark.parametrize("undefined", [None, math.nan])
def test_an_undefined_score_is_never_the_best(undefined: float | None) -> None:
    stopping = EarlyStopping("min", patience=1)
    assert not stopping.update(undefined, 1)
    assert stopping.should_stop
    assert stopping.update(0.5, 2)


def test_its_state_can_be_restored() -> None:
    stopping = EarlyStopping("max", patience=3)
    stopping.update(0.5, 1)
    stopping.update(0.4, 2)
    assert EarlyStopping(**asdict(stopping)) == stopping
