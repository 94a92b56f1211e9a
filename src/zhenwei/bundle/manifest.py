"""The manifest of a bundle, detector.json, and its validation."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from zhenwei.errors import CheckpointError

FORMAT_VERSION = 1


def read_manifest(path: Path, required: tuple[str, ...], optional: str) -> dict[str, Any]:
    """Read and validate the manifest of a bundle.

    Args:
        path: The file.
        required: Files whose digests it must contain.
        optional: A file whose digest it may contain.

    Raises:
        CheckpointError: If it is missing, damaged, incomplete, or of another format.
    """
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        version = manifest["format_version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path}: damaged or foreign: {type(error).__name__}: {error}") from None
    if version != FORMAT_VERSION:
        raise CheckpointError(f"{path}: found bundle format {version}; expected {FORMAT_VERSION}: train it again")
    digests = f"the digests of {', '.join(required)}"
    checks: list[_Check] = [("sha256", digests, partial(_are_digests, required, optional)), *_CHECKS]
    for name, expected, is_valid in checks:
        if name not in manifest:
            raise CheckpointError(f"{path}: damaged or foreign: it has no '{name}'")
        if not is_valid(manifest[name]):
            value = json.dumps(manifest[name], ensure_ascii=False)[:100]
            raise CheckpointError(f"{path}: damaged or foreign: {name}: found {value}; expected {expected}")
    return manifest


def _is_probability(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0.0 <= value <= 1.0  # excludes nan


def _is_object_or_null(value: Any) -> bool:
    return value is None or isinstance(value, dict)


def _is_list_of_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _are_digests(required: tuple[str, ...], optional: str, value: Any) -> bool:
    return isinstance(value, dict) and {*value} - {optional} == {*required}


_Check = tuple[str, str, Callable[[Any], bool]]

# The entries of detector.json beside its version and the digests: name, expected value, check.
_CHECKS: tuple[_Check, ...] = (
    ("threshold", "a number from 0 to 1", _is_probability),
    ("calibration", "an object or null", _is_object_or_null),
    ("special_tokens", "an object", lambda value: isinstance(value, dict)),
    ("encoder", "an object or null", _is_object_or_null),
    ("domain_names", "a list of names", _is_list_of_names),
    ("emotion_size", "a length", lambda value: type(value) is int and value >= 0),
    ("emotion", "an object or null", _is_object_or_null),
    ("facts", "an object", lambda value: isinstance(value, dict)),
)
