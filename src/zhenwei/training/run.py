"""One training and its folder: prepare, resume, train, judge the best weights at the end."""

import json
import logging
from collections.abc import Callable
from contextlib import suppress
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import nn

from zhenwei.bundle.bundle import Bundle, load_bundle, save_bundle
from zhenwei.bundle.metrics import check_finite, metrics_from_logits
from zhenwei.bundle.predict_logits import predict_logits
from zhenwei.bundle.weights import write_json
from zhenwei.config import Config
from zhenwei.errors import CheckpointError, ConfigError, DataError, TrainingError
from zhenwei.models import DetectorNetwork, FittedNetwork, build_network
from zhenwei.news import iter_articles
from zhenwei.tokens import Augmentation
from zhenwei.tokens.batches import default_widths
from zhenwei.training.accelerator import check_trackers, on_all_ranks
from zhenwei.training.calibration.cross_fitting import cross_fitted
from zhenwei.training.calibration.fit import HeldOutPredictions, calibrate
from zhenwei.training.calibration.folds import part_into_folds
from zhenwei.training.checkpoints import Progress, TrainState, check_same_run, load_checkpoint
from zhenwei.training.determinism import seed_all
from zhenwei.training.epochs import Epochs, OnEpoch, trained_bundle, validate
from zhenwei.training.loop import TrainingPlan
from zhenwei.training.optimization import build_optimizer, build_schedule
from zhenwei.training.preparation import PreparedData, find_parts, prepare_data
from zhenwei.training.run_folder import RunFolder
from zhenwei.training.run_log import RunLog

logger = logging.getLogger(__name__)

Results = dict[str, Any]
TUNED_ON = 20_000  # training articles at most on which settings that are left open are chosen
RESULT_KEYS = {"split", "n", "macro_f1", "auc", "val", "model", "seed", "best_epoch", "epochs", "n_train"}


