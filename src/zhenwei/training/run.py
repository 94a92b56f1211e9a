"""One training under way: build, resume, train epoch by epoch, keep the best, judge it at the end."""

import json
import logging
import signal
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import nn

from zhenwei.config import Config
from zhenwei.errors import TrainingError
from zhenwei.models import DetectorNetwork, Vocabulary, build_network
from zhenwei.tokens import EncodedArticles, WordAugmentation
from zhenwei.tokens.batches import default_widths
from zhenwei.training.bundle import Bundle, load_bundle, save_bundle, write_json
from zhenwei.training.checkpoints import Progress, Trainee, load_checkpoint, save_checkpoint
from zhenwei.training.compilation import compiled_or_plain
from zhenwei.training.determinism import seed_all
from zhenwei.training.early_stopping import EarlyStopping
from zhenwei.training.interruption import Interruption, graceful_interruption
from zhenwei.training.loop import Course, train_steps
from zhenwei.training.metrics import binary_metrics
from zhenwei.training.optimisation import build_optimizer, build_schedule
from zhenwei.training.preparation import PreparedData, prepare_data
from zhenwei.training.run_folder import RunFolder
from zhenwei.training.run_log import RunLog
from zhenwei.training.scoring import SCORING_BATCH, mean_cross_entropy, score_articles, sigmoid

logger = logging.getLogger(__name__)

Results = dict[str, Any]


class Run:
    """A training and its folder.

    Attributes:
        config: The settings.
        folder: Where everything is kept; what is there already is gone on with.
        accelerator: Device, precision and processes.
        progress: How far training is.
    """

    def __init__(self, config: Config, folder: RunFolder, accelerator: Accelerator) -> None:
        self.config = config
        self.folder = folder
        self.accelerator = accelerator
        self.progress = Progress()

    def carry_out(self) -> tuple[Results, Path]:
        """Train what is still to be trained, then judge the best weights; see `Trainer.train`."""
        seed_all(self.config.seed)
        data = prepare_data(self.config)
        vocabulary = Vocabulary(data.tokenizer.vocab_size, data.tokenizer.pad_id, self.config.data.max_len)
        network = build_network(self.config.model, vocabulary).to(self.accelerator.device)
        logger.info("network: %s", _size(network))
        course = self._course(data)
        trainee = self._trainee(network, course)
        fingerprint = data.fingerprint()
        seed_all(self.config.seed + self.accelerator.process_index)  # each process drops other units
        if self.folder.last.exists():
            self.progress = load_checkpoint(self.folder.last, trainee, self.config, fingerprint)
            logger.info("resumed after epoch %d, step %d", self.progress.epoch, self.progress.step)
        if self.progress.finished and self.folder.results.exists():
            logger.info("this run has ended before: nothing is left to do")
            return json.loads(self.folder.results.read_text(encoding="utf-8")), self.folder.best
        if not self.progress.finished:
            _Training(self, data, trainee, course, fingerprint).run()
        return self._judge_best(data), self.folder.best

    def _course(self, data: PreparedData) -> Course:
        """Say what will be trained on, and how it is cut."""
        rate = self.config.data.aug_prob
        augmentation = WordAugmentation(rate, self.config.seed, data.tokenizer.mask_id) if rate else None
        widths = default_widths(self.config.data.max_len) if self.config.training.compile else None
        return Course(data.train, self.config, data.tokenizer.pad_id, augmentation, widths)

    def _trainee(self, network: DetectorNetwork, course: Course) -> Trainee:
        """Join a network with what changes it."""
        optimizer = build_optimizer(network, self.config.training)
        schedule = build_schedule(optimizer, self.config.training, course.total_steps)
        return Trainee(network, optimizer, schedule, self.accelerator)

    def judge(self, network: DetectorNetwork, articles: EncodedArticles, pad_id: int, mixed: bool) -> dict[str, Any]:
        """Score labelled articles: the field's metrics at a threshold of 0.5, and the mean cross-entropy `loss`."""
        logits = score_articles(
            network, articles, pad_id=pad_id, batch_size=SCORING_BATCH, accelerator=self.accelerator, mixed=mixed
        )
        return metrics_of_logits(articles.labels.astype(np.float64), logits)

    def _judge_best(self, data: PreparedData) -> Results:
        """Load the best weights and judge them on val and test, in float32 as everybody will use them."""
        bundle = load_bundle(self.folder.best)
        network = bundle.network.to(self.accelerator.device)
        val = self.judge(network, data.val, data.tokenizer.pad_id, mixed=False)
        final = val if data.test is None else self.judge(network, data.test, data.tokenizer.pad_id, mixed=False)
        results: Results = {
            **final,
            "split": "val" if data.test is None else "test",
            "val": val,
            "model": self.config.model.name,
            "seed": self.config.seed,
            "best_epoch": bundle.facts["epoch"],
            "epochs": self.progress.epoch,
            "n_train": len(data.train),
        }
        if self.accelerator.is_main_process:
            write_json(results, self.folder.results)
        logger.info(
            "%s (%d articles): macro-F1 %s, AUC %s; best epoch %d of %d; bundle: %s",
            results["split"], results["n"], _shown(results["macro_f1"]), _shown(results["auc"]),
            results["best_epoch"], results["epochs"], self.folder.best,
        )  # fmt: skip
        return results


