"""One training run: prepare, resume, train, calibrate, and evaluate the best weights."""

import json
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import nn

from zhenwei.bundle.bundle import Bundle, load_bundle
from zhenwei.bundle.card.update import save_with_card
from zhenwei.bundle.metrics import check_finite, metrics_from_logits
from zhenwei.bundle.predict_logits import predict_logits
from zhenwei.bundle.weights import write_json
from zhenwei.config import Config
from zhenwei.errors import CheckpointError, ConfigError, DataError, TrainingError
from zhenwei.models import DetectorNetwork, FittedNetwork, build_network
from zhenwei.tokens import Augmentation
from zhenwei.tokens.batches import default_widths
from zhenwei.training.accelerator import check_trackers, on_all_ranks
from zhenwei.training.calibration.cross_fitting import TrainBundle, cross_fitted
from zhenwei.training.calibration.fit import HeldOutPredictions, calibrate
from zhenwei.training.calibration.folds import split_into_folds
from zhenwei.training.checkpoints import check_same_run, load_checkpoint
from zhenwei.training.determinism import seed_all
from zhenwei.training.epochs import Epochs, OnEpoch, trained_bundle, validate
from zhenwei.training.optimization import build_optimizer, build_schedule
from zhenwei.training.plan import TrainingPlan
from zhenwei.training.preparation import PreparedData, find_parts, find_training_files, prepare_data
from zhenwei.training.run_folder import RunFolder
from zhenwei.training.run_log import RunLog
from zhenwei.training.state import Progress, TrainState

logger = logging.getLogger(__name__)

Results = dict[str, Any]
MAX_TUNING_ARTICLES = 20_000  # training articles on which a network chooses settings that are left open
RESULT_KEYS = {"split", "n", "macro_f1", "auc", "val", "model", "seed", "best_epoch", "epochs", "n_train"}
_OR_OVERWRITE = "or start over with --overwrite (in Python: overwrite=True)"


