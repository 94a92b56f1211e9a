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
from zhenwei.config.presets import PRESETS, preset_path
from zhenwei.config.template import config_template, settings_guide
from zhenwei.config.threshold_objective import ThresholdObjective, check_threshold_objective, parse_threshold_objective
from zhenwei.config.training import CalibrationMethod, CalibrationSource, TrainingConfig, check_device

__all__ = [
    "PRESETS",
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
    "ThresholdObjective",
    "TokenUnit",
    "TrainingConfig",
    "check_device",
    "check_threshold_objective",
    "config_template",
    "detector_names",
    "parse_threshold_objective",
    "preset_path",
    "register_model_config",
    "settings_guide",
]