class _Training:
    """The epochs of a run, one after the other."""

    def __init__(
        self, run: Run, data: PreparedData, trainee: Trainee, course: Course, fingerprint: dict[str, str | None]
    ) -> None:
        self.run_, self.data, self.trainee, self.course, self.fingerprint = run, data, trainee, course, fingerprint
        self.config, self.folder, self.progress = run.config, run.folder, run.progress
        self.accelerator = run.accelerator
        monitor = self.config.training
        self.stopping = EarlyStopping(monitor.monitor_direction, monitor.early_stop)
        if self.progress.stopping:
            self.stopping = EarlyStopping(**self.progress.stopping)

    def run(self) -> None:
        """Train until the last epoch, or until patience is at its end."""
        config, accelerator = self.config, self.accelerator
        accelerator.init_trackers("zhenwei", config=_plain(config))
        log = RunLog(
            self.folder.metrics, accelerator, config.output.log_interval,
            total=self.course.total_steps, done=self.progress.step, show=config.output.progress,
        )  # fmt: skip
        try:
            model = self._model()
            with graceful_interruption(enabled=accelerator.num_processes == 1) as asked:
                while self.progress.epoch < config.training.epochs and not self.stopping.should_stop:
                    self._train_epoch(model, log, asked)
                    self._end_epoch(log)
                    self._end_if(asked)
                self.progress.finished = True
                self._save()
        finally:
            log.close()
            for tracker in accelerator.trackers:
                tracker.finish()

    def _model(self) -> nn.Module:
        """Return the network as it is to be called: spread over processes, compiled if asked for."""
        model: nn.Module = self.trainee.network
        if self.accelerator.num_processes > 1:
            model = self.accelerator.prepare_model(model)
        return compiled_or_plain(model, self.trainee, self.course) if self.config.training.compile else model

    def _train_epoch(self, model: nn.Module, log: RunLog, asked: Interruption) -> None:
        """Take the steps of an epoch that are still to be taken."""
        progress, every = self.progress, self.config.output.save_steps
        steps = train_steps(model, self.trainee, self.course, progress.epoch, first=progress.step_in_epoch)
        try:
            for step in steps:
                progress.step += 1
                progress.step_in_epoch += 1
                progress.loss_sum += step.loss * step.n_texts
                progress.n_texts += step.n_texts
                log.step(step, progress.step, progress.epoch + 1)
                last = progress.step_in_epoch == self.course.steps_per_epoch
                if every and progress.step % every == 0 and not last:
                    self._save()
                if not last:
                    self._end_if(asked)
        except TrainingError as error:
            kept = f"the last good checkpoint is '{self.folder.last}'" if self.folder.last.exists() else "none is saved"
            raise TrainingError(
                f"training stopped before step {progress.step + 1} (epoch {progress.epoch + 1}): {error}; {kept}. "
                "A lower training.lr, a longer training.warmup_steps or a training.grad_clip may help"
            ) from None

    def _end_epoch(self, log: RunLog) -> None:
        """Judge val, keep the weights if they are the best so far, save the checkpoint."""
        progress = self.progress
        progress.epoch += 1
        val = self.run_.judge(self.trainee.network, self.data.val, self.course.pad_id, mixed=True)
        train_loss = progress.loss_sum / max(progress.n_texts, 1)
        record = {"epoch": progress.epoch, "step": progress.step, "train_loss": train_loss, "val": val}
        best = self.stopping.update(val[self.config.training.monitor], progress.epoch)
        if best and self.accelerator.is_main_process:
            save_bundle(self._bundle(record), self.folder.best)
        self.accelerator.wait_for_everyone()
        progress.stopping = self.stopping.state_dict()
        progress.history.append(record)
        progress.step_in_epoch, progress.loss_sum, progress.n_texts = 0, 0.0, 0
        log.epoch(record, progress.step, self._verdict(best))
        self._save()

    def _bundle(self, record: dict[str, Any]) -> Bundle:
        facts = {**record, "n_train": len(self.data.train), "n_val": len(self.data.val)}
        return Bundle(self.config, self.data.tokenizer, self.trainee.network, facts=facts)

    def _verdict(self, best: bool) -> str:
        """Say in words what an epoch's score means for the run."""
        monitor, stopping = self.config.training.monitor, self.stopping
        if best:
            return f"best {monitor} so far, saved"
        text = f"best {monitor} was {stopping.best:.4f} in epoch {stopping.best_epoch}"
        return text + ("; stopping early" if stopping.should_stop else "")

    def _save(self) -> None:
        save_checkpoint(self.folder.last, self.trainee, self.progress, self.config, self.fingerprint)

    def _end_if(self, asked: Interruption) -> None:
        """End the run where somebody asked for it, with its checkpoint saved."""
        if not asked:
            return
        self._save()
        logger.warning("interrupted at step %d: saved '%s'; go on with --resume", self.progress.step, self.folder.last)
        if asked.signal == signal.SIGTERM:
            raise SystemExit(128 + signal.SIGTERM)
        raise KeyboardInterrupt


