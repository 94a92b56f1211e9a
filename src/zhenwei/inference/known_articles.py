"""Store known articles in a bundle, and remove them."""

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
    """Store an index of known articles in a bundle, in place of the present one.

    Args:
        path: The folder of a run or a bundle.
        file: The articles, labelled or not; None: the training articles, if they are available.
        with_texts: Whether to store their texts, which can then be read from the bundle.

    Returns:
        The number of stored articles.

    Raises:
        CheckpointError: If there is no bundle, or it is damaged or cannot be written.
        DataError: If the file is missing or has invalid rows.
    """
    folder = find_bundle(Path(path)).resolve()
    with lock_bundle(folder):
        bundle = load_bundle(folder)
        articles = read_articles(file if file is not None else _training_file(bundle))
        bundle.similar = SimilarArticles.from_articles(articles, with_texts=with_texts)
        save_bundle(bundle, folder)
    return len(articles)


def remove_known_articles(path: str | os.PathLike[str]) -> None:
    """Remove the known articles from a bundle.

    Raises:
        CheckpointError: If there is no bundle, or it is damaged or cannot be written.
    """
    folder = find_bundle(Path(path)).resolve()
    with lock_bundle(folder):
        bundle = load_bundle(folder)
        bundle.similar = None
        save_bundle(bundle, folder)


def _training_file(bundle: Bundle) -> Path:
    """Return the file of the training articles; log a warning if it has changed."""
    data = bundle.config.data
    recorded = bundle.facts.get("files", {}).get("train", {})
    name = recorded.get("path") or data.train
    file = Path(name) if name else find_part(data.root_path, "train")
    if file is None or not file.is_file():
        raise DataError(f"the training articles are missing: no {file or data.root_path}; name a file with --file")
    if "sha256" in recorded and file_sha256(file) != recorded["sha256"]:
        logger.warning("%s: has changed since the detector was trained on it", file)
    return file
