"""Training: the Trainer, the loop, optimisation, early stopping, checkpoints, bundles, run logs."""

from zhenwei.training.bundle import Bundle, find_bundle, load_bundle, save_bundle
from zhenwei.training.metrics import binary_metrics, expected_calibration_error
from zhenwei.training.trainer import Trainer

__all__ = [
    "Bundle",
    "Trainer",
    "binary_metrics",
    "expected_calibration_error",
    "find_bundle",
    "load_bundle",
    "save_bundle",
]
