"""Calibrate a trained detector again: on other articles, for another objective, or for another share of fakes."""

import logging
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zhenwei.bundle import Bundle, find_bundle, load_bundle, save_bundle
from zhenwei.bundle.card.update import updated_card
from zhenwei.bundle.metrics import metrics_from_logits
from zhenwei.config import CalibrationMethod, CalibrationSource, ThresholdObjective
from zhenwei.errors import ConfigError, DataError
from zhenwei.evaluation.overlap import training_digests
from zhenwei.evaluation.predictions import predict_file
from zhenwei.hashing import file_sha256
from zhenwei.news import iter_articles
from zhenwei.training.calibration.cross_fitting import cross_fitted
from zhenwei.training.calibration.fit import HeldOutPredictions, calibrate, fit_calibration
from zhenwei.training.calibration.prior_shift import estimate_share
from zhenwei.training.preparation import find_parts
from zhenwei.training.run_folder import RunFolder, lock_bundle
from zhenwei.training.trainer import train_bundle

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recalibration:
    """The result of calibrating a detector.

    Attributes:
        description: The calibration in words.
        threshold: The new threshold.
        fake_share: Share of fakes in the calibration articles.
        target_share: Share of fakes that the probabilities are corrected to; None without a correction.
        before: Scores on the calibration articles, uncalibrated, at a threshold of 0.5.
        after: Scores on the same articles after calibration.
    """

    description: str
    threshold: float
    fake_share: float
    target_share: float | None
    before: dict[str, Any]
    after: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
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
    """Calibrate a trained detector, choose its threshold, and save both in its bundle.

    Args:
        path: A run folder, or a bundle.
        on: `val`, `train` or `train+val`, as in the settings; a file of labelled articles that the detector was not
            trained on; or `none`, which removes the calibration.
        method: Calibration method.
        objective: Objective of the threshold; macro-F1 by default.
        folds: Number of detectors to train for `train`; by default as in the detector's settings.
        fake_share: Expected share of fakes where the detector is used.
        recent: Unlabelled articles from there, to estimate that share from.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.

    Raises:
        CheckpointError: If there is no detector, or it is damaged, foreign or cannot be written.
        ConfigError: If the arguments contradict each other, or the device is unknown.
        DataError: If the articles are missing, have invalid rows, or do not allow the calibration. The detector does
            not change then.
    """
    if fake_share is not None and recent is not None:
        raise ConfigError("a known share of fakes and an estimated one contradict each other; pass one of them")
    if fake_share is not None and not 0 < fake_share < 1:
        raise ConfigError(f"the share of fakes: found {fake_share:g}; expected above 0 and below 1")
    folder = find_bundle(Path(path)).resolve()
    with lock_bundle(folder):
        bundle = load_bundle(folder)
        if on == "none":
            bundle.calibration, bundle.threshold = None, 0.5
            save_bundle(bundle, folder, card=updated_card(bundle, folder))
            return Recalibration("not calibrated", 0.5, 0.0, None, {}, {})
        held_out = _predict_held_out(bundle, Path(path), on, folds, device)
        source, objective = "as given", objective or ThresholdObjective("macro_f1")
        if recent is not None:
            fake_share, source = _estimate_fake_share(bundle, held_out, method, objective, recent, device)
        calibration = calibrate(bundle, held_out, method, objective, fake_share, "" if fake_share is None else source)
        save_bundle(bundle, folder, card=updated_card(bundle, folder))
    return Recalibration(
        calibration.describe(),
        bundle.threshold,
        calibration.fake_share,
        fake_share,
        metrics_from_logits(held_out.labels, held_out.logits),
        metrics_from_logits(held_out.labels, bundle.calibrated(held_out.logits), bundle.threshold),
    )


def _estimate_fake_share(
    bundle: Bundle,
    held_out: HeldOutPredictions,
    method: CalibrationMethod,
    objective: ThresholdObjective,
    recent: Path,
    device: str,
) -> tuple[float, str]:
    """Estimate the share of fakes among unlabelled articles; return it and its source in words."""
    fitted = fit_calibration(held_out, method, objective)
    logits = bundle.predict_logits(bundle.featurizer().encode(iter_articles(recent)), bundle.to(device))
    share = estimate_share(fitted.logits(logits), fitted.fake_share)
    return share, f"estimated from {len(logits)} articles of {recent.name}"


def _predict_held_out(bundle: Bundle, path: Path, on: str | Path, folds: int | None, device: str) -> HeldOutPredictions:
    """Predict the articles that the detector is calibrated on."""
    if isinstance(on, Path):
        return _predict(bundle, on, _name_in_training(bundle, on) or on.name, device)
    config = bundle.config
    if folds is not None:
        config = config.model_copy(update={"training": config.training.model_copy(update={"calibration_folds": folds})})
    parts = find_parts(config)
    digests = training_digests(bundle)
    for part in ("train", "val"):
        if part in digests and digests[part] != file_sha256(parts[part]):
            logger.warning("%s: differs from the %s file that the detector was trained with", parts[part], part)
    val = _predict(bundle, parts["val"], "val", device) if on != "train" else None
    if on == "val" and val is not None:
        return val
    if (path / "detector.json").is_file():
        raise ConfigError(f"{path}: a bundle alone cannot be cross-fitted; pass the run folder, or calibrate on a file")
    held_out = cross_fitted(config, RunFolder(path).calibration, train_bundle)
    return held_out if val is None else held_out.joined(val)


def _name_in_training(bundle: Bundle, file: Path) -> str | None:
    """Return `val` or `test` if a file is that part of the detector's training, by its content; else None.

    Raises:
        DataError: If it is the training file.
    """
    if not file.is_file():
        return None  # reading it raises the error
    digest = file_sha256(file)
    parts = {part for part, known in training_digests(bundle).items() if known == digest}
    if "train" in parts:
        raise DataError(
            f"{file}: the detector was trained on these articles; calibrate on others, or cross-fit with --on train"
        )
    if "test" in parts:
        logger.warning("%s: this is the test file of the run: scores on it are optimistic from now on", file)
    return next((part for part in ("val", "test") if part in parts), None)


def _predict(bundle: Bundle, file: Path, described: str, device: str) -> HeldOutPredictions:
    predictions = predict_file(bundle, file, bundle.to(device))
    return HeldOutPredictions(predictions.labels, predictions.network_logits, described)
