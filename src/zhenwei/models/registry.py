"""The registry of detectors."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

from zhenwei.config import ModelConfig, NetworkConfig, register_model_config
from zhenwei.errors import ConfigError
from zhenwei.models.endef import ENDEF
from zhenwei.models.interface import DetectorNetwork, FittedNetwork


@dataclass(frozen=True)
class Vocabulary:
    """The properties of a tokenizer and of a data set that a network is built for.

    Attributes:
        size: Entries of the tokenizer's vocabulary.
        pad_id: Id of the padding token.
        max_len: Longest text in tokens.
        encoder: Configuration of the pretrained encoder, to be built without weights, from a bundle; None: load it.
        domains: The domains of articles, in the order of their ids; empty if unused.
        emotion_size: Length of an article's emotion vector; 0 if unused.
    """

    size: int
    pad_id: int
    max_len: int
    encoder: dict[str, Any] | None = None
    domains: tuple[str, ...] = ()
    emotion_size: int = 0


NetworkFactory = Callable[[Any, Vocabulary], DetectorNetwork]

# Name and import path of each detector; a network is imported when it is first built.
_NETWORKS: dict[str, str | NetworkFactory] = {
    "bert": "zhenwei.models.bert:Bert",
    "bert_emo": "zhenwei.models.bert_emo:BertEmo",
    "bigru": "zhenwei.models.bigru:BiGRU",
    "eann": "zhenwei.models.eann:EANN",
    "mdfend": "zhenwei.models.mdfend:MDFEND",
    "textcnn": "zhenwei.models.textcnn:TextCNN",
    "tfidf": "zhenwei.models.tfidf:Tfidf",
}


def register_detector(config: type[ModelConfig], network: NetworkFactory) -> None:
    """Register a detector: its settings, and the network that they build.

    A module that ends with this call adds a detector when it is imported. A module that a package names in its entry
    points, group `zhenwei.detectors`, is imported when a configuration or a bundle names the detector.

    Raises:
        ConfigError: If the settings declare no name, or a name that is taken.
    """
    register_model_config(config)
    register_network(config.model_fields["name"].default, network)


def register_network(name: str, factory: NetworkFactory) -> None:
    """Register a network under its detector's name; `config.register_model_config` registers its settings.

    Raises:
        ConfigError: If the name is taken.
    """
    if _NETWORKS.setdefault(name, factory) is not factory:
        raise ConfigError(f"a network named '{name}' is registered already")


def network_needs(config: ModelConfig, *, training: bool = False) -> frozenset[str]:
    """Return the optional fields that the detector's network needs of each article; see `DetectorNetwork.needs`.

    Args:
        config: The detector's settings.
        training: Whether to train it: debiasing reads entities in training.

    Raises:
        ConfigError: If no network of this name is registered.
    """
    needs: frozenset[str] = getattr(_factory(config.name), "needs", frozenset())
    return needs | {"entities"} if training and _debiased(config) else needs


def network_is_fitted(config: ModelConfig) -> bool:
    """Return whether the detector's network is a `FittedNetwork`; works for exported detectors, too.

    Raises:
        ConfigError: If no network of this name is registered.
    """
    factory = _factory(config.name)
    return isinstance(factory, type) and issubclass(factory, FittedNetwork)


def build_network(config: ModelConfig, vocabulary: Vocabulary, *, training: bool = True) -> DetectorNetwork:
    """Build the network of a detector; weights that are not pretrained are random.

    Args:
        config: The detector's settings.
        vocabulary: The tokenizer and data set.
        training: Whether to train it; False: without the parts that a bundle does not save.

    Raises:
        ConfigError: If no network of this name is registered, or it cannot be debiased.
        PretrainedModelError: If its pretrained model cannot be loaded, or does not fit the settings.
    """
    network = _factory(config.name)(config, vocabulary)
    return ENDEF(network, cast("NetworkConfig", config)) if training and _debiased(config) else network


def _debiased(config: ModelConfig) -> bool:
    return isinstance(config, NetworkConfig) and config.debias is not None


def _factory(name: str) -> NetworkFactory:
    """Return the factory of a detector's network, importing it on first use."""
    factory = _NETWORKS.get(name)
    if factory is None:
        raise ConfigError(f"model.name: found '{name}'; expected one of: {', '.join(sorted(_NETWORKS))}")
    if isinstance(factory, str):
        module, _, attribute = factory.partition(":")
        factory = _NETWORKS[name] = getattr(import_module(module), attribute)
    return factory