class Run:
    """A training and its folder.

    Attributes:
        config: The settings.
        folder: Where everything is kept; what is there already is gone on with.
        accelerator: Device, precision and processes.
        begin: Makes the folder ready; called in the main process once all that the run reads is known to be good,
            so that a run which cannot start leaves nothing behind and costs no earlier run.
        on_epoch: Called after each epoch; see `OnEpoch`.
        progress: How far training is.
    """

    def __init__(
        self,
        config: Config,
        folder: RunFolder,
        accelerator: Accelerator,
        begin: Callable[[], None],
        on_epoch: OnEpoch | None = None,
    ) -> None:
        self.config = config
        self.folder = folder
        self.accelerator = accelerator
        self.begin = begin
        self.on_epoch = on_epoch
        self.progress = Progress()

    def carry_out(self) -> tuple[Results, Path]:
        """Train what is still to be trained, then judge the best weights; see `Trainer.train`."""
        data, network = on_all_ranks(self.accelerator, self._prepare)
        on_all_ranks(self.accelerator, lambda: self.begin() if self.accelerator.is_main_process else None)
        on_all_ranks(self.accelerator, self._check_same_detector)
        if isinstance(network, FittedNetwork):
            if on_all_ranks(self.accelerator, lambda: self._is_fitted(data)):
                logger.info("this run has ended before: judging it again is all that is left to do")
                self.progress.epoch = 1
            else:
                self._fit(data, network)
            return self._judge_best(data), self.folder.best
        on_all_ranks(self.accelerator, lambda: self._fit_linear(data, network))
        network.to(self.accelerator.device)
        logger.info("network: %s", _size(network))
        course = self._course(data)
        trainee = self._trainee(network, course)
        fingerprint = data.fingerprint()
        seed_all(self.config.seed + self.accelerator.process_index)  # each process drops other units
        if self.folder.last.exists():
            self.progress = on_all_ranks(
                self.accelerator, lambda: load_checkpoint(self.folder.last, trainee, self.config, fingerprint)
            )
            logger.info("resumed after epoch %d, step %d", self.progress.epoch, self.progress.step)
            on_all_ranks(self.accelerator, self._check_best)
        if self.accelerator.is_main_process:  # not sooner: what cannot be resumed keeps its settings
            self.config.save(self.folder.config)
        earlier = on_all_ranks(self.accelerator, self._earlier_results)
        if earlier is not None:
            logger.info("this run has ended before: nothing is left to do")
            return earlier, self.folder.best
        if not self.progress.finished:
            Epochs(self.config, self.folder, data, trainee, course, self.progress, fingerprint, self.on_epoch).run()
        return self._judge_best(data), self.folder.best

    def _check_same_detector(self) -> None:
        """Refuse to go on in the folder of another detector's run."""
        found = self.config.model.title
        with suppress(ConfigError):  # none yet, or damaged: the checkpoint has the settings, too
            found = Config.load(self.folder.config).model.title
        if found != self.config.model.title:
            raise CheckpointError(
                f"{self.folder.path}: this run is one of '{found}', not of '{self.config.model.title}'; choose another "
                "output.dir, or start anew with --overwrite (in Python: overwrite=True)"
            )

    def _is_fitted(self, data: PreparedData) -> bool:
        """Tell whether a run that is resumed was fitted before, with the same settings to the same articles."""
        if not self.folder.best.exists():
            return False
        bundle = load_bundle(self.folder.best)
        state = {"config": bundle.config.to_dict(), "data": bundle.facts["data"]}
        check_same_run(state, self.config, data.fingerprint(), self.folder.best)
        return True

    def _check_best(self) -> None:
        """Refuse to go on where the best weights were saved, and are gone: no later epoch need be better."""
        expected = self.progress.finished or self.progress.stopping.get("best_epoch")
        if expected and not self.folder.best.exists():
            raise CheckpointError(
                f"{self.folder.best}: the bundle with the best weights of this run is gone; put it back, "
                "or start anew with --overwrite (in Python: overwrite=True)"
            )

    def _earlier_results(self) -> Results | None:
        """Return what a run that has ended left as its scores; None where they must be had (again)."""
        if not self.progress.finished or not self.folder.results.exists():
            return None
        try:
            results = json.loads(self.folder.results.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            results = None
        if isinstance(results, dict) and results.keys() >= RESULT_KEYS:
            return results
        logger.warning("'%s' is damaged: judging the best weights again", self.folder.results)
        return None

    def _prepare(self) -> tuple[PreparedData, DetectorNetwork]:
        """Read the articles, and build the network that will read them."""
        seed_all(self.config.seed)
        check_trackers(self.config.output.trackers)
        if self.config.training.calibrate_on in ("train", "train+val") and self.accelerator.num_processes > 1:
            raise ConfigError(
                f"training.calibrate_on: found '{self.config.training.calibrate_on}' with "
                f"{self.accelerator.num_processes} processes; cross-fitting trains in one: set it to 'val' here, and "
                "then run: zhenwei calibrate RUN --on train"
            )
        data = prepare_data(self.config)
        network = build_network(self.config.model, data.vocabulary(self.config.data.max_len))
        return data, network.to(self.accelerator.device)

    def _course(self, data: PreparedData) -> TrainingPlan:
        """Say what will be trained on, and how it is cut."""
        rate = self.config.data.aug_prob
        augmentation = Augmentation(rate, self.config.seed, data.tokenizer.mask_id) if rate else None
        widths = default_widths(self.config.data.max_len) if self.config.training.compile else None
        return TrainingPlan(data.train, self.config, data.tokenizer.pad_id, augmentation, widths)

    def _fit_linear(self, data: PreparedData, network: DetectorNetwork) -> None:
        """Fit what is fitted before the first step, unless a checkpoint has it."""
        if not self.folder.last.exists():
            self._tune(data, network)
            network.fit_linear(data.train, self.config.seed)

    def _tune(self, data: PreparedData, network: DetectorNetwork) -> None:
        """Let a network choose on training articles what its settings leave to them."""
        if not network.tunes:
            return
        rows = np.linspace(0, len(data.train) - 1, min(len(data.train), TUNED_ON)).astype(np.int64)
        wanted = np.zeros(len(data.train), np.bool_)
        wanted[rows] = True
        read = iter_articles(find_parts(self.config)["train"], require_label=True)
        articles = list(compress(read, wanted.tolist()))
        labels = data.train.labels[rows].astype(np.int64)
        try:
            folds = part_into_folds(articles, labels, self.config.training.calibration_folds, self.config.seed).folds
        except DataError:
            logger.warning("too few training articles to hold some back; what settings leave open is plain TF-IDF's")
            return
        network.tune(data.train, [(rows[fold.train], rows[fold.held]) for fold in folds], self.config.seed)

    def _fit(self, data: PreparedData, network: FittedNetwork) -> None:
        """Fit a network in one go; a run that was not finished is fitted from the start."""
        logger.info("fitting '%s' to %d articles", self.config.model.title, len(data.train))
        on_all_ranks(self.accelerator, lambda: self._tune(data, network))
        on_all_ranks(self.accelerator, lambda: network.fit(data.train, self.config.seed))
        network.to(self.accelerator.device)
        logger.info("network: %s", _size(network))
        pad_id = data.tokenizer.pad_id
        train, val = (validate(network, part, pad_id, self.accelerator) for part in (data.train, data.val))
        record = {"epoch": 1, "step": 1, "train_loss": train["loss"], "val": val}
        if self.accelerator.is_main_process:
            self.config.save(self.folder.config)
            bundle = trained_bundle(self.config, data, network, record)
            bundle.facts |= {"fitted": True, "data": data.fingerprint()}
            save_bundle(bundle, self.folder.best)
        log = RunLog(self.folder.metrics, self.accelerator, interval=1, total=1, done=0, losses=[], show=False)
        log.epoch(record, 1, "fitted, saved")
        log.close()
        self.accelerator.wait_for_everyone()
        self.progress.epoch = 1

    def _trainee(self, network: DetectorNetwork, course: TrainingPlan) -> TrainState:
        """Join a network with what changes it."""
        optimizer = build_optimizer(network, self.config.training)
        schedule = build_schedule(optimizer, self.config.training, course.total_steps)
        return TrainState(network, optimizer, schedule, self.accelerator)

    def _judge_best(self, data: PreparedData) -> Results:
        """Load the best weights, calibrate them, and judge val and test, in float32 as everybody will use them."""
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
        if bundle.calibration is None:  # a run that is judged again keeps its own
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
            results["split"], results["n"], _shown(results["macro_f1"]), _shown(results["auc"]), bundle.threshold,
            results["best_epoch"], results["epochs"], self.folder.best,
        )  # fmt: skip
        return results

    def _calibrate(self, bundle: Bundle, data: PreparedData, val: NDArray[np.float64]) -> None:
        """Calibrate the detector as the settings say, and save it; where that cannot be, say why and leave it."""
        on = self.config.training.calibrate_on
        if on == "none":
            return
        try:
            judgements = HeldOutPredictions(data.val.labels.astype(np.int64), val, "val")
            if on != "val":
                crossed = cross_fitted(self.config, self.folder.calibration)
                judgements = crossed if on == "train" else crossed.joined(judgements)
            training = self.config.training
            calibration = calibrate(bundle, judgements, training.calibration, training.objective)
        except (ConfigError, DataError, TrainingError) as error:  # the training itself has ended well
            logger.warning("the detector is not calibrated, and its threshold is %g: %s", bundle.threshold, error)
            return
        logger.info("calibrated: %s: %.3f", calibration.describe(), bundle.threshold)
        if self.accelerator.is_main_process:
            save_bundle(bundle, self.folder.best)


def _size(network: nn.Module) -> str:
    """Say how many weights a network has."""
    total = sum(weight.numel() for weight in network.parameters())
    trained = sum(weight.numel() for weight in network.parameters() if weight.requires_grad)
    return f"{trained:,} of {total:,} weights train"


def _shown(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"
