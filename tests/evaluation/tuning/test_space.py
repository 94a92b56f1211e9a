"""The search space: its JSON forms, and errors before the first trial."""

import json
from pathlib import Path
from typing import Any

import pytest

from zhenwei.config import Config, preset_path
from zhenwei.errors import ConfigError
from zhenwei.evaluation.tuning.space import Dimension, read_space

CONFIGS = preset_path("bigru").parent


@pytest.fixture
def config() -> Config:
    return Config.load({"model": {"name": "bigru", "emb_dim": 16, "hidden_dim": 8, "mlp_dims": [8]}})


def read(tmp_path: Path, config: Config, space: Any) -> list[Dimension]:
    (tmp_path / "space.json").write_text(space if isinstance(space, str) else json.dumps(space))
    return read_space(tmp_path / "space.json", config)


def test_every_form_is_parsed(tmp_path: Path, config: Config) -> None:
    space = {
        "training.lr": {"low": 1e-4, "high": 1e-2, "log": True},
        "model.dropout": {"low": 0, "high": 0.6},
        "model.hidden_dim": {"choices": [64, 128]},
        "model.mlp_dims": {"choices": [[8], [16, 8]]},
        "training.epochs": {"low": 2, "high": 10, "step": 2},
    }
    result = {dimension.name: dimension for dimension in read(tmp_path, config, space)}
    assert result["training.lr"] == Dimension("training.lr", 1e-4, 1e-2, log=True)
    assert result["model.dropout"].integer is False  # the setting is a float
    assert result["model.hidden_dim"].choices == (64, 128)
    assert result["model.mlp_dims"].choices == ([8], [16, 8])
    assert (result["training.epochs"].integer, result["training.epochs"].step) == (True, 2)
    assert {name: dimension.to_dict() for name, dimension in result.items()} == space


@pytest.mark.parametrize("preset", sorted(CONFIGS.glob("*.json")), ids=lambda path: path.stem)
def test_the_default_space_fits_every_preset(preset: Path) -> None:
    config = Config.load(preset)
    names = [dimension.name for dimension in read_space(None, config)]
    assert len(names) >= 3
    assert ("training.lr" in names) == (config.model.name != "tfidf")
    assert ("training.pretrained_lr" in names) == (config.model.pretrained is not None)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"training.lrr": {"low": 0, "high": 1}}, "unknown setting 'training.lrr'; did you mean 'training.lr'?"),
        ({"model.n_experts": {"choices": [3]}}, "unknown setting 'model.n_experts'"),
        ({"training.lr": {"low": 0.0, "high": 1.0}}, "training.lr: found 0.0; expected greater than 0"),
        ({"model.dropout": {"low": 0, "high": 1.5}}, "model.dropout: found 1.5; expected less than 1"),
        ({"model.hidden_dim": {"choices": [64, "big"]}}, "model.hidden_dim: found 'big'; expected a whole number"),
        ({"training.lr": {"low": 0.1, "high": 0.01}}, "training.lr: found {'low': 0.1, 'high': 0.01}; expected"),
        ({"training.lr": {"low": 0.1}}, "training.lr: found {'low': 0.1}; expected"),
        ({"training.lr": {"low": 0.1, "high": True}}, "expected"),
        ({"training.lr": {"low": 0, "high": 1, "log": True}}, "log needs low above 0"),
        ({"training.lr": [0.1, 0.2]}, "training.lr: found [0.1, 0.2]; expected"),
        ({"model.hidden_dim": {"choices": []}}, "model.hidden_dim: found {'choices': []}; expected"),
        ({"data.test": {"choices": ["a"]}}, "'data.test' cannot be searched"),
        ({"output.dir": {"choices": ["a"]}}, "'output.dir' cannot be searched"),
        ({"seed": {"choices": [1, 2]}}, "'seed' cannot be searched"),
        ({}, "is empty; expected at least one setting"),
        ([], "found a JSON list; expected an object of settings"),
        ("{", "is not JSON"),
    ],
    ids=str,
)
def test_errors_name_the_setting(tmp_path: Path, config: Config, space: Any, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        read(tmp_path, config, space)
    assert message in str(error.value)
    assert str(tmp_path / "space.json") in str(error.value)


def test_a_missing_file(tmp_path: Path, config: Config) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        read_space(tmp_path / "none.json", config)
