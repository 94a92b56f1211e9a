"""The files that a push uploads: those of the bundle, without known articles and without paths of this machine."""

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from zhenwei.bundle import Bundle
from zhenwei.bundle.bundle import CARD, DESCRIPTION, GRAPH, SETTINGS, SIMILAR, TOKENIZER, WEIGHTS
from zhenwei.bundle.card.data import file_name
from zhenwei.errors import CheckpointError
from zhenwei.hashing import file_sha256

_PATH_SETTINGS = ("root_path", "train", "val", "test", "emotion_lexicons")  # `data.tokenizer` may be a hub name
_LOCAL_PREFIXES = ("~", "$", "%", "file:", "./", "../", ".\\", "..\\")


@dataclass(frozen=True)
class Upload:
    """The files of a push, except the card.

    Attributes:
        contents: By name: the content of a file, or the local file to upload unchanged.
        omitted: Names of entries of the folder that are not uploaded.
    """

    contents: dict[str, bytes | Path]
    omitted: tuple[str, ...]


def collect_files(bundle: Bundle, folder: Path, *, known_articles: bool) -> Upload:
    """Collect the files of a bundle; other files of its folder are omitted.

    Args:
        bundle: The detector, as loaded from the folder.
        folder: Of a bundle or an exported detector.
        known_articles: Whether to upload the known articles, which are texts of other people.

    Raises:
        CheckpointError: If the folder no longer holds the detector that was loaded.
    """
    manifest = check_unchanged(bundle, folder)
    model = GRAPH if GRAPH in manifest["sha256"] else WEIGHTS
    settings = _to_json(_strip_settings(json.loads((folder / SETTINGS).read_text(encoding="utf-8"))))
    contents: dict[str, bytes | Path] = {model: folder / model, TOKENIZER: folder / TOKENIZER, SETTINGS: settings}
    digests = manifest["sha256"] | {SETTINGS: sha256(settings).hexdigest()}
    if SIMILAR in digests and known_articles:
        contents[SIMILAR] = folder / SIMILAR
    else:
        digests.pop(SIMILAR, None)
    stripped = {"facts": _strip_facts(manifest["facts"]), "encoder": strip_paths(manifest["encoder"])}
    contents[DESCRIPTION] = _to_json(manifest | stripped | {"sha256": digests})
    omitted = {entry.name for entry in folder.iterdir()} - contents.keys() - {CARD}
    return Upload(contents, tuple(sorted(omitted)))


def check_unchanged(bundle: Bundle, folder: Path) -> dict[str, Any]:
    """Return the manifest of a folder.

    Raises:
        CheckpointError: If the folder no longer holds the detector that was loaded.
    """
    calibration = None if bundle.calibration is None else bundle.calibration.to_dict()
    loaded = {"threshold": bundle.threshold, "calibration": calibration, "facts": bundle.facts}
    try:
        manifest: dict[str, Any] = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        unchanged = manifest | json.loads(json.dumps(loaded)) == manifest and all(
            file_sha256(folder / name) == digest for name, digest in manifest["sha256"].items()
        )
    except (OSError, ValueError):
        unchanged = False
    if not unchanged:
        raise CheckpointError(f"{folder}: no longer the detector that was loaded from it; load it again")
    return manifest


def strip_paths(value: Any, *, is_path: bool = False) -> Any:
    """Cut each path of this machine in settings or facts to its last component: folders may name people.

    A relative path into the working folder is kept, because it may be a name on the hub, unless the value `is_path`.
    """
    if isinstance(value, dict):
        return {name: strip_paths(each, is_path=is_path) for name, each in value.items()}
    if isinstance(value, list):
        return [strip_paths(each, is_path=is_path) for each in value]
    if isinstance(value, str):
        absolute = any(kind(value).is_absolute() for kind in (PurePosixPath, PureWindowsPath))
        if is_path or absolute or value.startswith(_LOCAL_PREFIXES):
            return file_name(value) or value
    return value


def _strip_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Cut settings that are always paths, relative ones too, and all other paths of this machine."""
    data = {name: strip_paths(value, is_path=name in _PATH_SETTINGS) for name, value in settings["data"].items()}
    output = settings["output"] | {"dir": strip_paths(settings["output"].get("dir"), is_path=True)}
    stripped: dict[str, Any] = strip_paths(settings | {"data": data, "output": output})
    return stripped


def _strip_facts(facts: dict[str, Any]) -> dict[str, Any]:
    files = {part: file | {"path": file_name(file["path"])} for part, file in (facts.get("files") or {}).items()}
    stripped: dict[str, Any] = strip_paths(facts | ({"files": files} if files else {}))
    return stripped


def _to_json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode("utf-8")
