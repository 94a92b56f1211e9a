"""The trial of a compiled network; whole compiled trainings are in tests/integration."""

import pytest
import torch

from zhenwei.training.compilation import _generators_of


@pytest.mark.parametrize(("device", "expected"), [("cpu", []), ("mps", []), ("cuda:0", [0]), ("cuda:3", [3])])
def test_the_trial_gives_back_the_random_numbers_of_its_own_gpu_alone(device: str, expected: list[int]) -> None:
    assert _generators_of(torch.device(device)) == expected


def test_a_gpu_without_a_number_is_the_current_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 2)
    assert _generators_of(torch.device("cuda")) == [2]
