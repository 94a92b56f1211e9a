"""The epochs of a run, one after the other: train, judge val, keep the best, save, stop."""

import logging
import signal
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from accelerate import Accelerator
from torch import nn

from zhenwei.bundle.bundle import Bundle, save_bundle
from zhenwei.bundle.metrics import check_finite, metrics_from_logits
from zhenwei.bundle.predict_logits import predict_logits
from zhenwei.config import Config
from zhenwei.errors import TrainingError
from zhenwei.models import DetectorNetwork
from zhenwei.tokens import EncodedArticles
from zhenwei.training.checkpoints import Progress, TrainState, save_checkpoint
from zhenwei.training.compilation import compiled_or_plain
from zhenwei.training.early_stopping import EarlyStopping
from zhenwei.training.frozen.precompute import precompute_frozen_states
from zhenwei.training.frozen.states import FrozenStates
from zhenwei.training.interruption import Interruption, graceful_interruption
from zhenwei.training.loop import TrainingPlan, train_steps
from zhenwei.training.preparation import PreparedData
from zhenwei.training.run_folder import RunFolder
from zhenwei.training.run_log import RunLog
from zhenwei.training.step_graphs import StepGraphs, step_graphs, with_graph_widths

logger = logging.getLogger(__name__)

# Called in every process after each epoch, once it is saved, with its record: `epoch`, `step`, `train_loss`, and the
# scores on `val`. What it raises ends the training, which can be resumed.
OnEpoch = Callable[[dict[str, Any]], None]


class Epochs:
    """Trains from where a run's progress is to its end, and keeps the run's folder up to date."""

    def __init__(
        self,
        config: Config,
        folder: RunFolder,
        data: PreparedData,
        trainee: TrainState,
        course: TrainingPlan,
        progress: Progress,
        fingerprint: dict[str, str | None],
        on_epoch: OnEpoch | None = None,
    ) -> None:
        """Take over a run that is built.

        Args:
            config: Its settings.
            folder: Where its checkpoints and logs go.
            data: Its articles, and their tokenizer.
            trainee: What is trained.
            course: What it is trained on.
            progress: How far it is; changed in place.
            fingerprint: Digests of the articles, for the checkpoint.
            on_epoch: Called after each epoch; see `OnEpoch`.
        """
        self.config, self.folder, self.data = config, folder, data
        self.trainee, self.course, self.progress, self.fingerprint = trainee, course, progress, fingerprint
        self.accelerator, self.on_epoch = trainee.accelerator, on_epoch
        self.stopping = EarlyStopping(config.training.monitor_direction, config.training.early_stop)
        self.frozen: dict[str, FrozenStates] = {}
        self.graphs: StepGraphs | None = None
        if progress.stopping:
            self.stopping = EarlyStopping(**progress.stopping)

    def run(self) -> None:
        """Train until the last epoch, or until patience is at its end.

        Raises:
            CheckpointError: If a checkpoint cannot be written.
            TrainingError: If the loss, the gradient or the weights are no longer finite.
        """
        config, progress = self.config, self.progress
        self.frozen = precompute_frozen_states(self.trainee.network, self.course, self.data.val, self.accelerator)
        self.course = replace(self.course, frozen=self.frozen.get("train"))
        self.graphs = step_graphs(self.trainee, self.course)
        if self.graphs is not None:
            self.course = with_graph_widths(self.course)
        self._start_trackers()
        log = RunLog(
            self.folder.metrics, self.accelerator, config.output.log_interval, total=self.course.total_steps,
            done=progress.step, losses=progress.unlogged_losses, show=config.output.progress,
        )  # fmt: skip
        try:
            model = self._model()
            with graceful_interruption(enabled=self.accelerator.num_processes == 1) as asked:
                while progress.epoch < config.training.epochs and not self.stopping.should_stop:
                    self._train_epoch(model, log, asked)
                    self._end_epoch(log)
                    self._end_if(asked)
                progress.finished = True
                self._save()
        except TrainingError as error:
            raise TrainingError(self._why_stopped(error)) from None
        finally:
            log.close()

    def _start_trackers(self) -> None:
        """Start the experiment trackers; TensorBoard forgets what a killed run told it after its checkpoint."""
        forget = {"purge_step": self.progress.step + 1}
        self.accelerator.init_trackers("zhenwei", init_kwargs={"tensorboard": forget})
        for tracker in self.accelerator.trackers:
            if tracker.name != "tensorboard":  # there, settings would be files beside config.json
                tracker.store_init_configuration(_plain(self.config))

    def _model(self) -> nn.Module:
        """Return the network as it is to be called: spread over processes, compiled if asked for."""
        model: nn.Module = self.trainee.network
        if self.accelerator.num_processes > 1:
            model = self.accelerator.prepare_model(model)
        return compiled_or_plain(model, self.trainee, self.course) if self.config.training.compile else model

    def _train_epoch(self, model: nn.Module, log: RunLog, asked: Interruption) -> None:
        """Take the steps of an epoch that are still to be taken."""
        progress, every = self.progress, self.config.output.save_steps
        steps = train_steps(
            model, self.trainee, self.course, progress.epoch, first=progress.step_in_epoch, graphs=self.graphs
        )
        for step in steps:
            progress.step += 1
            progress.step_in_epoch += 1
            progress.loss_sum += step.loss * step.n_texts
            progress.n_texts += step.n_texts
            log.step(step, progress.step, progress.epoch + 1)
            if progress.step_in_epoch == self.course.steps_per_epoch:
                return  # the epoch's end saves
            if every and progress.step % every == 0:
                self._save()
            if step.is_latest:
                self._end_if(asked)

    def _end_epoch(self, log: RunLog) -> None:
        """Judge val, keep the weights if they are the best so far or the last shall be kept, save the checkpoint."""
        progress = self.progress
        progress.epoch += 1
        val = validate(
            self.trainee.network, self.data.val, self.course.pad_id, self.accelerator, precision="auto",
            frozen=self.frozen.get("val"),
        )  # fmt: skip
        train_loss = progress.loss_sum / max(progress.n_texts, 1)
        record = {"epoch": progress.epoch, "step": progress.step, "train_loss": train_loss, "val": val}
        best = self.stopping.update(val[self.config.training.monitor], progress.epoch)
        kept = best or self.config.training.keep == "last"
        if kept and self.accelerator.is_main_process:
            save_bundle(trained_bundle(self.config, self.data, self.trainee.network, record), self.folder.best)
        self.accelerator.wait_for_everyone()
        progress.stopping = self.stopping.state_dict()
        progress.step_in_epoch, progress.loss_sum, progress.n_texts = 0, 0.0, 0
        log.epoch(record, progress.step, self._verdict(best))
        self._save()
        if self.on_epoch is not None:
            self.on_epoch(record)

    def _verdict(self, best: bool) -> str:
        """Say in words what an epoch's score means for the run."""
        monitor, stopping = self.config.training.monitor, self.stopping
        if best:
            return f"best {monitor} so far, saved"
        if self.config.training.keep == "last":
            return f"best {monitor} was in epoch {stopping.best_epoch}; the last is kept, saved"
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

    def _why_stopped(self, error: TrainingError) -> str:
        """Say at which step and rate a training stopped, where its last good weights are, and what may help."""
        schedule = self.trainee.schedule  # on a card it may have gone on
        rate = schedule.base_lrs[0] * schedule.lr_lambdas[0](min(self.progress.step, schedule.last_epoch))
        kept = f"the last good checkpoint is '{self.folder.last}'" if self.folder.last.exists() else "none is saved"
        return (
            f"training stopped after step {self.progress.step} (learning rate {rate:.3g}): {error}; {kept}. "
            "A lower training.lr, a longer training.warmup_steps or a training.grad_clip may help"
        )


