"""All settings of a run: loading, checking, saving."""

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
from zhenwei.config.overrides import apply_overrides, to_json_types
from zhenwei.config.presets import PRESETS, preset_path
from zhenwei.config.section import Section, did_you_mean, format_errors
from zhenwei.config.training import TrainingConfig
from zhenwei.errors import ConfigError


class Config(Section):
    """All settings of a run."""

    data: DataConfig = DataConfig()
    """The articles, and how their text becomes tokens."""

    model: SerializeAsAny[ModelConfig] = BiGRUConfig()
    """The network; its settings depend on `name`."""

    training: TrainingConfig = TrainingConfig()
    """How the network is trained."""

    output: OutputConfig = OutputConfig()
    """What the run writes."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 2021
    """Seed of everything random: initial weights, order, dropout, augmentation."""

    @model_validator(mode="before")
    @classmethod
    def _default_to_published_rates(cls, values: Any) -> Any:
        """Set the learning rates that are not given to the published ones of the detector."""
        if not isinstance(values, Mapping):
            return values
        model, training = values.get("model"), values.get("training", {})
        if not isinstance(model, Mapping) or not isinstance(training, Mapping):
            return values
        with contextlib.suppress(ValueError):  # `_pick_model` refuses an unknown name
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
                "ids differ; remove data.tokenizer"
            )
        return self

    @classmethod
    def load(cls, source: "Config | Mapping[str, Any] | str | os.PathLike[str]", overrides: Iterable[str] = ()) -> Self:
        """Read settings from a dict, a `Config`, a JSON file or a preset, in the canonical or the original flat form.

        Args:
            source: The settings, the path of their file, or the name of a preset (`zhenwei init --list`).
            overrides: `section.key=value` texts, applied last.

        Raises:
            ConfigError: If the file is missing or not JSON, or a setting is unknown, has a wrong type or range, or
                contradicts another. The message names the setting, what was found and what was expected.
        """
        settings, origin = _read(source)
        flat = is_flat(settings)
        if flat:
            settings = from_flat(settings, origin)
        settings = apply_overrides(settings, overrides)
        try:
            return cls.model_validate(settings)
        except ValidationError as error:
            sentences = format_errors(error, origin, _known_settings(settings), CANONICAL)
            raise ConfigError("\n".join(map(in_flat_words, sentences) if flat else sentences)) from None

    @property
    def run_dir(self) -> Path:
        """The folder of the run."""
        return Path(self.output.dir or f"runs/{self.model.title}")

    def to_dict(self) -> dict[str, Any]:
        """Return the canonical form, ready for JSON."""
        return self.model_dump(mode="json")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the canonical form as JSON."""
        text = json.dumps(self.to_dict(), indent=2, ensure_ascii=False)
        Path(path).write_text(text + "\n", encoding="utf-8")


def _read(source: Config | Mapping[str, Any] | str | os.PathLike[str]) -> tuple[dict[str, Any], str]:
    """Return the settings as a dict, and the name of their origin for messages."""
    if isinstance(source, Config):
        return source.to_dict(), "config"
    if isinstance(source, Mapping):
        return to_json_types(source), "config"
    if not isinstance(source, str | os.PathLike):
        raise ConfigError(
            f"config: found {type(source).__name__}; expected a dict, a Config or the path of a JSON file"
        )
    path = preset_path(str(source)) if str(source) in PRESETS and not Path(source).is_file() else Path(source)
    try:
        settings = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; {_missing_file_hint(path)}") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: is a folder; expected a JSON file of settings") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text (byte {error.start}); expected a JSON file of settings") from None
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}: is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits, deep nesting
        raise ConfigError(f"{path}: cannot be used as settings: {error}") from None
    if not isinstance(settings, dict):
        raise ConfigError(f"{path}: found a JSON {type(settings).__name__}; expected an object of settings")
    return settings, str(path)


def _missing_file_hint(path: Path) -> str:
    """Return what a user may have meant by a configuration file that does not exist."""
    if path.stem in PRESETS:
        target = "" if path.suffix != ".json" else f"; `zhenwei init {path} --preset {path.stem}` writes that file"
        return f"the preset is named '{path.stem}'{target}"
    if path.suffix == ".json":
        return f"`zhenwei init {path}` writes a template"
    return f"{did_you_mean(str(path), PRESETS)} (the presets), or give the path of a JSON file"


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
