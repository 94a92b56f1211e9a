"""`--set section.key=value`: single settings changed from the command line."""

import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

from zhenwei.errors import ConfigError


def parse_override(text: str) -> tuple[list[str], Any]:
    """Split `section.key=value` into its path and its value.

    The value is read as JSON where it is JSON (`1e-3`, `true`, `[384, 1]`, `null`), else as plain text.

    Raises:
        ConfigError: If there is no `=` or no name before it.
    """
    name, equals, value = text.partition("=")
    path = name.strip().split(".")
    if not equals or not all(path):
        raise ConfigError(f"--set: found '{text}'; expected section.key=value, as in training.lr=1e-3")
    try:
        return path, json.loads(value)
    except ValueError:
        return path, _python_literal(value.strip())


def _python_literal(value: str) -> Any:
    """Read the words that people type by habit from Python; all else is text."""
    return {"True": True, "False": False, "None": None}.get(value, value)


def plain(value: Any) -> Any:
    """Return a copy of settings as a JSON file would hold them: paths become text, tuples lists, keys text."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def apply_overrides(settings: Mapping[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """Return the settings with single values replaced; the input is left as it is.

    Raises:
        ConfigError: If an override has no value, or goes below something that is not a section.
    """
    changed: dict[str, Any] = plain(settings)
    for text in overrides:
        path, value = parse_override(text)
        place = changed
        for part in path[:-1]:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise ConfigError(f"--set: found '{text}'; '{part}' is a single setting, not a section")
        place[path[-1]] = value
    return changed
