"""Reading and writing weights (safetensors) and metadata (JSON)."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes

from zhenwei.atomic import write_atomic
from zhenwei.errors import CheckpointError


def load_weights(network: torch.nn.Module, path: Path, *more: Path) -> None:
    """Load saved weights into a network, from one file or several.

    Raises:
        CheckpointError: If a file is damaged, or the weights are those of another network.
    """
    try:
        weights = load_file(path)
        for each in more:
            weights |= load_file(each)
        network.load_state_dict(weights)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: damaged: {error}") from None
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise CheckpointError(f"{path}: these weights are not of this network: {reason}") from None


def save_weights(tensors: dict[str, torch.Tensor], path: Path) -> None:
    """Write tensors, on any device, as safetensors.

    The `save_file` of the library makes the file readable for its owner only, and hides system errors.

    Raises:
        OSError: If the file cannot be written.
    """
    path.write_bytes(to_bytes({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}))


def write_json(value: Any, path: Path) -> None:
    """Write indented JSON atomically.

    Raises:
        OSError: If it cannot be written; an older file is left as it was.
    """
    write_atomic(json.dumps(value, indent=2, ensure_ascii=False) + "\n", path)
