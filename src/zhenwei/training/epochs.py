"""The epochs of a run: train, validate, save the best weights and a checkpoint, stop early."""

import logging
import signal
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from accelerate import Accelerator
from torch import nn

from zhenwei.bundle.bundle import Bundle
from zhenwei.bundle.card.update import save_with_card
from zhenwei.bundle.metrics import metrics_from_logits
from zhenwei.bundle.predict_logits import PrecomputedStates, predict_logits
from zhenwei.config import Config
from zhenwei.errors import TrainingError
from zhenwei.models import DetectorNetwork
from zhenwei.tokens import EncodedArticles
from zhenwei.training.checkpoints import flatten_settings, save_checkpoint
from zhenwei.training.compilation import compile_if_possible
from zhenwei.training.early_stopping import EarlyStopping
from zhenwei.training.frozen.precompute import precompute_frozen_states
from zhenwei.training.interruption import Interruption, graceful_interruption
from zhenwei.training.loop import train_steps
from zhenwei.training.plan import TrainingPlan
from zhenwei.training.preparation import PreparedData
from zhenwei.training.run_folder import RunFolder
from zhenwei.training.run_log import RunLog
from zhenwei.training.state import Progress, TrainState
from zhenwei.training.step_graphs import StepGraphs, build_step_graphs, graph_widths

logger = logging.getLogger(__name__)

# Called in every process after each epoch, once it is saved, with its record: `epoch`, `step`, `train_loss`, and the
# metrics on `val`. An exception that it raises ends the training, which can be resumed.
OnEpoch = Callable[[dict[str, Any]], None]


