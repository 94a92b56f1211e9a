"""The manifest of a split: its options, and the digests of its parts, by which they are cited and verified."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import zhenwei
from zhenwei.atomic import atomic_file
from zhenwei.errors import DataError
from zhenwei.hashing import file_sha256
from zhenwei.news.article import Article

MANIFEST = "split.json"
FORMAT_VERSION = 1


def write_manifest(
    folder: Path,
    source: Path,
    source_digest: str,
    n_source: int,
    parts: Mapping[str, Sequence[Article]],
    options: Mapping[str, Any],
    groups: Mapping[str, int] | None,
) -> None:
    """Write `split.json` beside the parts of a split.

    Args:
        folder: The folder of `train.json`, `val.json` and `test.json`.
        source: The file that was split.
        source_digest: Its SHA-256 when it was read.
        n_source: Number of its articles.
        parts: The articles of each part.
        options: The options of the split.
        groups: Number of groups of near-duplicates of each part; None if they were not searched for.

    Raises:
        DataError: The file cannot be written.
    """
    manifest = {
        "format_version": FORMAT_VERSION,
        "zhenwei_version": zhenwei.__version__,
        "source": {"file": source.name, "sha256": source_digest, "n": n_source},
        "options": dict(options),
        "parts": {
            part: _describe_part(folder / f"{part}.json", articles, None if groups is None else groups[part])
            for part, articles in parts.items()
        },
    }
    text = json.dumps(manifest, ensure_ascii=False, indent=2) + "\n"
    with atomic_file(folder / MANIFEST) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _describe_part(file: Path, articles: Sequence[Article], groups: int | None) -> dict[str, Any]:
    times = sorted(article.time for article in articles if article.time is not None)
    return {
        "file": file.name,
        "sha256": file_sha256(file),
        "n": len(articles),
        "n_fake": sum(article.label == "fake" for article in articles),
        "n_groups": groups,
        "first_time": times[0].isoformat(sep=" ") if times else None,
        "last_time": times[-1].isoformat(sep=" ") if times else None,
    }


def verify_split(folder: str | os.PathLike[str]) -> tuple[dict[str, Any], list[str]]:
    """Check the parts of a split against its manifest.

    Returns:
        The manifest, and one message for each part that was changed or is missing.

    Raises:
        DataError: There is no manifest, or it is damaged.
    """
    path = Path(folder) / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        expected = {part["file"]: str(part["sha256"]) for part in manifest["parts"].values()}
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; `zhenwei data split` writes it beside the parts") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: damaged or foreign: {type(error).__name__}: {error}") from None
    problems = []
    for name, digest in expected.items():
        file = Path(folder) / name
        if not file.is_file():
            problems.append(f"{file}: is missing")
        elif (found := file_sha256(file)) != digest:
            problems.append(
                f"{file}: is not the file of this split: found sha256 {found[:16]}..., expected {digest[:16]}..."
            )
    return manifest, problems