def metrics_of_logits(labels: NDArray[np.float64], logits: NDArray[np.float64]) -> dict[str, Any]:
    """Return the field's metrics at a threshold of 0.5, and the mean cross-entropy as `loss`.

    Args:
        labels: [N] of 0 or 1.
        logits: [N] of fake.

    Raises:
        TrainingError: If a logit is not finite.
    """
    if not np.isfinite(logits).all():
        raise TrainingError(f"{int((~np.isfinite(logits)).sum())} of {logits.size} articles have no finite logit")
    loss = mean_cross_entropy(labels, logits)
    return {**binary_metrics(labels.astype(np.int64), sigmoid(logits)), "loss": loss}


def _size(network: nn.Module) -> str:
    """Say how many weights a network has."""
    total = sum(weight.numel() for weight in network.parameters())
    trained = sum(weight.numel() for weight in network.parameters() if weight.requires_grad)
    return f"{trained:,} of {total:,} weights train"


def _shown(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"


def _plain(config: Config) -> dict[str, Any]:
    """Return settings as trackers take them: one level, plain values."""
    flat: dict[str, Any] = {"seed": config.seed}
    for section, values in config.to_dict().items():
        if isinstance(values, dict):
            flat |= {f"{section}.{name}": value for name, value in values.items()}
    return {name: value if isinstance(value, bool | int | float | str) else str(value) for name, value in flat.items()}
