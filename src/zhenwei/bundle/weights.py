"""Weights and settings in files: safetensors and JSON, whole or not at all."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes

from zhenwei.atomic import write_atomic
from zhenwei.errors import CheckpointError


def load_weights(network: torch.nn.Module, path: Path, *further: Path) -> None:
    """Fill a network with saved weights, of one file or of several together.

    Raises:
        CheckpointError: If the file is damaged, or its weights are not those of this network.
    """
    try:
        weights = load_file(path)
        for other in further:
            weights |= load_file(other)
        network.load_state_dict(weights)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: damaged: {error}") from None
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise CheckpointError(f"{path}: these weights are not of this network: {reason}") from None


def save_weights(tensors: dict[str, torch.Tensor], path: Path) -> None:
    """Write tensors as safetensors.

    The library's own `save_file` hides the file from everybody but its owner, and the system's errors in its own.

    Raises:
        OSError: If the file cannot be written.
    """
    path.write_bytes(to_bytes(tensors))


def write_json(value: Any, path: Path) -> None:
    """Write readable JSON, whole or not at all: beside, then renamed into place.

    Raises:
        OSError: If it cannot be written; an older file is left as it was.
    """
    write_atomic(json.dumps(value, indent=2, ensure_ascii=False) + "\n", path)
