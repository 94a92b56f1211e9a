"""A trained detector calibrated anew: on other judgements, for another objective, or for another share of fakes."""

import logging
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zhenwei.bundle import Bundle, find_bundle, load_bundle, save_bundle
from zhenwei.bundle.card.update import updated_card
from zhenwei.bundle.metrics import metrics_from_logits
from zhenwei.config import CalibrationMethod, CalibrationSource, ThresholdObjective
from zhenwei.errors import ConfigError, DataError
from zhenwei.hashing import file_sha256
from zhenwei.news import iter_articles
from zhenwei.tokens import EncodedArticles
from zhenwei.training.calibration.cross_fitting import cross_fitted
from zhenwei.training.calibration.fit import Floats, HeldOutPredictions, calibrate, fit_calibration
from zhenwei.training.calibration.prior_shift import estimate_share
from zhenwei.training.preparation import find_parts
from zhenwei.training.run_folder import RunFolder, lock_bundle
from zhenwei.training.trainer import train_bundle

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recalibration:
    """What was done to a detector.

    Attributes:
        described: The calibration, in words.
        threshold: The new threshold.
        fake_share: The share of fakes in the judgements.
        target_share: The share of fakes that probabilities were corrected to; None: they were not.
        before: Scores of the judgements by the network's own probabilities, at a threshold of 0.5.
        after: Scores of the same judgements, which the calibration was fitted to.
    """

    described: str
    threshold: float
    fake_share: float
    target_share: float | None
    before: dict[str, Any]
    after: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return everything, ready for JSON."""
        return asdict(self)


def recalibrate(
    path: str | os.PathLike[str],
    *,
    on: CalibrationSource | Path = "val",
    method: CalibrationMethod = "platt",
    objective: ThresholdObjective | None = None,
    folds: int | None = None,
    fake_share: float | None = None,
    recent: Path | None = None,
    device: str = "auto",
) -> Recalibration:
    """Calibrate a trained detector, choose its threshold, and store both in its bundle.

    Args:
        path: A run's folder, or a bundle.
        on: `val`, `train` or `train+val`, as in the settings; a file of labelled articles that it was not trained on;
            or `none`, to take its calibration away.
        method: How.
        objective: What the threshold is chosen for; macro-F1 unless given.
        folds: Detectors that are trained for `train`; as in the detector's settings unless given.
        fake_share: The share of fakes that is to be expected where the detector is used.
        recent: Unlabelled articles from where it is used, to estimate that share from.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.

    Raises:
        CheckpointError: If there is no detector, or it is damaged, foreign or cannot be written.
        ConfigError: If the arguments contradict each other, or no device is so called.
        DataError: If the articles are missing, have bad rows, or allow no such calibration; nothing is changed then.
    """
    if fake_share is not None and recent is not None:
        raise ConfigError("a share of fakes that is known, and one to be estimated, contradict each other; give one")
    if fake_share is not None and not 0 < fake_share < 1:
        raise ConfigError(f"the share of fakes: found {fake_share:g}; expected above 0 and below 1")
    folder = find_bundle(Path(path)).resolve()
    with lock_bundle(folder):
        bundle = load_bundle(folder)
        if on == "none":
            bundle.calibration, bundle.threshold = None, 0.5
            save_bundle(bundle, folder, card=updated_card(bundle, folder))
            return Recalibration("not calibrated", 0.5, 0.0, None, {}, {})
        objective = objective or ThresholdObjective("macro_f1")
        return _recalibrated(bundle, folder, Path(path), on, method, objective, folds, fake_share, recent, device)


def _recalibrated(
    bundle: Bundle,
    folder: Path,
    path: Path,
    on: CalibrationSource | Path,
    method: CalibrationMethod,
    objective: ThresholdObjective,
    folds: int | None,
    fake_share: float | None,
    recent: Path | None,
    device: str,
) -> Recalibration:
    """Calibrate a detector that nobody else changes, and store it; see `recalibrate`."""
    bundle.to(device)
    judgements = _judgements(bundle, path, on, folds, device)
    source = "as given"
    if recent is not None:
        fitted = fit_calibration(judgements, method, objective)
        logits = _logits(bundle, bundle.featurizer().encode(iter_articles(recent)), device)
        fake_share = estimate_share(fitted.logits(logits), fitted.fake_share)
        source = f"estimated from {len(logits)} articles of {recent.name}"
    calibration = calibrate(bundle, judgements, method, objective, fake_share, "" if fake_share is None else source)
    save_bundle(bundle, folder, card=updated_card(bundle, folder))
    labels, logits = judgements.labels, judgements.logits
    return Recalibration(
        calibration.describe(),
        bundle.threshold,
        calibration.fake_share,
        fake_share,
        metrics_from_logits(labels, logits),
        metrics_from_logits(labels, bundle.calibrated(logits), bundle.threshold),
    )


def _judgements(bundle: Bundle, path: Path, on: str | Path, folds: int | None, device: str) -> HeldOutPredictions:
    """Judge the articles that the detector is to be calibrated on."""
    if isinstance(on, Path):
        _check_file(bundle, on)
        part = _part_of(bundle, on) if on.is_file() else None  # reading says what is wrong with others
        return _judged(bundle, on, part or on.name, device)
    config = bundle.config
    if folds is not None:
        config = config.model_copy(update={"training": config.training.model_copy(update={"calibration_folds": folds})})
    parts = find_parts(config)
    for part in ("train", "val"):
        if _is_part(bundle, parts[part], part) is False:
            logger.warning("%s: this is no longer the %s that the detector was trained with", parts[part], part)
    val = _judged(bundle, parts["val"], "val", device) if on != "train" else None
    if on == "val" and val is not None:
        return val
    if (path / "detector.json").is_file():
        raise ConfigError(
            f"{path}: a bundle alone cannot be cross-fitted; give the run's folder, or calibrate on a file"
        )
    crossed = cross_fitted(config, RunFolder(path).calibration, train_bundle)
    return crossed if val is None else crossed.joined(val)


def _check_file(bundle: Bundle, file: Path) -> None:
    """Refuse the articles that the detector learned from; warn of those that are to judge it.

    Raises:
        DataError: If they are the training articles.
    """
    if not file.is_file():
        return  # reading it says so
    if _is_part(bundle, file, "train"):
        raise DataError(
            f"{file}: these are the articles that the detector was trained on; calibrate on others, or cross-fit "
            "them with --on train"
        )
    if _is_part(bundle, file, "test"):
        logger.warning("%s: this is the test of the run: scores on it will flatter from now on", file)


def _part_of(bundle: Bundle, file: Path) -> str | None:
    """Return which part of the training a file is, whatever its name; None: of none."""
    return next((part for part in ("val", "test") if _is_part(bundle, file, part)), None)


def _is_part(bundle: Bundle, file: Path, part: str) -> bool | None:
    """Tell whether a file is a part that the detector was trained with; None where that is not known."""
    remembered = bundle.facts.get("files", {}).get(part)
    return None if remembered is None else file_sha256(file) == remembered["sha256"]


def _judged(bundle: Bundle, file: Path, described: str, device: str) -> HeldOutPredictions:
    encoded = bundle.featurizer().encode_file(file)
    return HeldOutPredictions(encoded.labels.astype(np.int64), _logits(bundle, encoded, device), described)


def _logits(bundle: Bundle, encoded: EncodedArticles, device: str) -> Floats:
    return bundle.predict_logits(encoded, bundle.to(device))
