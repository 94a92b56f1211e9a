"""Cross-fitting: predictions for training articles, by detectors that were not trained on them."""

import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from zhenwei.bundle.bundle import load_bundle
from zhenwei.bundle.device import resolve_device
from zhenwei.config import Config
from zhenwei.hashing import file_sha256
from zhenwei.news import Article, read_articles, write_articles
from zhenwei.training.calibration.fit import HeldOutPredictions
from zhenwei.training.calibration.folds import Fold, split_into_folds
from zhenwei.training.preparation import find_parts

logger = logging.getLogger(__name__)

TrainBundle = Callable[[Config], Path]  # trains a detector and returns the path of its bundle

_CALIBRATION_SETTINGS = ("calibrate_on", "calibration", "threshold_objective")  # they do not change a fold


def cross_fitted(config: Config, folder: Path, train: TrainBundle) -> HeldOutPredictions:
    """Train a detector for each fold of the training articles, and predict the articles that it has not seen.

    The predictions of a fold are saved as soon as they are computed: a second call with the same settings and articles
    resumes after the last saved fold, and trains nothing if all folds are saved.

    Args:
        config: The settings of the detectors.
        folder: Where predictions are saved.
        train: Trains a detector and returns the path of its bundle.

    Raises:
        DataError: If the training articles cannot be split into folds with both labels in each training set.
    """
    paths = find_parts(config)
    articles = read_articles(paths["train"], require_label=True)
    labels = np.array([article.target for article in articles], np.int64)
    split = split_into_folds(articles, labels, config.training.calibration_folds, config.seed)
    folder = folder / _key(config, paths)
    logits = []
    for number, fold in enumerate(split.folds, start=1):
        file = folder / f"fold-{number}.npz"
        fold_logits = _load_logits(file, fold)
        if fold_logits is None:
            logger.info(
                "cross-fitting %d of %d: training on %d articles, predicting %d",
                number, len(split.folds), len(fold.train), len(fold.held_out),
            )  # fmt: skip
            train_articles, held_out = ([articles[row] for row in rows] for rows in (fold.train, fold.held_out))
            work = folder / f"fold-{number}"
            fold_logits = _train_and_predict(config, paths["val"], train_articles, held_out, work, train)
            _save_logits(fold_logits, fold, file)
            shutil.rmtree(work, ignore_errors=True)
        logits.append(fold_logits)
    rows = np.concatenate([fold.held_out for fold in split.folds])
    return HeldOutPredictions(labels[rows], np.concatenate(logits), split.description)


def _train_and_predict(
    config: Config, val: Path, train_articles: list[Article], held_out: list[Article], work: Path, train: TrainBundle
) -> NDArray[np.float64]:
    """Train a detector on some articles, and return its logits of others."""
    write_articles(work / "train.json", train_articles)
    write_articles(work / "held_out.json", held_out)
    settings = config.to_dict()
    settings["data"] |= {"root_path": str(work), "train": None, "val": str(val.absolute()), "test": None}
    settings["data"]["rewrites"] = [str(Path(file).absolute()) for file in config.data.rewrites]
    settings["training"]["calibrate_on"] = "none"
    settings["output"] |= {"dir": str(work / "run"), "trackers": []}
    with _errors_only():
        bundle = load_bundle(train(Config.load(settings)))
    device = bundle.to(resolve_device(config.training.device, "training.device"))
    return bundle.predict_logits(bundle.featurizer().encode_file(work / "held_out.json"), device)


@contextmanager
def _errors_only() -> Iterator[None]:
    """Log only the errors of a fold's training; its scores would look like those of the detector itself."""
    root = logging.getLogger("zhenwei")
    level = root.level
    root.setLevel(logging.ERROR)  # a run shows what was shown before, and writes everything to its own file
    try:
        yield
    finally:
        root.setLevel(level)


def _load_logits(path: Path, fold: Fold) -> NDArray[np.float64] | None:
    """Return the saved logits of a fold; None if there are none, or they are damaged or of other articles."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            rows, logits = stored["rows"], stored["logits"]
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None
    same = np.array_equal(rows, fold.held_out) and len(rows) == len(logits)
    return np.asarray(logits, np.float64) if same else None


def _save_logits(logits: NDArray[np.float64], fold: Fold, path: Path) -> None:
    """Write the logits and rows of a fold atomically."""
    partial = path.with_name(f".{path.name}")
    with partial.open("wb") as file:
        np.savez(file, rows=fold.held_out, logits=logits)
    partial.replace(path)


def _key(config: Config, paths: dict[str, Path]) -> str:
    """Return a digest of the settings and articles that the predictions depend on."""
    settings = config.to_dict()
    for name in _CALIBRATION_SETTINGS:
        del settings["training"][name]
    del settings["output"], settings["data"]["root_path"]
    parts = {part: file_sha256(path) for part, path in paths.items() if part != "test"}
    if rewrites := settings["data"].pop("rewrites"):
        parts |= {f"rewrites {number}": file_sha256(Path(file)) for number, file in enumerate(rewrites, start=1)}
    text = json.dumps([settings, parts], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
