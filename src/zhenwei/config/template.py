"""Templates of configuration files, and the documentation of every setting from the docstrings."""

import json
from collections.abc import Iterator
from typing import Any

from zhenwei.config.config import Config
from zhenwei.config.section import Section


def config_template(config: Config) -> str:
    """Return a configuration with every setting, as JSON text."""
    return json.dumps(config.to_dict(), indent=2, ensure_ascii=False) + "\n"


def settings_guide(config: Config) -> str:
    """Return a Markdown page with the value and the description of every setting of a configuration."""
    lines = [f"# Settings of `{config.model.title}`", "", "| setting | value | meaning |", "| --- | --- | --- |"]
    for name, value, text in _settings(config):
        meaning = " ".join((text or "").split()).replace("|", "\\|")
        lines.append(f"| `{name}` | `{json.dumps(value, ensure_ascii=False)}` | {meaning} |")
    return "\n".join(lines) + "\n"


def _settings(config: Config) -> Iterator[tuple[str, Any, str | None]]:
    """Yield name, value and description of every setting, section by section."""
    for section, field in Config.model_fields.items():
        value = getattr(config, section)
        if not isinstance(value, Section):
            yield section, value, field.description
            continue
        for name, inner in type(value).model_fields.items():
            yield f"{section}.{name}", getattr(value, name), inner.description
