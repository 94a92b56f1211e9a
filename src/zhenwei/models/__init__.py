"""The detectors' networks: one per file, their shared layers, and the registry."""

from zhenwei.models.interface import DetectorNetwork, Output
from zhenwei.models.registry import Vocabulary, build_network, network_needs, register_network

__all__ = ["DetectorNetwork", "Output", "Vocabulary", "build_network", "network_needs", "register_network"]
