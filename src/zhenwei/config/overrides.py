"""`--set section.key=value`: overrides of single settings on the command line."""

import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

from zhenwei.errors import ConfigError


def parse_override(text: str) -> tuple[list[str], Any]:
    """Split `section.key=value` into its path and its value.

    The value is parsed as JSON (`1e-3`, `true`, `[384, 1]`, `null`) or as `True`, `False` or `None`, else it is text.

    Raises:
        ConfigError: If there is no `=`, or no name before it.
    """
    name, equals, value = text.partition("=")
    path = name.strip().split(".")
    if not equals or not all(path):
        raise ConfigError(f"--set: found '{text}'; expected section.key=value, as in training.lr=1e-3")
    try:
        return path, json.loads(value)
    except ValueError:
        return path, {"True": True, "False": False, "None": None}.get(value.strip(), value.strip())


def to_json_types(value: Any) -> Any:
    """Return a copy of settings in JSON types: paths and keys become text, tuples become lists."""
    if isinstance(value, Mapping):
        return {str(key): to_json_types(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [to_json_types(inner) for inner in value]
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def apply_overrides(settings: Mapping[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """Return a copy of the settings with single values replaced.

    Raises:
        ConfigError: If an override has no value, or its path leads through a value that is not a section.
    """
    changed: dict[str, Any] = to_json_types(settings)
    for text in overrides:
        path, value = parse_override(text)
        section = changed
        for part in path[:-1]:
            section = section.setdefault(part, {})
            if not isinstance(section, dict):
                raise ConfigError(f"--set: found '{text}'; '{part}' is a single setting, not a section")
        section[path[-1]] = value
    return changed
