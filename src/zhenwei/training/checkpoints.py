"""The checkpoint from which a run goes on exactly: weights, optimiser, schedule, random numbers, place in the data."""

import json
import logging
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

import zhenwei
from zhenwei.atomic import atomic_folder
from zhenwei.bundle.weights import load_weights, save_weights, write_json
from zhenwei.config import Config
from zhenwei.errors import CheckpointError, TrainingError
from zhenwei.models import DetectorNetwork

logger = logging.getLogger(__name__)

NETWORK, OPTIMIZER, RANDOM, STATE = "network.safetensors", "optimizer.safetensors", "random.safetensors", "state.json"
FROZEN = "frozen.safetensors"  # weights that never train: written once, and taken over from checkpoint to checkpoint

# Settings that may differ when a run goes on. Those of `output` and the paths change nothing that is computed (the
# articles themselves are compared); another device may be all that is left, but it draws other units to drop and adds
# in another order, so that the run no longer ends bit for bit as the undisturbed one; so do a card's CUDA graphs.
# No weight depends on these; a calibration is made, and can be made again, when training has ended.
FREE_TO_CHANGE = frozenset(
    {
        "output", "training.device", "training.frozen_cache_dir", "training.cuda_graphs",
        "data.root_path", "data.train", "data.val", "data.test",
        "training.calibrate_on", "training.calibration", "training.calibration_folds", "training.threshold_objective",
    }
)  # fmt: skip


@dataclass
class Progress:
    """How far a training is.

    Attributes:
        epoch: Epochs done.
        step_in_epoch: Optimiser steps done in the epoch under way.
        step: Optimiser steps done in all.
        loss_sum: Sum of the training loss over the articles of the epoch under way.
        n_texts: Number of those articles.
        unlogged_losses: Losses of the steps since the last line of the log, which go into the next one.
        stopping: State of early stopping.
        finished: Whether training has ended and only the final scores may be missing.
    """

    epoch: int = 0
    step_in_epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    n_texts: int = 0
    unlogged_losses: list[float] = field(default_factory=list)
    stopping: dict[str, Any] = field(default_factory=dict)
    finished: bool = False


@dataclass(frozen=True)
class TrainState:
    """All that changes while training, beside `Progress`."""

    network: DetectorNetwork
    optimizer: AdamW
    schedule: LambdaLR
    accelerator: Accelerator


def save_checkpoint(
    folder: Path, trainee: TrainState, progress: Progress, config: Config, data: dict[str, str | None]
) -> None:
    """Write the checkpoint; an older one is replaced when the new one is whole. Every process must call it.

    Args:
        folder: Where.
        trainee: What to save.
        progress: How far training is.
        config: The run's settings.
        data: Digests of the articles.

    Raises:
        CheckpointError: If it cannot be written; the older one is left as it was.
        TrainingError: If the weights are no longer finite; the older one is left as it was.
    """
    accelerator = trainee.accelerator
    random_states = [_random_state()]
    if accelerator.num_processes > 1:
        random_states = gather_object(random_states)
    if not accelerator.is_main_process:
        return
    _check_finite(trainee.network)
    scaler = accelerator.scaler
    state = {
        "zhenwei_version": zhenwei.__version__,
        "config": config.to_dict(),
        "data": data,
        "progress": asdict(progress),
        "schedule": {key: value for key, value in trainee.schedule.state_dict().items() if key != "lr_lambdas"},
        "scaler": None if scaler is None else scaler.state_dict(),
        "n_processes": accelerator.num_processes,
        "n_threads": torch.get_num_threads(),
    }
    with atomic_folder(folder) as place:
        frozen = {name for name, weight in trainee.network.named_parameters() if not weight.requires_grad}
        weights = trainee.network.state_dict()
        save_weights(_on_cpu({name: weights[name] for name in weights.keys() - frozen}), place / NETWORK)
        if frozen and not _taken_over(folder / FROZEN, place / FROZEN):
            save_weights(_on_cpu({name: weights[name] for name in frozen}), place / FROZEN)
        save_weights(_optimizer_tensors(trainee), place / OPTIMIZER)
        tensors = {f"{rank}.{name}": value for rank, kept in enumerate(random_states) for name, value in kept.items()}
        save_weights(tensors, place / RANDOM)
        write_json(state, place / STATE)


def load_checkpoint(folder: Path, trainee: TrainState, config: Config, data: dict[str, str | None]) -> Progress:
    """Put a training back to where its checkpoint was saved.

    Args:
        folder: Where it was saved.
        trainee: Built from the same settings; its state is overwritten.
        config: The settings of the run that goes on.
        data: Digests of the articles of the run that goes on.

    Returns:
        How far training was.

    Raises:
        CheckpointError: If the checkpoint is damaged, or of other settings, data, or number of processes.
    """
    state = _read_state(folder)
    _use_as_many_threads(state["n_threads"])
    check_same_run(state, config, data, folder)
    if state["n_processes"] != trainee.accelerator.num_processes:
        raise CheckpointError(
            f"{folder}: this run was started with {state['n_processes']} processes, found "
            f"{trainee.accelerator.num_processes}; resume with as many"
        )
    load_weights(trainee.network, folder / NETWORK, *folder.glob(FROZEN))
    try:
        _restore_optimizer(trainee, load_file(folder / OPTIMIZER))
        _restore_schedule(trainee, state["schedule"])
        if trainee.accelerator.scaler is not None and state["scaler"]:
            trainee.accelerator.scaler.load_state_dict(state["scaler"])
        _restore_random_state(load_file(folder / RANDOM), trainee.accelerator.process_index)
        return Progress(**state["progress"])
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        raise CheckpointError(f"{folder}: damaged checkpoint ({reason}); start anew with --overwrite") from None