def validate(
    network: DetectorNetwork,
    articles: EncodedArticles,
    pad_id: int,
    accelerator: Accelerator,
    precision: str = "float32",
    frozen: FrozenStates | None = None,
) -> dict[str, Any]:
    """Return the metrics of labelled articles at a threshold of 0.5, and the mean cross-entropy `loss`.

    Args:
        network: On the accelerator's device.
        articles: Labelled articles.
        pad_id: Id of the padding token.
        accelerator: Device, precision and processes.
        precision: `float32`, or `auto`: the accelerator's.
        frozen: Precomputed states of the network's frozen layers; None: the network computes them.

    Raises:
        TrainingError: If a logit is not finite.
    """
    logits = predict_logits(
        network, articles, pad_id=pad_id, accelerator=accelerator, precision=precision, frozen=frozen
    )
    check_finite(logits)
    return metrics_from_logits(articles.labels.astype(np.int64), logits)


def trained_bundle(config: Config, data: PreparedData, network: DetectorNetwork, record: dict[str, Any]) -> Bundle:
    """Return what is shipped of a training, with what is known of it: epoch, step and scores on val."""
    facts = {**record, "n_train": len(data.train), "n_val": len(data.val), "files": data.files}
    facts["chinese_share"] = data.chinese_share
    return Bundle(config, data.tokenizer, network, facts=facts, learned=data.learned)


def _plain(config: Config) -> dict[str, Any]:
    """Return settings as trackers take them: one level, plain values."""
    flat: dict[str, Any] = {"seed": config.seed}
    for section, values in config.to_dict().items():
        if isinstance(values, dict):
            flat |= {f"{section}.{name}": value for name, value in values.items()}
    return {name: value if isinstance(value, bool | int | float | str) else str(value) for name, value in flat.items()}
