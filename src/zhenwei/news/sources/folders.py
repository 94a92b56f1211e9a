"""Find the folders of a dataset as its authors published them, and read its JSON files."""

import json
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from zhenwei.errors import DataError
from zhenwei.news.article import Article
from zhenwei.news.io.validation import BadRowError, BadRows


def folder_with(source: Path, names: Iterable[str], collection: str) -> Path:
    """Return the folder that holds all named files or folders: the given one, or a direct subfolder.

    The user may thus name the folder itself, or the repository that contains it.

    Raises:
        DataError: There is no such folder, or there are several.
    """
    required = list(names)
    if not source.is_dir():
        found = "a file" if source.exists() else "nothing"
        raise DataError(f"{source}: found {found}; expected the folder of {collection}")
    if all((source / name).exists() for name in required):
        return source
    below = [folder for folder in sorted(source.iterdir()) if all((folder / name).exists() for name in required)]
    if len(below) > 1:
        raise DataError(f"{source}: found {collection} in {below[0].name} and {below[1].name}; name one of them")
    if not below:
        present = ", ".join(sorted(entry.name for entry in source.iterdir())[:10]) or "nothing"
        raise DataError(f"{source}: found {present}; expected {', '.join(required)}, as {collection} is published")
    return below[0]


def read_posts(root: Path, files: list[Path], parse: Callable[[Path], Article]) -> list[Article]:
    """Read one article from each file, and return them in order of time.

    Args:
        root: The folder of the dataset.
        files: Its files, one post each.
        parse: Reads a file, or raises a `BadRowError`.

    Raises:
        DataError: Some files cannot be used.
    """
    bad = BadRows(root)
    articles = []
    for file in files:
        with bad.collect(file.relative_to(root).as_posix()):
            articles.append(parse(file))
    bad.raise_if_any(len(files))
    return sorted(articles, key=lambda article: article.time or datetime.min)


def read_object(file: Path) -> dict[str, Any]:
    """Read one JSON object from a file of its own.

    Raises:
        BadRowError: The file cannot be read as UTF-8 JSON, or does not hold an object.
    """
    try:
        value = json.loads(file.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError, OSError) as error:  # UnicodeDecodeError is a ValueError
        raise BadRowError(f"found no JSON ({error}); expected an object") from None
    if not isinstance(value, dict):
        raise BadRowError("found another JSON value; expected an object")
    return value