def _read_state(folder: Path) -> dict[str, Any]:
    path = folder / STATE
    try:
        state: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        _ = state["progress"], state["schedule"], state["n_processes"], state["scaler"], int(state["n_threads"])
        _ = state["config"].items(), state["data"].items()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{path}: damaged or foreign checkpoint ({type(error).__name__}: {error}); start anew with --overwrite"
        ) from None
    return state


def _use_as_many_threads(number: int) -> None:
    """Compute with as many CPU threads as before: sums that are cut otherwise differ in their last bits."""
    if number != torch.get_num_threads():
        logger.info("computing with %d CPU thread(s), as before", number)
        torch.set_num_threads(number)


def check_same_run(state: dict[str, Any], config: Config, data: dict[str, str | None], folder: Path) -> None:
    """Refuse to go on with something that would not end as the uninterrupted run does.

    Args:
        state: What was saved: `config`, all settings, and `data`, digests of the articles.
        config: The settings of the run that goes on.
        data: Digests of the articles of the run that goes on.
        folder: Where it was saved, for the message.

    Raises:
        CheckpointError: If settings that matter, or articles, differ.
    """
    saved, wanted = _flattened(state["config"]), _flattened(config.to_dict())
    for name in sorted(saved.keys() | wanted.keys()):
        free = name in FREE_TO_CHANGE or name.split(".")[0] in FREE_TO_CHANGE
        if not free and saved.get(name) != wanted.get(name):
            raise CheckpointError(
                f"{folder}: this run was started with {name} = {saved.get(name)!r}, found {wanted.get(name)!r}; "
                "resume with the same settings, or start anew with --overwrite"
            )
    for part, digest in data.items():
        if state["data"].get(part) != digest:
            raise CheckpointError(
                f"{folder}: the articles of {part} have changed since this run was started; "
                "resume with the same files, or start anew with --overwrite"
            )


def _flattened(settings: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for section, value in settings.items():
        if isinstance(value, dict):
            flat |= {f"{section}.{name}": inner for name, inner in value.items()}
        else:
            flat[section] = value
    return flat


def _check_finite(network: DetectorNetwork) -> None:
    """Refuse to keep weights that a step has destroyed: the checkpoint before it is worth more."""
    for name, weight in network.named_parameters():
        if not bool(torch.isfinite(weight).all()):
            raise TrainingError(f"the weights in {name} are no longer finite")


def _on_cpu(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().cpu().contiguous() for name, value in sorted(tensors.items())}


def _taken_over(earlier: Path, place: Path) -> bool:
    """Give a file of the checkpoint before this one a second name; False where there is none, or no second name.

    A checkpoint in a run's folder is of that run and no other, and what is frozen does not change in a run.
    """
    try:
        place.hardlink_to(earlier)
    except (OSError, NotImplementedError):  # the first checkpoint, or a file system that knows of no second names
        return False
    return True


def _named_trained(trainee: TrainState) -> dict[str, torch.nn.Parameter]:
    return {name: weight for name, weight in trainee.network.named_parameters() if weight.requires_grad}


def _optimizer_tensors(trainee: TrainState) -> dict[str, Tensor]:
    """Return AdamW's moments under the names of their weights."""
    return {
        f"{name}/{key}": value.detach().cpu().contiguous()
        for name, weight in _named_trained(trainee).items()
        for key, value in trainee.optimizer.state.get(weight, {}).items()
    }


def _restore_optimizer(trainee: TrainState, tensors: dict[str, Tensor]) -> None:
    """Put AdamW's moments back."""
    kept: dict[str, dict[str, Tensor]] = {}
    for path, value in tensors.items():
        name, _, key = path.rpartition("/")
        kept.setdefault(name, {})[key] = value
    numbers = {id(weight): name for name, weight in _named_trained(trainee).items()}
    order = [numbers[id(weight)] for group in trainee.optimizer.param_groups for weight in group["params"]]
    fresh = trainee.optimizer.state_dict()
    fresh["state"] = {number: kept[name] for number, name in enumerate(order) if name in kept}
    trainee.optimizer.load_state_dict(fresh)


def _restore_schedule(trainee: TrainState, state: dict[str, Any]) -> None:
    """Put the schedule back, and the rates that it had set in the optimiser."""
    unchanged = [None] * len(trainee.schedule.lr_lambdas)  # functions are built from the settings, and not saved
    trainee.schedule.load_state_dict({**state, "lr_lambdas": unchanged})
    for group, rate in zip(trainee.optimizer.param_groups, trainee.schedule.get_last_lr(), strict=True):
        group["lr"] = rate


def _random_state() -> dict[str, Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def _restore_random_state(tensors: dict[str, Tensor], rank: int) -> None:
    torch.set_rng_state(tensors[f"{rank}.cpu"])
    if torch.cuda.is_available() and f"{rank}.cuda" in tensors:
        torch.cuda.set_rng_state(tensors[f"{rank}.cuda"])
