"""torch.compile on request: similar results, the same names of weights, and a fallback."""

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch._inductor import config as inductor

from zhenwei import Trainer

pytestmark = pytest.mark.slow
Settings = Callable[..., dict[str, Any]]
BRIEF = {"epochs": 1, "batch_size": 32}


@pytest.fixture(autouse=True)
def fresh_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Clear what other tests compiled."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "inductor"))
    torch.compiler.reset()
    yield
    torch.compiler.reset()


def train(settings: dict[str, Any]) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    results, model_path = Trainer(settings).train()
    return results, load_file(model_path / "model.safetensors")


@pytest.mark.nightly
@pytest.mark.skipif(not any(map(os.access, ["/usr/bin/g++", "/usr/bin/c++"], [os.X_OK] * 2)), reason="needs a compiler")
def test_compiled_and_plain_training_agree(
    tmp_path: Path, tiny_settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    settings = {"training": BRIEF, "model": {"dropout": 0.0}, "data": {"max_len": 32}}
    plain, weights = train(tiny_settings(tmp_path / "plain", **settings))
    compiled, other = train(tiny_settings(tmp_path / "compiled", **settings | {"training": {**BRIEF, "compile": True}}))
    assert "compiled the network; batches are padded to one of [32] tokens" in caplog.text
    assert compiled["loss"] == pytest.approx(plain["loss"], rel=1e-3)
    assert other.keys() == weights.keys()  # no `_orig_mod.`
    for name in weights.keys() - {"attention.score.bias"}:  # softmax does not feel it: it learns rounding errors
        torch.testing.assert_close(other[name], weights[name], rtol=0.01, atol=1e-3)


def test_without_a_compiler_training_continues_with_one_warning(
    tmp_path: Path, tiny_settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings = {"model": {"dropout": 0.3}, "data": {"max_len": 32}}
    _, plain = train(tiny_settings(tmp_path / "plain", training=BRIEF, **settings))
    caplog.clear()
    with inductor.patch({"cpp.cxx": (str(tmp_path / "no-compiler"),)}):  # monkeypatch would lose the setting for good
        _, fallen_back = train(tiny_settings(tmp_path / "run", training={**BRIEF, "compile": True}, **settings))
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert sum("torch.compile does not work here, training without it" in text for text in warnings) == 1
    assert plain.keys() == fallen_back.keys()
