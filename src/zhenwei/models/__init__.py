"""The detectors' networks: one per file, their shared layers, and the registry."""

from zhenwei.models.gru.int8 import int8_inference
from zhenwei.models.interface import DetectorNetwork, FittedNetwork, Output, TokenEncoder
from zhenwei.models.registry import (
    Vocabulary,
    build_network,
    network_is_fitted,
    network_needs,
    register_detector,
    register_network,
)

__all__ = [
    "DetectorNetwork",
    "FittedNetwork",
    "Output",
    "TokenEncoder",
    "Vocabulary",
    "build_network",
    "int8_inference",
    "network_is_fitted",
    "network_needs",
    "register_detector",
    "register_network",
]
