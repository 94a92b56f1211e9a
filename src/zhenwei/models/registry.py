"""The one list of detectors."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from zhenwei.config import ModelConfig
from zhenwei.errors import ConfigError
from zhenwei.models.interface import DetectorNetwork


@dataclass(frozen=True)
class Vocabulary:
    """What a network must know of the tokens it will read.

    Attributes:
        size: Entries of the tokenizer's vocabulary.
        pad_id: Id of the padding token.
        max_len: Longest text in tokens.
        encoder: From a bundle: the configuration of the pretrained encoder, to be built empty; None: load it.
        domains: The domains that articles may have, in the order of their numbers; empty where nobody asks.
    """

    size: int
    pad_id: int
    max_len: int
    encoder: dict[str, Any] | None = None
    domains: tuple[str, ...] = ()


NetworkFactory = Callable[[Any, Vocabulary], DetectorNetwork]

# One line per detector: its name, and where its network is; imported when it is first built.
_NETWORKS: dict[str, str | NetworkFactory] = {
    "bigru": "zhenwei.models.bigru:BiGRU",
}


def register_network(name: str, factory: NetworkFactory) -> None:
    """Make a network known under its detector's name; its settings go to `config.register_model_config`.

    Raises:
        ConfigError: If the name is taken.
    """
    if _NETWORKS.setdefault(name, factory) is not factory:
        raise ConfigError(f"a network named '{name}' is registered already")


def network_needs(config: ModelConfig) -> frozenset[str]:
    """Return the optional fields that the detector's network needs of each article; see `DetectorNetwork.needs`.

    Raises:
        ConfigError: If no network of this name is registered.
    """
    needs: frozenset[str] = getattr(_factory(config.name), "needs", frozenset())
    return needs


def build_network(config: ModelConfig, vocabulary: Vocabulary) -> DetectorNetwork:
    """Build the network that the settings name, its weights random where they are not pretrained.

    Raises:
        ConfigError: If no network of this name is registered.
        PretrainedModelError: If the pretrained model it starts from cannot be had, or does not fit.
    """
    return _factory(config.name)(config, vocabulary)


def _factory(name: str) -> NetworkFactory:
    """Return what builds a detector's network, importing it on first use."""
    found = _NETWORKS.get(name)
    if found is None:
        raise ConfigError(f"model.name: found '{name}'; expected one of: {', '.join(sorted(_NETWORKS))}")
    if isinstance(found, str):
        module, _, attribute = found.partition(":")
        found = _NETWORKS[name] = getattr(import_module(module), attribute)
    return found
