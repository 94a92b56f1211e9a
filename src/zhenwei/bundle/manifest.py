"""What a bundle says of itself in detector.json, and whether it can be believed."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import zhenwei
from zhenwei.errors import CheckpointError

FORMAT_VERSION = 3
READABLE = (2, 3)  # 2 knew no calibration


def read_manifest(path: Path, hashed: tuple[str, ...], perhaps: str) -> dict[str, Any]:
    """Read a bundle's description, and check that it is one that this version understands.

    Args:
        path: The file.
        hashed: The files of which it must have digests.
        perhaps: A file of which it may have one.

    Raises:
        CheckpointError: If it is missing, damaged, of another format, or lacks something.
    """
    try:
        description: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        version = description["format_version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path}: damaged or foreign: {type(error).__name__}: {error}") from None
    if version not in READABLE:
        raise CheckpointError(
            f"{path}: bundle format {version}, saved by zhenwei {description.get('zhenwei_version')}; "
            f"this is zhenwei {zhenwei.__version__}, which reads formats {' and '.join(map(str, READABLE))}; "
            "train the detector again, or use it with that version"
        )
    digests = f"the digests of {', '.join(hashed)}"
    checks: list[_Check] = [("sha256", digests, partial(_are_digests, hashed, perhaps)), *_EXPECTED]
    for name, expected, good in checks:
        if name not in description:
            raise CheckpointError(f"{path}: damaged or foreign: it has no '{name}'")
        if not good(description[name]):
            found = json.dumps(description[name], ensure_ascii=False)[:100]
            raise CheckpointError(f"{path}: damaged or foreign: {name}: found {found}; expected {expected}")
    return description


def _is_probability(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0.0 <= value <= 1.0  # not nan either


def _is_list_of_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _are_digests(names: tuple[str, ...], perhaps: str, value: Any) -> bool:
    return isinstance(value, dict) and {*value} - {perhaps} == {*names}


_Check = tuple[str, str, Callable[[Any], bool]]

# What detector.json must hold beside its version and the digests, in words and as a check.
_EXPECTED: tuple[_Check, ...] = (
    ("threshold", "a number from 0 to 1", _is_probability),
    ("calibration", "an object or null", lambda value: value is None or isinstance(value, dict)),
    ("special_tokens", "an object", lambda value: isinstance(value, dict)),
    ("encoder", "an object or null", lambda value: value is None or isinstance(value, dict)),
    ("domain_names", "a list of names", _is_list_of_names),
    ("emotion_size", "a length", lambda value: type(value) is int and value >= 0),
    ("emotion", "an object or null", lambda value: value is None or isinstance(value, dict)),
    ("facts", "an object", lambda value: isinstance(value, dict)),
)
