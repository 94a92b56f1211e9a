"""Checkpoints, from which a run resumes bit-exactly: weights, optimizer, schedule, random states, progress."""

import json
import logging
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

import zhenwei
from zhenwei.atomic import atomic_folder
from zhenwei.bundle.weights import load_weights, save_weights, write_json
from zhenwei.config import Config
from zhenwei.errors import CheckpointError, TrainingError
from zhenwei.models import DetectorNetwork
from zhenwei.training.state import Progress, TrainState

logger = logging.getLogger(__name__)

FORMAT_VERSION = 1
NETWORK, OPTIMIZER, RANDOM, STATE = "network.safetensors", "optimizer.safetensors", "random.safetensors", "state.json"
FROZEN = "frozen.safetensors"  # weights that never train: written once, then linked from checkpoint to checkpoint

# Settings that may change when a run is resumed. Settings of `output` and paths do not change what is computed (the
# articles themselves are compared). Another device, or no CUDA graphs, may be all that is available, but it draws other
# dropout masks and adds in another order, so that the run does not end bit-exactly like the uninterrupted one.
# Calibration settings do not change any weight.
FREE_TO_CHANGE = frozenset(
    {
        "output", "training.device", "training.frozen_cache_dir", "training.cuda_graphs",
        "data.root_path", "data.train", "data.val", "data.test", "data.rewrites",
        "training.calibrate_on", "training.calibration", "training.calibration_folds", "training.threshold_objective",
    }
)  # fmt: skip


def save_checkpoint(
    folder: Path, state: TrainState, progress: Progress, config: Config, data: dict[str, str | None]
) -> None:
    """Write a checkpoint; it replaces an older one only after it is complete. Every process must call it.

    Args:
        folder: The target folder.
        state: What to save.
        progress: Steps and epochs done.
        config: The settings of the run.
        data: Digests of the articles.

    Raises:
        CheckpointError: If it cannot be written; the older one is left as it was.
        TrainingError: If a weight is not finite; the older one is left as it was.
    """
    accelerator = state.accelerator
    random_states = [_random_state()]
    if accelerator.num_processes > 1:
        random_states = gather_object(random_states)
    if not accelerator.is_main_process:
        return
    _check_finite(state.network)
    scaler = accelerator.scaler
    values = {
        "format_version": FORMAT_VERSION,
        "zhenwei_version": zhenwei.__version__,
        "config": config.to_dict(),
        "data": data,
        "progress": asdict(progress),
        "schedule": {key: value for key, value in state.schedule.state_dict().items() if key != "lr_lambdas"},
        "scaler": None if scaler is None else scaler.state_dict(),
        "n_processes": accelerator.num_processes,
        "n_threads": torch.get_num_threads(),
    }
    with atomic_folder(folder) as target:
        frozen = {name for name, weight in state.network.named_parameters() if not weight.requires_grad}
        weights = state.network.state_dict()
        save_weights({name: weight for name, weight in weights.items() if name not in frozen}, target / NETWORK)
        if frozen and not _link(folder / FROZEN, target / FROZEN):
            save_weights({name: weights[name] for name in frozen}, target / FROZEN)
        save_weights(_optimizer_tensors(state), target / OPTIMIZER)
        tensors = {f"{rank}.{name}": value for rank, own in enumerate(random_states) for name, value in own.items()}
        save_weights(tensors, target / RANDOM)
        write_json(values, target / STATE)


def load_checkpoint(folder: Path, state: TrainState, config: Config, data: dict[str, str | None]) -> Progress:
    """Restore a training from its checkpoint.

    Args:
        folder: The folder of the checkpoint.
        state: Built from the same settings; overwritten.
        config: The settings of the resumed run.
        data: Digests of the articles of the resumed run.

    Returns:
        The progress of the saved run.

    Raises:
        CheckpointError: If the checkpoint is damaged, or of other settings, articles, or number of processes.
    """
    values = _read_state(folder)
    _use_threads(values["n_threads"])
    check_same_run(values, config, data, folder)
    if values["n_processes"] != state.accelerator.num_processes:
        raise CheckpointError(
            f"{folder}: this run was started with {values['n_processes']} processes, found "
            f"{state.accelerator.num_processes}; resume with the same number"
        )
    load_weights(state.network, folder / NETWORK, *folder.glob(FROZEN))
    try:
        _restore_optimizer(state, load_file(folder / OPTIMIZER))
        _restore_schedule(state, values["schedule"])
        if state.accelerator.scaler is not None and values["scaler"]:
            state.accelerator.scaler.load_state_dict(values["scaler"])
        _restore_random_state(load_file(folder / RANDOM), state.accelerator.process_index)
        return Progress(**values["progress"])
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        raise CheckpointError(f"{folder}: damaged checkpoint ({reason}); start over with --overwrite") from None


