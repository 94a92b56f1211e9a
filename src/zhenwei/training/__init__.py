"""Training: the Trainer, the loop, optimisation, early stopping, checkpoints, bundles, run logs.

The names below are imported when they are first used: who only loads a bundle pays for no accelerate, no
scikit-learn and no tracker.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_HOMES = {
    "Bundle": "bundle",
    "Trainer": "trainer",
    "binary_metrics": "metrics",
    "expected_calibration_error": "metrics",
    "find_bundle": "bundle",
    "load_bundle": "bundle",
    "save_bundle": "bundle",
}


def __getattr__(name: str) -> Any:
    """Import a name of this room on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'zhenwei.training' has no attribute {name!r}")
    return getattr(import_module(f"zhenwei.training.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
