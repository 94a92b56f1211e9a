"""Cross-fitting: what detectors like ours say of training articles that they were not trained on."""

import hashlib
import json
import logging
import shutil
from collections.abc import Iterator
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
from zhenwei.training.calibration.folds import Fold, part_into_folds
from zhenwei.training.preparation import find_parts

logger = logging.getLogger(__name__)

_OWN_SETTINGS = (
    "calibrate_on",
    "calibration",
    "threshold_objective",
)  # of the calibration alone


def cross_fitted(config: Config, folder: Path) -> HeldOutPredictions:
    """Train a detector for each fold of the training articles, and let it judge the articles that it has not seen.

    The judgements of each fold are kept as soon as they are there: a second call with the same settings and articles
    goes on where the first one was stopped, and trains nothing where that had ended.

    Args:
        config: The settings of the detector whose like are trained.
        folder: Where the judgements are kept.

    Raises:
        DataError: If the training articles cannot be parted into folds with both labels to learn from.
    """
    paths = find_parts(config)
    articles = read_articles(paths["train"], require_label=True)
    labels = np.array([article.target for article in articles], np.int64)
    parted = part_into_folds(articles, labels, config.training.calibration_folds, config.seed)
    place = folder / _key(config, paths)
    judged, logits = [], []
    for number, fold in enumerate(parted.folds, start=1):
        kept = place / f"fold-{number}.npz"
        found = _kept(kept, fold)
        if found is None:
            logger.info(
                "cross-fitting %d of %d: to train on %d articles, and to judge %d",
                number, len(parted.folds), len(fold.train), len(fold.held),
            )  # fmt: skip
            work = place / f"fold-{number}"
            found = _train_and_judge(
                config, paths["val"], [articles[row] for row in fold.train], [articles[row] for row in fold.held], work
            )
            _keep(found, fold, kept)
            shutil.rmtree(work, ignore_errors=True)
        logits.append(found)
        judged.append(labels[fold.held])
    return HeldOutPredictions(np.concatenate(judged), np.concatenate(logits), parted.described)


def _train_and_judge(
    config: Config, val: Path, train: list[Article], held: list[Article], work: Path
) -> NDArray[np.float64]:
    """Train a detector like ours on some articles, and return its logits of others."""
    from zhenwei.training.trainer import Trainer  # noqa: PLC0415  # whose run is what calls us

    write_articles(work / "train.json", train)
    write_articles(work / "held.json", held)
    settings = config.to_dict()
    settings["data"] |= {"root_path": str(work), "train": None, "val": str(val.absolute()), "test": None}
    settings["training"]["calibrate_on"] = "none"
    settings["output"] |= {"dir": str(work / "run"), "trackers": []}
    with _told_to_its_own_log():
        _, best = Trainer(Config.load(settings), resume=True).train()
    bundle = load_bundle(best)
    device = bundle.to(resolve_device(config.training.device, "training.device"))
    encoded = bundle.featurizer().encode_file(work / "held.json")
    return bundle.predict_logits(encoded, device)


@contextmanager
def _told_to_its_own_log() -> Iterator[None]:
    """Let a fold's training say to its own log what would look like the scores of the detector itself."""
    root = logging.getLogger("zhenwei")
    level = root.level
    root.setLevel(logging.ERROR)  # a run's log shows elsewhere what was shown before, and writes all to its file
    try:
        yield
    finally:
        root.setLevel(level)


def _kept(path: Path, fold: Fold) -> NDArray[np.float64] | None:
    """Return the judgements of a fold that were kept; None where there are none, or of other articles, or damaged."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            held, logits = stored["held"], stored["logits"]
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None
    return np.asarray(logits, np.float64) if np.array_equal(held, fold.held) and len(held) == len(logits) else None


def _keep(logits: NDArray[np.float64], fold: Fold, path: Path) -> None:
    """Write judgements whole or not at all, with the rows that were judged."""
    beside = path.with_name(f".{path.name}")
    with beside.open("wb") as file:
        np.savez(file, held=fold.held, logits=logits)
    beside.replace(path)


def _key(config: Config, paths: dict[str, Path]) -> str:
    """Return a name for what is cross-fitted: other settings or articles have another one."""
    settings = config.to_dict()
    for name in _OWN_SETTINGS:
        del settings["training"][name]
    del settings["output"], settings["data"]["root_path"]
    parts = {part: file_sha256(path) for part, path in paths.items() if part != "test"}
    text = json.dumps([settings, parts], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