def _read_state(folder: Path) -> dict[str, Any]:
    path = folder / STATE
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if "zhenwei_version" in values and values.get("format_version") != FORMAT_VERSION:
            raise CheckpointError(
                f"{path}: found checkpoint format {values.get('format_version')}; expected {FORMAT_VERSION}: "
                "train again with --overwrite"
            )
        _ = values["progress"], values["schedule"], values["n_processes"], values["scaler"], int(values["n_threads"])
        _ = values["config"].items(), values["data"].items()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{path}: damaged or foreign checkpoint ({type(error).__name__}: {error}); start over with --overwrite"
        ) from None
    return values


def _use_threads(number: int) -> None:
    """Compute with as many CPU threads as before: another split of a sum changes its last bits."""
    if number != torch.get_num_threads():
        logger.info("computing with %d CPU thread(s), as before", number)
        torch.set_num_threads(number)


def check_same_run(saved: dict[str, Any], config: Config, data: dict[str, str | None], folder: Path) -> None:
    """Refuse to resume with settings or articles that would change the result of the run.

    Args:
        saved: `config`, the settings, and `data`, digests of the articles, of the saved run.
        config: The settings of the resumed run.
        data: Digests of the articles of the resumed run.
        folder: Where the run was saved, for the message.

    Raises:
        CheckpointError: If articles or settings differ, other than `FREE_TO_CHANGE`.
    """
    before, after = flatten_settings(saved["config"]), flatten_settings(config.to_dict())
    for name in sorted(before.keys() | after.keys()):
        free = name in FREE_TO_CHANGE or name.split(".")[0] in FREE_TO_CHANGE
        if not free and before.get(name) != after.get(name):
            raise CheckpointError(
                f"{folder}: this run was started with {name} = {before.get(name)!r}, found {after.get(name)!r}; "
                "resume with the same settings, or start over with --overwrite"
            )
    for part, digest in data.items():
        if saved["data"].get(part) != digest:
            raise CheckpointError(
                f"{folder}: the articles of {part} have changed since this run was started; "
                "resume with the same files, or start over with --overwrite"
            )


def flatten_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings by their full names, such as `training.lr`."""
    flat: dict[str, Any] = {}
    for section, value in settings.items():
        if isinstance(value, dict):
            flat |= {f"{section}.{name}": inner for name, inner in value.items()}
        else:
            flat[section] = value
    return flat


def _check_finite(network: DetectorNetwork) -> None:
    """Refuse to save weights that are not finite over a checkpoint whose weights are."""
    for name, weight in network.named_parameters():
        if not bool(torch.isfinite(weight).all()):
            raise TrainingError(f"the weights in {name} are no longer finite")


def _link(source: Path, target: Path) -> bool:
    """Create a hard link to a file of the previous checkpoint; return whether that was possible."""
    with suppress(OSError, NotImplementedError):  # the first checkpoint, or a file system without hard links
        target.hardlink_to(source)
    return target.exists()


def _trained_weights(state: TrainState) -> dict[str, torch.nn.Parameter]:
    return {name: weight for name, weight in state.network.named_parameters() if weight.requires_grad}


def _optimizer_tensors(state: TrainState) -> dict[str, Tensor]:
    """Return the moments of AdamW under the names of their weights."""
    return {
        f"{name}/{key}": value
        for name, weight in _trained_weights(state).items()
        for key, value in state.optimizer.state.get(weight, {}).items()
    }


def _restore_optimizer(state: TrainState, tensors: dict[str, Tensor]) -> None:
    moments: dict[str, dict[str, Tensor]] = {}
    for path, value in tensors.items():
        name, _, key = path.rpartition("/")
        moments.setdefault(name, {})[key] = value
    names = {id(weight): name for name, weight in _trained_weights(state).items()}
    order = [names[id(weight)] for group in state.optimizer.param_groups for weight in group["params"]]
    values = state.optimizer.state_dict()
    values["state"] = {number: moments[name] for number, name in enumerate(order) if name in moments}
    state.optimizer.load_state_dict(values)


def _restore_schedule(state: TrainState, values: dict[str, Any]) -> None:
    """Restore the schedule, and the learning rates that it had set in the optimizer."""
    unchanged = [None] * len(state.schedule.lr_lambdas)  # functions are built from the settings, and not saved
    state.schedule.load_state_dict({**values, "lr_lambdas": unchanged})
    for group, rate in zip(state.optimizer.param_groups, state.schedule.get_last_lr(), strict=True):
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
