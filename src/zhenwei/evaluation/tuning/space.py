"""The search space: declared in JSON, or a default for each detector."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from zhenwei.config import Config
from zhenwei.config.section import did_you_mean, short
from zhenwei.errors import ConfigError

Trial: TypeAlias = Any  # of optuna, which is optional
FORMS = '{"low": 1e-4, "high": 1e-2, "log": true}, optionally with "step", or {"choices": [64, 128]}'
NOT_SEARCHED = ("data.root_path", "data.train", "data.val", "data.test", "model.name", "output", "seed",
                "training.device", "training.monitor")  # fmt: skip

_NETWORK: dict[str, Any] = {
    "training.lr": {"low": 2e-4, "high": 5e-3, "log": True},
    "training.weight_decay": {"low": 1e-5, "high": 0.5, "log": True},
    "training.batch_size": {"choices": [16, 32, 64]},
    "model.dropout": {"low": 0.0, "high": 0.6},
    "data.aug_prob": {"low": 0.0, "high": 0.4},
}
_PRETRAINED: dict[str, Any] = {
    **{name: _NETWORK[name] for name in ("model.dropout", "training.batch_size", "training.weight_decay")},
    "training.lr": {"low": 2e-5, "high": 1e-3, "log": True},
    "training.pretrained_lr": {"low": 5e-6, "high": 1e-4, "log": True},
}
_BY_DETECTOR: dict[str, dict[str, Any]] = {
    "bigru": {"model.hidden_dim": {"choices": [64, 96, 128, 192]}},
    "textcnn": {"model.filters": {"choices": [32, 64, 96]}},
    "eann": {"model.domain_loss_weight": {"low": 0.1, "high": 2.0, "log": True}},
    "mdfend": {"model.n_experts": {"choices": [3, 5, 7]}},
    "bert": {"model.finetune_layers": {"choices": [1, 2, 4]}},
    "bert_emo": {"model.finetune_layers": {"choices": [1, 2, 4]}},
}
_TFIDF: dict[str, Any] = {
    "model.C": {"low": 0.1, "high": 300.0, "log": True},
    "model.min_df": {"low": 1, "high": 5},
    "model.ngram_range": {"choices": [[1, 2], [1, 3], [1, 4], [2, 4]]},
    "model.sublinear_tf": {"choices": [True, False]},
}


@dataclass(frozen=True)
class Dimension:
    """One setting of the search space.

    Attributes:
        name: Name of the setting as in `--set`: `training.lr`.
        low: Lowest value; None if there are choices.
        high: Highest value.
        step: Distance of adjacent values; None: continuous, or every whole number.
        log: Whether to sample on a logarithmic scale.
        integer: Whether values are whole numbers.
        choices: All values of a categorical setting.
    """

    name: str
    low: float | None = None
    high: float | None = None
    step: float | None = None
    log: bool = False
    integer: bool = False
    choices: tuple[Any, ...] = ()

    def suggest(self, trial: Trial) -> Any:
        """Return the value that a trial suggests."""
        if self.choices:  # as JSON text: a study stores scalars only
            return json.loads(trial.suggest_categorical(self.name, [json.dumps(choice) for choice in self.choices]))
        assert self.low is not None
        assert self.high is not None
        if self.integer:
            return trial.suggest_int(self.name, int(self.low), int(self.high), step=int(self.step or 1), log=self.log)
        return trial.suggest_float(self.name, self.low, self.high, step=self.step, log=self.log)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        if self.choices:
            return {"choices": list(self.choices)}
        bounds: dict[str, Any] = {"low": self.low, "high": self.high}
        return bounds | ({"step": self.step} if self.step is not None else {}) | ({"log": True} if self.log else {})


def default_space(config: Config) -> dict[str, Any]:
    """Return the default search space of a detector."""
    name = config.model.name
    if name == "tfidf":
        return _TFIDF
    common = _NETWORK if config.model.pretrained is None else _PRETRAINED
    return {**common, **_BY_DETECTOR.get(name, {})}


def read_space(path: Path | None, config: Config) -> list[Dimension]:
    """Read a search space, and check its names and values against the settings.

    Args:
        path: A JSON file; None for the detector's default space.
        config: The settings that the search starts from.

    Raises:
        ConfigError: If the file is missing or not JSON, a setting is unknown, or a value is invalid.
    """
    source = str(path) if path is not None else f"the default space of '{config.model.name}'"
    declared = _read(path) if path is not None else default_space(config)
    if not declared:
        raise ConfigError(f"{source}: is empty; expected at least one setting, as in training.lr: {FORMS}")
    dimensions = [_dimension(name, value, source, config) for name, value in declared.items()]
    for dimension in dimensions:
        for value in dimension.choices or (dimension.low, dimension.high):  # they imply that all others are valid
            try:
                with_values(config, {dimension.name: value})
            except ConfigError as error:
                raise ConfigError(f"{source}: {str(error).removeprefix('config: ')}") from None
    return dimensions


def _read(path: Path) -> dict[str, Any]:
    try:
        declared = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"--space: {path}: {(error.strerror or str(error)).lower()}; expected a JSON file") from None
    except ValueError as error:
        raise ConfigError(f"--space: {path}: is not JSON: {error}") from None
    if not isinstance(declared, dict):
        raise ConfigError(f"{path}: found a JSON {type(declared).__name__}; expected an object of settings")
    return declared


def _dimension(name: str, value: Any, source: str, config: Config) -> Dimension:
    """Parse one setting of a search space."""
    known = dict(_values(config))
    if name not in known:
        raise ConfigError(f"{source}: unknown setting '{name}'; {did_you_mean(name, known)}")
    if name in NOT_SEARCHED or name.split(".", maxsplit=1)[0] in NOT_SEARCHED:
        raise ConfigError(f"{source}: '{name}' cannot be searched: it changes the task, or where files are")
    invalid = ConfigError(f"{source}: {name}: found {short(value)}; expected {FORMS}")
    match value:
        case {"choices": [_, *_] as choices, **rest} if not rest:
            return Dimension(name, choices=tuple(choices))
        case {"low": low, "high": high, **rest} if rest.keys() <= {"step", "log"}:
            step: Any = rest.get("step")
            log: Any = rest.get("log", False)
        case _:
            raise invalid
    numbers = (low, high) if step is None else (low, high, step)
    if not (all(map(_is_number, numbers)) and isinstance(log, bool) and low <= high):
        raise invalid
    if (log and (low <= 0 or step is not None)) or (step is not None and step <= 0):
        raise ConfigError(
            f"{source}: {name}: found {short(value)}; log needs low above 0 and no step, and step above 0"
        )
    integer = isinstance(low, int) and isinstance(high, int) and not isinstance(known[name], float)
    if integer and step is not None and step != int(step):
        raise ConfigError(f"{source}: {name}: found {short(value)}; between whole numbers, step must be a whole number")
    return Dimension(name, low, high, step, log, integer)


def with_values(config: Config, values: Mapping[str, Any]) -> Config:
    """Return settings with other values of some of them, by name."""
    return Config.load(config, [f"{name}={json.dumps(value)}" for name, value in values.items()])


def _values(config: Config) -> Iterator[tuple[str, Any]]:
    """Yield the names and values of all settings."""
    for section, value in config.to_dict().items():
        if isinstance(value, dict):
            yield from ((f"{section}.{name}", inner) for name, inner in value.items())
        else:
            yield section, value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
