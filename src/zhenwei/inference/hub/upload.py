"""What of a bundle's folder is shared: its own files, without the known articles and this machine's folders."""

import json
import logging
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from zhenwei.bundle import Bundle
from zhenwei.bundle.bundle import CARD, DESCRIPTION, GRAPH, SETTINGS, SIMILAR, TOKENIZER, WEIGHTS
from zhenwei.bundle.card.data import file_name
from zhenwei.bundle.card.signature import CardState, card_state, marked
from zhenwei.errors import CheckpointError
from zhenwei.hashing import file_sha256
from zhenwei.inference.hub.license import keeps_its_own, with_licence
from zhenwei.inference.onnx.model_card import export_section
from zhenwei.inference.onnx.strip_metadata import has_traces, without_traces

logger = logging.getLogger(__name__)

_DATA_PATHS = ("root_path", "train", "val", "test", "emotion_lexicons")  # `data.tokenizer` may be a name on the hub
_FROM_ELSEWHERE = ("~", "$", "%", "file:", "./", "../", ".\\", "..\\")


@dataclass(frozen=True)
class SharedFiles:
    """The files that are uploaded.

    Attributes:
        contents: By name: what a file shall hold, or the file that is uploaded as it is.
        card: `whole`; `edited`: somebody's own; or `edited there`: on the hub, where it stays.
        left_out: What the folder has and is not shared.
    """

    contents: dict[str, bytes | Path]
    card: str
    left_out: tuple[str, ...]


def shared_files(
    bundle: Bundle,
    folder: Path,
    *,
    known_articles: bool,
    device: str,
    there: str | None = None,
    licence: str | None = None,
) -> SharedFiles:
    """Gather what is shared of a bundle; files that merely lie in its folder are not.

    Args:
        bundle: The detector, as it was loaded from the folder.
        folder: The bundle's, or an exported detector's.
        known_articles: Whether the known articles are shared, which are texts that people wrote.
        device: On which the detector is judged for its model card.
        there: The text of the card that is on the hub already; None: there is none.
        licence: The detector's, as the hub names it; None: as it is.

    Raises:
        CheckpointError: If the folder no longer holds what was loaded, or its graph names folders of this machine and
            `onnx`, which would take them out, is not installed.
    """
    description = checked_description(bundle, folder)
    settings = _encoded(_settings_without_places(json.loads((folder / SETTINGS).read_text(encoding="utf-8"))))
    model = GRAPH if GRAPH in description["sha256"] else WEIGHTS
    contents: dict[str, bytes | Path] = {model: folder / model, TOKENIZER: folder / TOKENIZER, SETTINGS: settings}
    if model == GRAPH and has_traces(folder / GRAPH):
        contents[GRAPH] = _cleared(folder / GRAPH)
    changed = {name: sha256(told).hexdigest() for name, told in contents.items() if isinstance(told, bytes)}
    digests = description["sha256"] | changed
    if SIMILAR in digests and known_articles:
        contents[SIMILAR] = folder / SIMILAR
    elif SIMILAR in digests:
        del digests[SIMILAR]
    told = {"facts": _facts_without_places(description["facts"]), "encoder": without_places(description["encoder"])}
    contents[DESCRIPTION] = _encoded(description | told | {"sha256": digests})
    card, state = _card(bundle, folder, device)
    card = with_licence(card, there, licence)
    stays = keeps_its_own(there, card)
    if not stays:
        contents[CARD] = card.encode("utf-8", "surrogateescape")
    left_out = {each.name for each in folder.iterdir()} - contents.keys()
    return SharedFiles(contents, "edited there" if stays else str(state), tuple(sorted(left_out)))


def without_places(value: Any) -> Any:
    """Return settings or facts with each path that leads through folders of a machine cut to its last name.

    Folders may name people. A relative path that leads down from here stays: it may be a name on the hub.
    """
    if isinstance(value, dict):
        return {name: without_places(each) for name, each in value.items()}
    if isinstance(value, list):
        return [without_places(each) for each in value]
    if isinstance(value, str):
        absolute = any(kind(value).is_absolute() for kind in (PurePosixPath, PureWindowsPath))
        if absolute or value.startswith(_FROM_ELSEWHERE):
            return file_name(value) or value
    return value


def _settings_without_places(settings: dict[str, Any]) -> dict[str, Any]:
    """Cut what is a path by its name, too, however it is written."""
    data = {name: _last_names(value) if name in _DATA_PATHS else value for name, value in settings["data"].items()}
    output = settings["output"]
    cut: dict[str, Any] = without_places(
        settings | {"data": data, "output": output | {"dir": _last_names(output.get("dir"))}}
    )
    return cut


def _facts_without_places(facts: dict[str, Any]) -> dict[str, Any]:
    files = {part: each | {"path": file_name(each["path"])} for part, each in (facts.get("files") or {}).items()}
    cut: dict[str, Any] = without_places(facts | ({"files": files} if files else {}))
    return cut


def _last_names(value: Any) -> Any:
    if isinstance(value, list):
        return [_last_names(each) for each in value]
    return file_name(value) or value if isinstance(value, str) else value


def checked_description(bundle: Bundle, folder: Path) -> dict[str, Any]:
    """Read what a folder says of its detector.

    Raises:
        CheckpointError: If it no longer holds the one that its user has in hand.
    """
    calibration = None if bundle.calibration is None else json.loads(json.dumps(bundle.calibration.to_dict()))
    held = {"threshold": bundle.threshold, "calibration": calibration, "facts": bundle.facts}
    try:
        description: dict[str, Any] = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        same = all(description.get(name) == value for name, value in held.items()) and all(
            file_sha256(folder / name) == digest for name, digest in description["sha256"].items()
        )
    except (OSError, ValueError):
        same = False
    if not same:
        raise CheckpointError(f"{folder}: no longer the detector that was loaded from it; load it again")
    return description


def _card(bundle: Bundle, folder: Path, device: str) -> tuple[str, CardState]:
    """Return the model card: as it lies there if it is whole or somebody's own, else completed now."""
    state = card_state(folder / CARD)
    if state in (CardState.WHOLE, CardState.EDITED):
        return (folder / CARD).read_bytes().decode("utf-8", "surrogateescape"), state
    from zhenwei.evaluation.model_card import complete_card  # noqa: PLC0415  # the audit: who only predicts does without

    logger.info("%s: judging and auditing for the model card", folder)
    card = complete_card(bundle, device=device)
    if "export" in bundle.facts:
        card += export_section(bundle.facts["export"])
    card = card.encode("utf-8", "replace").decode("utf-8")
    return marked(card, whole=True), CardState.WHOLE


def _cleared(graph: Path) -> bytes:
    """Return a graph of an older export without the folders that it names."""
    try:
        return without_traces(graph)
    except ImportError:
        raise CheckpointError(
            f"{graph}: names folders of the machine that exported it; export it again, or install what takes them out: "
            'pip install "zhenwei[export]"'
        ) from None


def _encoded(value: Any) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode("utf-8")