@dataclass
class Epochs:
    """Trains from the progress of a run to its end, and keeps the run folder up to date.

    Attributes:
        config: The settings.
        folder: Where checkpoints and logs are written.
        data: The articles and their tokenizer.
        state: Network, optimizer, schedule and accelerator.
        plan: The training articles and how they are batched.
        progress: Steps and epochs done; changed in place.
        on_epoch: Called after each epoch; see `OnEpoch`.
    """

    config: Config
    folder: RunFolder
    data: PreparedData
    state: TrainState
    plan: TrainingPlan
    progress: Progress
    on_epoch: OnEpoch | None = None

    def __post_init__(self) -> None:
        training = self.config.training
        initial = {"direction": training.monitor_direction, "patience": training.early_stop}
        self.stopping = EarlyStopping(**(self.progress.stopping or initial))
        self.accelerator = self.state.accelerator
        self.frozen_val: PrecomputedStates | None = None

    def run(self) -> None:
        """Train until the last epoch or until early stopping.

        Raises:
            CheckpointError: If a checkpoint cannot be written.
            TrainingError: If the loss, the gradient or the weights are not finite.
        """
        progress = self.progress
        graphs = self._prepare_plan()
        self._start_trackers()
        log = RunLog(
            self.folder.metrics, self.accelerator, self.config.output.log_interval, total=self.plan.total_steps,
            done=progress.step, losses=progress.unlogged_losses, show=self.config.output.progress,
        )  # fmt: skip
        try:
            model = self._wrap_network()
            with graceful_interruption(enabled=self.accelerator.num_processes == 1) as interruption:
                while progress.epoch < self.config.training.epochs and not self.stopping.should_stop:
                    for step in train_steps(
                        model, self.state, self.plan, progress.epoch, first=progress.step_in_epoch, graphs=graphs
                    ):
                        progress.add(step.loss, step.n_texts)
                        log.step(step, progress.step, progress.epoch + 1)
                        self._after_step(step.is_latest, interruption)
                    self._end_epoch(log)
                    self._stop_if_interrupted(interruption)
                progress.finished = True
                self._save()
        except TrainingError as error:
            raise TrainingError(self._explain_stop(error)) from None
        finally:
            log.close()

    def _prepare_plan(self) -> StepGraphs | None:
        """Precompute frozen layers, and choose whether steps are recorded as CUDA graphs."""
        frozen = precompute_frozen_states(self.state.network, self.plan, self.data.val, self.accelerator)
        self.frozen_val = frozen.get("val")
        self.plan = replace(self.plan, frozen=frozen.get("train"))
        graphs = build_step_graphs(self.state, self.plan)
        if graphs is not None:
            self.plan = replace(self.plan, widths=graph_widths(self.config.data.max_len))
        return graphs

    def _start_trackers(self) -> None:
        """Start the experiment trackers; TensorBoard drops what a killed run logged after its checkpoint."""
        purge = {"purge_step": self.progress.step + 1}
        self.accelerator.init_trackers("zhenwei", init_kwargs={"tensorboard": purge})
        for tracker in self.accelerator.trackers:
            if tracker.name != "tensorboard":  # it would write them to files, beside config.json
                tracker.store_init_configuration(_tracker_settings(self.config))

    def _wrap_network(self) -> nn.Module:
        """Return the network as it is called: distributed over processes, and compiled if the settings ask for it."""
        model: nn.Module = self.state.network
        if self.accelerator.num_processes > 1:
            model = self.accelerator.prepare_model(model)
        return compile_if_possible(model, self.state, self.plan) if self.config.training.compile else model

    def _after_step(self, is_latest: bool, interruption: Interruption) -> None:
        """Save a checkpoint if one is due, and stop if the user has asked for it; an epoch's end does both itself."""
        progress, save_steps = self.progress, self.config.output.save_steps
        if progress.step_in_epoch == self.plan.steps_per_epoch:
            return
        if save_steps and progress.step % save_steps == 0:
            self._save()
        if is_latest:
            self._stop_if_interrupted(interruption)

    def _end_epoch(self, log: RunLog) -> None:
        """Validate, save the weights if they are the best so far or `keep` is `last`, and save a checkpoint."""
        progress = self.progress
        progress.epoch += 1
        val = validate(
            self.state.network, self.data.val, self.plan.pad_id, self.accelerator, precision="auto",
            frozen=self.frozen_val,
        )  # fmt: skip
        train_loss = progress.loss_sum / max(progress.n_texts, 1)
        record = {"epoch": progress.epoch, "step": progress.step, "train_loss": train_loss, "val": val}
        best = self.stopping.update(val[self.config.training.monitor], progress.epoch)
        if (best or self.config.training.keep == "last") and self.accelerator.is_main_process:
            bundle = trained_bundle(self.config, self.data, self.state.network, record)
            save_with_card(bundle, self.folder.best)
        self.accelerator.wait_for_everyone()
        progress.stopping = asdict(self.stopping)
        progress.step_in_epoch, progress.loss_sum, progress.n_texts = 0, 0.0, 0
        log.epoch(record, progress.step, self._describe_epoch(best))
        self._save()
        if self.on_epoch is not None:
            self.on_epoch(record)

    def _describe_epoch(self, best: bool) -> str:
        monitor, stopping = self.config.training.monitor, self.stopping
        if best:
            return f"best {monitor} so far, saved"
        if self.config.training.keep == "last":
            return f"best {monitor} was in epoch {stopping.best_epoch}; the last epoch is kept, saved"
        text = f"best {monitor} was {stopping.best:.4f} in epoch {stopping.best_epoch}"
        return text + ("; stopping early" if stopping.should_stop else "")

    def _save(self) -> None:
        save_checkpoint(self.folder.last, self.state, self.progress, self.config, self.data.fingerprint)

    def _stop_if_interrupted(self, interruption: Interruption) -> None:
        """Save a checkpoint and end the run if a signal has asked for it."""
        if not interruption:
            return
        self._save()
        logger.warning("interrupted at step %d: saved '%s'; resume with --resume", self.progress.step, self.folder.last)
        if interruption.signal == signal.SIGTERM:
            raise SystemExit(128 + signal.SIGTERM)
        raise KeyboardInterrupt

    def _explain_stop(self, error: TrainingError) -> str:
        """Return the step and learning rate at which training failed, the last checkpoint, and what may help."""
        schedule = self.state.schedule  # on a GPU, it may be ahead of the steps that were read
        rate = schedule.base_lrs[0] * schedule.lr_lambdas[0](min(self.progress.step, schedule.last_epoch))
        last = self.folder.last
        saved = f"the last good checkpoint is '{last}'" if last.exists() else "no checkpoint is saved"
        return (
            f"training stopped after step {self.progress.step} (learning rate {rate:.3g}): {error}; {saved}. "
            "A lower training.lr, a longer training.warmup_steps or a training.grad_clip may help"
        )


def validate(
    network: DetectorNetwork,
    articles: EncodedArticles,
    pad_id: int,
    accelerator: Accelerator,
    precision: str = "float32",
    frozen: PrecomputedStates | None = None,
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
    return metrics_from_logits(articles.labels.astype(np.int64), logits)


def trained_bundle(config: Config, data: PreparedData, network: DetectorNetwork, record: dict[str, Any]) -> Bundle:
    """Return the bundle of a trained network, with its epoch, step and metrics on val."""
    is_rewrite = data.train.is_rewrite
    n_train = len(data.train) if is_rewrite is None else int((~is_rewrite).sum())
    facts = {**record, "n_train": n_train, "n_val": len(data.val), "files": data.files}
    facts["chinese_share"] = data.chinese_share
    if data.train.contents is not None:
        facts |= {"n_contents": int(data.train.contents.max()) + 1, "rewrites": data.rewrites}
    return Bundle(
        config, data.tokenizer, network, facts=facts, field_metadata=data.field_metadata, abstention=data.abstention
    )


def _tracker_settings(config: Config) -> dict[str, Any]:
    """Return the settings as trackers accept them: flat, with plain values."""
    flat = flatten_settings(config.to_dict())
    return {name: value if isinstance(value, bool | int | float | str) else str(value) for name, value in flat.items()}
