"""The whole of a run's settings: loading, checking, saving."""

import contextlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, SerializeAsAny, ValidationError, field_validator, model_validator

from zhenwei.config.data import DataConfig
from zhenwei.config.detectors import BiGRUConfig
from zhenwei.config.flat import CANONICAL, from_flat, in_flat_words, is_flat
from zhenwei.config.model import ModelConfig, model_config_class, parse_model_config
from zhenwei.config.output import OutputConfig
from zhenwei.config.overrides import apply_overrides, plain
from zhenwei.config.section import Section, explain
from zhenwei.config.training import TrainingConfig
from zhenwei.errors import ConfigError


class Config(Section):
    """All settings of a run."""

    data: DataConfig = DataConfig()
    """The articles, and how their text becomes tokens."""

    model: SerializeAsAny[ModelConfig] = BiGRUConfig()
    """The network; which settings there are depends on `name`."""

    training: TrainingConfig = TrainingConfig()
    """How the network is trained."""

    output: OutputConfig = OutputConfig()
    """What the run leaves behind."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 2021
    """Seed of all that is random: initial weights, order, dropout, augmentation."""

    @model_validator(mode="before")
    @classmethod
    def _fill_in_published_rates(cls, values: Any) -> Any:
        """Let the rates that are not set be those with which the detector was published."""
        if not isinstance(values, Mapping):
            return values
        model, training = values.get("model"), values.get("training", {})
        if not isinstance(model, Mapping) or not isinstance(training, Mapping):
            return values
        with contextlib.suppress(ValueError):  # an unknown name is refused where it stands
            rates = model_config_class(model.get("name", "bigru")).published_rates
            return {**values, "training": {**rates, **training}}
        return values

    @field_validator("model", mode="before")
    @classmethod
    def _pick_model(cls, value: Any) -> ModelConfig:
        return parse_model_config(value)

    @model_validator(mode="after")
    def _check_tokenizer(self) -> Self:
        encoder = self.model.pretrained
        if encoder is not None and self.data.tokenizer not in (None, encoder):
            raise ValueError(
                f"data.tokenizer is '{self.data.tokenizer}' but the embeddings are those of '{encoder}', whose token "
                "ids differ; leave data.tokenizer out"
            )
        return self

    @classmethod
    def load(cls, source: "Config | Mapping[str, Any] | str | os.PathLike[str]", overrides: Iterable[str] = ()) -> Self:
        """Read settings from a dict, a `Config` or a JSON file, in the canonical or the original flat form.

        Args:
            source: Where the settings are.
            overrides: `section.key=value` texts, applied last.

        Raises:
            ConfigError: If the file is missing or no JSON, a setting is unknown, has a wrong type or range, or
                contradicts another. The message names the setting, what was found and what would be right.
        """
        settings, where = _read(source)
        flat = is_flat(settings)
        if flat:
            settings = from_flat(settings, where)
        settings = apply_overrides(settings, overrides)
        try:
            return cls.model_validate(settings)
        except ValidationError as error:
            sentences = explain(error, where, _known_settings(settings), CANONICAL)
            raise ConfigError("\n".join(map(in_flat_words, sentences) if flat else sentences)) from None

    @property
    def run_dir(self) -> Path:
        """The run's folder."""
        return Path(self.output.dir or f"runs/{self.model.title}")

    def to_dict(self) -> dict[str, Any]:
        """Return the canonical form, ready for JSON."""
        return self.model_dump(mode="json")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the canonical form as JSON."""
        text = json.dumps(self.to_dict(), indent=2, ensure_ascii=False)
        Path(path).write_text(text + "\n", encoding="utf-8")


def _read(source: Config | Mapping[str, Any] | str | os.PathLike[str]) -> tuple[dict[str, Any], str]:
    """Return the settings as a dict, and the name of where they came from, for messages."""
    if isinstance(source, Config):
        return source.to_dict(), "config"
    if isinstance(source, Mapping):
        return plain(source), "config"
    if not isinstance(source, str | os.PathLike):
        raise ConfigError(
            f"config: found {type(source).__name__}; expected a dict, a Config or the path of a JSON file"
        )
    path = Path(source)
    try:
        settings = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; `zhenwei init {path}` writes a starting one") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: is a folder; expected a JSON file of settings") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text (byte {error.start}); expected a JSON file of settings") from None
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}: is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets within brackets
        raise ConfigError(f"{path}: cannot be used as settings: {error}") from None
    if not isinstance(settings, dict):
        raise ConfigError(f"{path}: found a JSON {type(settings).__name__}; expected an object of settings")
    return settings, str(path)


def _known_settings(settings: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the names of all settings by section, "" for the top level."""
    model: type[ModelConfig] = BiGRUConfig
    section = settings.get("model")
    if isinstance(section, Mapping) and "name" in section:
        with contextlib.suppress(ValueError):
            model = model_config_class(section["name"])
    classes: dict[str, type[Section]] = {
        "": Config, "data": DataConfig, "model": model, "training": TrainingConfig, "output": OutputConfig
    }  # fmt: skip
    return {name: list(kind.model_fields) for name, kind in classes.items()}
