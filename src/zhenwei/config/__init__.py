"""Typed settings: JSON files, overrides, and the flat form of the original code."""

from zhenwei.config.config import Config
from zhenwei.config.data import DataConfig
from zhenwei.config.detectors import (
    BertConfig,
    BertEmoConfig,
    BiGRUConfig,
    EANNConfig,
    MDFENDConfig,
    TextCNNConfig,
    TfidfConfig,
)
from zhenwei.config.goal import ThresholdGoal, check_goal, parse_goal
from zhenwei.config.model import (
    ConvolutionConfig,
    DomainConfig,
    DomainKind,
    EmbeddingConfig,
    EncoderConfig,
    ModelConfig,
    NetworkConfig,
    NgramConfig,
    TokenUnit,
    detector_names,
    register_model_config,
)
from zhenwei.config.output import OutputConfig
from zhenwei.config.starting_file import settings_guide, starting_config
from zhenwei.config.training import CalibrationMethod, CalibrationSource, TrainingConfig, check_device

__all__ = [
    "BertConfig",
    "BertEmoConfig",
    "BiGRUConfig",
    "CalibrationMethod",
    "CalibrationSource",
    "Config",
    "ConvolutionConfig",
    "DataConfig",
    "DomainConfig",
    "DomainKind",
    "EANNConfig",
    "EmbeddingConfig",
    "EncoderConfig",
    "MDFENDConfig",
    "ModelConfig",
    "NetworkConfig",
    "NgramConfig",
    "OutputConfig",
    "TextCNNConfig",
    "TfidfConfig",
    "ThresholdGoal",
    "TokenUnit",
    "TrainingConfig",
    "check_device",
    "check_goal",
    "detector_names",
    "parse_goal",
    "register_model_config",
    "settings_guide",
    "starting_config",
]
