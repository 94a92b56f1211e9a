"""The first batch of a compiled network; whole compiled trainings are in tests/integration."""

import pytest
import torch

from zhenwei.training.compilation import _generators_of


@pytest.mark.parametrize(("device", "expected"), [("cpu", []), ("mps", []), ("cuda:0", [0]), ("cuda:3", [3])])
def test_only_the_random_state_of_the_network_s_gpu_is_forked(device: str, expected: list[int]) -> None:
    assert _generators_of(torch.device(device)) == expected


def test_a_gpu_without_an_index_is_the_current_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 2)
    assert _generators_of(torch.device("cuda")) == [2]
