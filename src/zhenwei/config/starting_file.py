"""The starting file of `zhenwei init`, and the documentation of every setting, made from their docstrings."""

import json
from collections.abc import Iterator
from typing import Any

from zhenwei.config.config import Config
from zhenwei.config.model import model_config_class
from zhenwei.config.section import Section


def starting_config(detector: str) -> str:
    """Return a canonical configuration of a detector, every setting at its default, as JSON text.

    Raises:
        ConfigError: If there is no such detector.
    """
    config = Config.load({"model": {"name": detector}})
    return json.dumps(config.to_dict(), indent=2, ensure_ascii=False) + "\n"


def settings_guide(detector: str) -> str:
    """Return a Markdown page that says of every setting what it does, its default and its range.

    Raises:
        ConfigError: If there is no such detector.
    """
    config = Config.load({"model": {"name": detector}})
    lines = [f"# The settings of `{detector}`", ""]
    lines += ["| setting | default | what it does |", "| --- | --- | --- |"]
    lines += [f"| `{name}` | `{default}` | {text} |" for name, default, text in _settings(config, detector)]
    return "\n".join(lines) + "\n"


def _settings(config: Config, detector: str) -> Iterator[tuple[str, str, str]]:
    """Yield name, default and description of every setting, section by section."""
    for section, field in Config.model_fields.items():
        value = getattr(config, section)
        if not isinstance(value, Section):
            yield section, json.dumps(value), _one_line(field.description)
            continue
        kind = model_config_class(detector) if section == "model" else type(value)
        for name, inner in kind.model_fields.items():
            yield f"{section}.{name}", _default(getattr(value, name)), _one_line(inner.description)


def _default(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")
