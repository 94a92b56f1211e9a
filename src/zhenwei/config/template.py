"""The starting file of `zhenwei init`, and the documentation of every setting, made from their docstrings."""

import json
from collections.abc import Iterator
from typing import Any

from zhenwei.config.config import Config
from zhenwei.config.section import Section


def template_config(detector: str) -> str:
    """Return a canonical configuration of a detector, every setting at its default, as JSON text.

    Raises:
        ConfigError: If there is no such detector.
    """
    config = Config.load({"model": {"name": detector}})
    return json.dumps(config.to_dict(), indent=2, ensure_ascii=False) + "\n"


def settings_guide(detector: str) -> str:
    """Return a Markdown page that says of every setting what it does and what it is by default.

    Raises:
        ConfigError: If there is no such detector.
    """
    config = Config.load({"model": {"name": detector}})
    lines = [f"# The settings of `{detector}`", ""]
    lines += ["| setting | default | what it does |", "| --- | --- | --- |"]
    for name, default, text in _settings(config):
        lines.append(f"| `{name}` | `{json.dumps(default, ensure_ascii=False)}` | {_one_line(text)} |")
    return "\n".join(lines) + "\n"


def _settings(config: Config) -> Iterator[tuple[str, Any, str | None]]:
    """Yield name, default and description of every setting, section by section."""
    for section, field in Config.model_fields.items():
        value = getattr(config, section)
        if not isinstance(value, Section):
            yield section, value, field.description
            continue
        for name, inner in type(value).model_fields.items():
            yield f"{section}.{name}", getattr(value, name), inner.description


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")
