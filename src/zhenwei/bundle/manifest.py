"""The manifest of a bundle, detector.json, and its validation."""

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from zhenwei.errors import CheckpointError

FORMAT_VERSION = 1

# The entries of detector.json beside its version and the digests: type and expected value.
_ENTRIES: dict[str, tuple[Any, str]] = {
    "threshold": (Annotated[float, Field(ge=0.0, le=1.0)], "a number from 0 to 1"),
    "calibration": (dict[str, Any] | None, "an object or null"),
    "special_tokens": (dict[str, Any], "an object"),
    "encoder": (dict[str, Any] | None, "an object or null"),
    "domain_names": (list[str], "a list of names"),
    "emotion_size": (Annotated[int, Field(ge=0)], "a length"),
    "emotion": (dict[str, Any] | None, "an object or null"),
    "abstention": (dict[str, Any], "an object"),
    "opencc": (str | None, "a table and its version, or null"),
    "facts": (dict[str, Any], "an object"),
}


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
    for name, (kind, expected) in {"sha256": (dict[str, Any], digests), **_ENTRIES}.items():
        if name not in manifest:
            raise CheckpointError(f"{path}: damaged or foreign: it has no '{name}'")
        try:
            value = TypeAdapter(kind).validate_python(manifest[name], strict=True)
            if name == "sha256" and {*value} - {optional} != {*required}:
                raise ValueError
        except ValueError:  # also of pydantic
            found = json.dumps(manifest[name], ensure_ascii=False)[:100]
            raise CheckpointError(f"{path}: damaged or foreign: {name}: found {found}; expected {expected}") from None
    return manifest
