"""Importers of public datasets of labeled news, each in the form that its authors published.

A new source is one file with a function `read_<name>(source) -> {part: articles}`, and one line in `SOURCES`. The
part is named `articles` if the dataset has no published split, else `train`, `val` and `test`.
"""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from zhenwei.config.section import nearest
from zhenwei.errors import DataError
from zhenwei.news.article import Article
from zhenwei.news.io.files import write_all
from zhenwei.news.io.readers import SUFFIXES
from zhenwei.news.sources.ced import read_ced
from zhenwei.news.sources.checked import read_checked
from zhenwei.news.sources.weibo21 import read_weibo21

SOURCES: dict[str, Callable[[Path], dict[str, Iterable[Article]]]] = {
    "ced": read_ced,
    "checked": read_checked,
    "weibo21": read_weibo21,
}


def import_source(
    name: str,
    source: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    *,
    overwrite: bool = False,
) -> dict[Path, int]:
    """Convert a public dataset, as downloaded, into files of articles.

    Every part is read and checked before the first is written.

    Args:
        name: The dataset: one of `SOURCES`.
        source: The folder of its files.
        destination: A folder, which gets `<part>.json` for each part; or, for a dataset of one part, a file
            with one of our suffixes.
        overwrite: Whether existing files may be replaced.

    Returns:
        The number of articles of each file.

    Raises:
        DataError: The name is unknown, the dataset cannot be read or has several parts for one file, or a file
            exists already.
    """
    check_source(name)
    parts = {part: list(articles) for part, articles in SOURCES[name](Path(source)).items()}
    targets = _targets(name, Path(destination), list(parts))
    existing = [str(file) for file in targets.values() if file.exists()]
    if existing and not overwrite:
        raise DataError(f"{' and '.join(existing)} exists already; remove it, or allow it to be overwritten")
    empty = [part for part, articles in parts.items() if not articles]
    if empty:
        raise DataError(f"{source}: found no articles for {empty[0]}.json; expected at least one")
    return write_all({file: parts[part] for part, file in targets.items()})


def check_source(name: str, others: Iterable[str] = ()) -> None:
    """Check that a name is one of `SOURCES`.

    Args:
        name: The name.
        others: Other valid names, for the suggestion.

    Raises:
        DataError: It is not; the message names the closest.
    """
    if name in SOURCES:
        return
    names = [*SOURCES, *others]
    close = nearest(name.lower(), names)
    hint = f"did you mean '{close}'?" if close else f"expected {', '.join(names)}"
    raise DataError(f"found the source '{name}'; {hint}")


def _targets(name: str, destination: Path, parts: list[str]) -> dict[str, Path]:
    """Return the file of each part."""
    if destination.suffix.lower() not in SUFFIXES or destination.is_dir():
        return {part: destination / f"{part}.json" for part in parts}
    if len(parts) > 1:
        raise DataError(
            f"{destination}: found one file; expected a folder, because {name} has the parts {', '.join(parts)}"
        )
    return {parts[0]: destination}
