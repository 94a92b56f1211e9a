"""What a detector is made of: torch and its weights, or an ONNX graph; a folder says which."""

import logging
from pathlib import Path

import torch

from zhenwei.bundle import Bundle, load_bundle
from zhenwei.config import check_device
from zhenwei.errors import ConfigError
from zhenwei.inference.onnx.runtime import OnnxNetwork, is_exported, load_exported

logger = logging.getLogger(__name__)


def load_detector(path: Path) -> Bundle:
    """Load a detector to judge with, from a run's folder, a bundle or an exported detector.

    Raises:
        CheckpointError: If there is none, or it is damaged or foreign.
        ConfigError: If it is an exported one, and onnxruntime is not installed.
    """
    return load_exported(path) if is_exported(path) else load_bundle(path)


def place(bundle: Bundle, device: str) -> torch.device:
    """Move a detector to a device, and return where it is now; a graph stays on the CPU.

    Args:
        bundle: The detector.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`; one that is not there: a warning, and the CPU.

    Raises:
        ConfigError: If no device is so called.
    """
    if not isinstance(bundle.network, OnnxNetwork):
        return bundle.to(device)
    try:
        asked = check_device(device)
    except ValueError as error:
        raise ConfigError(f"device: {error}") from None
    if asked not in ("auto", "cpu"):
        logger.warning("device is '%s', but an exported detector runs on the CPU", device)
    return torch.device("cpu")