@dataclass
class Run:
    """A training run.

    Attributes:
        config: The settings.
        folder: The run folder; a checkpoint in it is resumed.
        accelerator: Device, precision and processes.
        prepare_folder: Creates, locks or clears the folder. The main process calls it after all inputs were read and
            checked, so that a run that cannot start leaves nothing behind and does not replace an earlier run.
        train_bundle: Trains a detector for cross-fitting and returns the path of its bundle.
        on_epoch: Called after each epoch; see `OnEpoch`.
        progress: Steps and epochs done.
    """

    config: Config
    folder: RunFolder
    accelerator: Accelerator
    prepare_folder: Callable[[], None]
    train_bundle: TrainBundle
    on_epoch: OnEpoch | None = None
    progress: Progress = field(default_factory=Progress)

    def run(self) -> tuple[Results, Path]:
        """Train what is left to train, then evaluate the best weights; see `Trainer.train`."""
        data, network = on_all_ranks(self.accelerator, self._load_data)
        on_all_ranks(self.accelerator, lambda: self.prepare_folder() if self.accelerator.is_main_process else None)
        on_all_ranks(self.accelerator, self._check_same_detector)
        if isinstance(network, FittedNetwork):
            if on_all_ranks(self.accelerator, lambda: self._is_fitted(data)):
                logger.info("this run is finished: only its evaluation is repeated")
                self.progress.epoch = 1
            else:
                self._fit(data, network)
            return self._evaluate_best(data), self.folder.best
        on_all_ranks(self.accelerator, lambda: self._fit_linear(data, network))
        network.to(self.accelerator.device)
        logger.info("network: %s", _describe_size(network))
        plan = self._plan(data)
        optimizer = build_optimizer(network, self.config.training)
        schedule = build_schedule(optimizer, self.config.training, plan.total_steps)
        state = TrainState(network, optimizer, schedule, self.accelerator)
        seed_all(self.config.seed + self.accelerator.process_index)  # each process drops other units
        if self.folder.last.exists():
            self.progress = on_all_ranks(
                self.accelerator, lambda: load_checkpoint(self.folder.last, state, self.config, data.fingerprint)
            )
            logger.info("resumed after epoch %d, step %d", self.progress.epoch, self.progress.step)
            on_all_ranks(self.accelerator, self._check_best)
        if self.accelerator.is_main_process:  # only now: a run that cannot be resumed keeps its settings
            self.config.save(self.folder.config)
        results = on_all_ranks(self.accelerator, self._saved_results)
        if results is not None:
            logger.info("this run is finished: nothing is left to do")
            return results, self.folder.best
        if not self.progress.finished:
            Epochs(self.config, self.folder, data, state, plan, self.progress, self.on_epoch).run()
        return self._evaluate_best(data), self.folder.best

    def _check_same_detector(self) -> None:
        """Refuse to resume the run of another detector."""
        detector = self.config.model.title
        with suppress(ConfigError):  # missing or damaged: the checkpoint has the settings, too
            detector = Config.load(self.folder.config).model.title
        if detector != self.config.model.title:
            raise CheckpointError(
                f"{self.folder.path}: this is a run of '{detector}', not of '{self.config.model.title}'; choose "
                f"another output.dir, {_OR_OVERWRITE}"
            )

    def _is_fitted(self, data: PreparedData) -> bool:
        """Return whether a resumed run was fitted before, with the same settings to the same articles."""
        if not self.folder.best.exists():
            return False
        bundle = load_bundle(self.folder.best)
        saved = {"config": bundle.config.to_dict(), "data": bundle.facts["data"]}
        check_same_run(saved, self.config, data.fingerprint, self.folder.best)
        return True

    def _check_best(self) -> None:
        """Refuse to resume if the best weights were saved and are gone: no later epoch may be better."""
        expected = self.progress.finished or self.progress.stopping.get("best_epoch")
        if expected and not self.folder.best.exists():
            raise CheckpointError(
                f"{self.folder.best}: the bundle with the best weights of this run is gone; put it back, "
                f"{_OR_OVERWRITE}"
            )

    def _saved_results(self) -> Results | None:
        """Return the results of a finished run; None if they must be computed."""
        if not self.progress.finished or not self.folder.results.exists():
            return None
        with suppress(OSError, ValueError):
            results = json.loads(self.folder.results.read_text(encoding="utf-8"))
            if isinstance(results, dict) and results.keys() >= RESULT_KEYS:
                return results
        logger.warning("'%s' is damaged: evaluating the best weights again", self.folder.results)
        return None

    def _load_data(self) -> tuple[PreparedData, DetectorNetwork]:
        """Read the articles, and build the network for them."""
        seed_all(self.config.seed)
        check_trackers(self.config.output.trackers)
        if self.config.training.calibrate_on in ("train", "train+val") and self.accelerator.num_processes > 1:
            raise ConfigError(
                f"training.calibrate_on: found '{self.config.training.calibrate_on}' with "
                f"{self.accelerator.num_processes} processes; cross-fitting needs a single process: set it to 'val' "
                "here, then run: zhenwei calibrate RUN --on train"
            )
        data = prepare_data(self.config)
        network = build_network(self.config.model, data.vocabulary(self.config.data.max_len))
        return data, network.to(self.accelerator.device)

    def _plan(self, data: PreparedData) -> TrainingPlan:
        rate = self.config.data.aug_prob
        augmentation = Augmentation(rate, self.config.seed, data.tokenizer.mask_id) if rate else None
        widths = default_widths(self.config.data.max_len) if self.config.training.compile else None
        return TrainingPlan(data.train, self.config, data.tokenizer.pad_id, augmentation, widths)

    def _fit_linear(self, data: PreparedData, network: DetectorNetwork) -> None:
        """Fit the linear parts of a network before the first step, unless a checkpoint contains them."""
        if not self.folder.last.exists():
            self._tune(data, network)
            network.fit_linear(data.train, self.config.seed)

    def _tune(self, data: PreparedData, network: DetectorNetwork) -> None:
        """Let a network choose open settings by cross-validation on training articles."""
        if not network.needs_tuning:
            return
        rows = np.linspace(0, len(data.train) - 1, min(len(data.train), MAX_TUNING_ARTICLES)).astype(np.int64)
        selected = np.zeros(len(data.train), np.bool_)
        selected[rows] = True
        files = find_training_files(self.config, find_parts(self.config)["train"])
        articles = list(compress(files.articles(), selected))
        labels = data.train.labels[rows].astype(np.int64)
        try:
            folds = split_into_folds(articles, labels, self.config.training.calibration_folds, self.config.seed).folds
        except DataError:
            logger.warning("too few training articles for cross-validation; open settings are those of plain TF-IDF")
            return
        network.tune(data.train, [(rows[fold.train], rows[fold.held_out]) for fold in folds], self.config.seed)

    def _fit(self, data: PreparedData, network: FittedNetwork) -> None:
        """Fit a network that needs no epochs; an unfinished run is fitted from the start."""
        logger.info("fitting '%s' to %d articles", self.config.model.title, len(data.train))
        on_all_ranks(self.accelerator, lambda: self._tune(data, network))
        on_all_ranks(self.accelerator, lambda: network.fit(data.train, self.config.seed))
        network.to(self.accelerator.device)
        logger.info("network: %s", _describe_size(network))
        pad_id = data.tokenizer.pad_id
        train, val = (validate(network, part, pad_id, self.accelerator) for part in (data.train, data.val))
        record = {"epoch": 1, "step": 1, "train_loss": train["loss"], "val": val}
        if self.accelerator.is_main_process:
            self.config.save(self.folder.config)
            bundle = trained_bundle(self.config, data, network, record)
            bundle.facts |= {"fitted": True, "data": data.fingerprint}
            save_with_card(bundle, self.folder.best)
        log = RunLog(self.folder.metrics, self.accelerator, interval=1, total=1, done=0, losses=[], show=False)
        log.epoch(record, 1, "fitted, saved")
        log.close()
        self.accelerator.wait_for_everyone()
        self.progress.epoch = 1

    def _evaluate_best(self, data: PreparedData) -> Results:
        """Load the best weights, calibrate them, and evaluate them on val and test, in float32 as in prediction."""
        bundle = load_bundle(self.folder.best)
        network = bundle.network.to(self.accelerator.device)
        parts = {"val": data.val} | ({} if data.test is None else {"test": data.test})
        pad_id = data.tokenizer.pad_id
        logits = {
            part: predict_logits(network, articles, pad_id=pad_id, accelerator=self.accelerator)
            for part, articles in parts.items()
        }
        for values in logits.values():
            check_finite(values)
        if bundle.calibration is None:  # a finished run keeps its calibration
            on_all_ranks(self.accelerator, lambda: self._calibrate(bundle, data, logits["val"]))
        scores = {
            part: metrics_from_logits(
                articles.labels.astype(np.int64), bundle.calibrated(logits[part]), bundle.threshold
            )
            for part, articles in parts.items()
        }
        split = list(parts)[-1]
        calibration = bundle.calibration
        results: Results = {
            **scores[split],
            "split": split,
            "threshold": bundle.threshold,
            "calibration": None if calibration is None else calibration.describe(),
            "val": scores["val"],
            "model": self.config.model.title,
            "seed": self.config.seed,
            "best_epoch": bundle.facts["epoch"],
            "epochs": self.progress.epoch,
            "n_train": len(data.train),
        }
        if self.accelerator.is_main_process:
            write_json(results, self.folder.results)
        logger.info(
            "%s (%d articles): macro-F1 %s, AUC %s at threshold %.3f; best epoch %d of %d; bundle: %s",
            results["split"], results["n"], _format_metric(results["macro_f1"]), _format_metric(results["auc"]),
            bundle.threshold, results["best_epoch"], results["epochs"], self.folder.best,
        )  # fmt: skip
        return results

    def _calibrate(self, bundle: Bundle, data: PreparedData, val_logits: NDArray[np.float64]) -> None:
        """Calibrate the detector as the settings ask, and save it; on failure, log why and leave it uncalibrated."""
        training, source = self.config.training, self.config.training.calibrate_on
        if source == "none":
            return
        try:
            held_out = HeldOutPredictions(data.val.labels.astype(np.int64), val_logits, "val")
            if source != "val":
                crossed = cross_fitted(self.config, self.folder.calibration, self.train_bundle)
                held_out = crossed if source == "train" else crossed.joined(held_out)
            calibration = calibrate(bundle, held_out, training.calibration, training.objective)
        except (ConfigError, DataError, TrainingError) as error:  # the training itself has succeeded
            logger.warning("the detector is not calibrated, and its threshold is %g: %s", bundle.threshold, error)
            return
        logger.info("calibrated: %s: %.3f", calibration.describe(), bundle.threshold)
        if self.accelerator.is_main_process:
            save_with_card(bundle, self.folder.best)


def _describe_size(network: nn.Module) -> str:
    total = sum(weight.numel() for weight in network.parameters())
    trained = sum(weight.numel() for weight in network.parameters() if weight.requires_grad)
    return f"{trained:,} of {total:,} weights train"


def _format_metric(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"
