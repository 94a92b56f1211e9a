"""Typed settings: JSON files, overrides, and the flat form of the original code."""

from zhenwei.config.config import Config
from zhenwei.config.data import DataConfig
from zhenwei.config.model import (
    BiGRUConfig,
    EmbeddingConfig,
    ModelConfig,
    detector_names,
    register_model_config,
)
from zhenwei.config.output import OutputConfig
from zhenwei.config.starting_file import settings_guide, starting_config
from zhenwei.config.training import TrainingConfig, check_device

__all__ = [
    "BiGRUConfig",
    "Config",
    "DataConfig",
    "EmbeddingConfig",
    "ModelConfig",
    "OutputConfig",
    "TrainingConfig",
    "check_device",
    "detector_names",
    "register_model_config",
    "settings_guide",
    "starting_config",
]
