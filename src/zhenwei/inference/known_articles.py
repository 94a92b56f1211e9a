"""Known articles in a bundle: put there on request, and taken out again."""

import logging
import os
from pathlib import Path

from zhenwei.bundle import Bundle, find_bundle, load_bundle, save_bundle
from zhenwei.errors import DataError
from zhenwei.hashing import file_sha256
from zhenwei.news import find_part, read_articles
from zhenwei.news.similarity.index import SimilarArticles
from zhenwei.training.run_folder import lock_bundle

logger = logging.getLogger(__name__)


def add_known_articles(
    path: str | os.PathLike[str], file: str | os.PathLike[str] | None = None, *, with_texts: bool = True
) -> int:
    """Store an index of known articles in a bundle; one that is there is replaced.

    Args:
        path: A run's folder, or a bundle.
        file: The articles, labelled or not; None: those that the detector was trained on, if they are at hand.
        with_texts: Whether their texts are stored, too, to be shown. Without, nobody can read them there.

    Returns:
        How many articles are stored.

    Raises:
        CheckpointError: If there is no bundle, or it is damaged or cannot be written.
        DataError: If the file is missing or has bad rows.
    """
    folder = find_bundle(Path(path)).resolve()
    with lock_bundle(folder):
        bundle = load_bundle(folder)
        articles = read_articles(file if file is not None else _trained_on(bundle))
        bundle.similar = SimilarArticles.from_articles(articles, with_texts=with_texts)
        save_bundle(bundle, folder)
    return len(articles)


def remove_known_articles(path: str | os.PathLike[str]) -> None:
    """Take the known articles out of a bundle.

    Raises:
        CheckpointError: If there is no bundle, or it is damaged or cannot be written.
    """
    folder = find_bundle(Path(path)).resolve()
    with lock_bundle(folder):
        bundle = load_bundle(folder)
        bundle.similar = None
        save_bundle(bundle, folder)


def _trained_on(bundle: Bundle) -> Path:
    """Return the file of the training articles, and say where it is not what it was."""
    data = bundle.config.data
    remembered = bundle.facts.get("files", {}).get("train", {})
    named = remembered.get("path") or data.train
    file = Path(named) if named else find_part(data.root_path, "train")
    if file is None or not file.is_file():
        raise DataError(f"the training articles are not at hand: no {file or data.root_path}; name a file with --file")
    if "sha256" in remembered and file_sha256(file) != remembered["sha256"]:
        logger.warning("%s: these are no longer the articles that the detector was trained on", file)
    return file
