"""The one list of detectors."""

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
    """What a network must know of the tokens it will read.

    Attributes:
        size: Entries of the tokenizer's vocabulary.
        pad_id: Id of the padding token.
        max_len: Longest text in tokens.
        encoder: From a bundle: the configuration of the pretrained encoder, to be built empty; None: load it.
        domains: The domains that articles may have, in the order of their numbers; empty where nobody asks.
        emotion_size: Length of an article's emotion vector; 0 where nobody asks.
    """

    size: int
    pad_id: int
    max_len: int
    encoder: dict[str, Any] | None = None
    domains: tuple[str, ...] = ()
    emotion_size: int = 0


NetworkFactory = Callable[[Any, Vocabulary], DetectorNetwork]

# One line per detector: its name, and where its network is; imported when it is first built.
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
    """Make a detector known: its settings, and the network that they build.

    A file that ends with this line is a detector as soon as it is imported. Named in a package's entry points, group
    `zhenwei.detectors`, it is imported wherever a configuration or a bundle asks for it.

    Raises:
        ConfigError: If the settings declare no name, or one that is taken.
    """
    register_model_config(config)
    register_network(config.model_fields["name"].default, network)


def register_network(name: str, factory: NetworkFactory) -> None:
    """Make a network known under its detector's name; its settings go to `config.register_model_config`.

    Raises:
        ConfigError: If the name is taken.
    """
    if _NETWORKS.setdefault(name, factory) is not factory:
        raise ConfigError(f"a network named '{name}' is registered already")


def network_needs(config: ModelConfig, *, training: bool = False) -> frozenset[str]:
    """Return the optional fields that the detector's network needs of each article; see `DetectorNetwork.needs`.

    Args:
        config: The detector's settings.
        training: Whether to train it: debiasing reads the entities then.

    Raises:
        ConfigError: If no network of this name is registered.
    """
    needs: frozenset[str] = getattr(_factory(config.name), "needs", frozenset())
    return needs | {"entities"} if training and _debiased(config) else needs


def network_is_fitted(config: ModelConfig) -> bool:
    """Tell whether the detector's network is a `FittedNetwork`, also where an exported graph stands in its place.

    Raises:
        ConfigError: If no network of this name is registered.
    """
    factory = _factory(config.name)
    return isinstance(factory, type) and issubclass(factory, FittedNetwork)


def build_network(config: ModelConfig, vocabulary: Vocabulary, *, training: bool = True) -> DetectorNetwork:
    """Build the network that the settings name, its weights random where they are not pretrained.

    Args:
        config: The detector's settings.
        vocabulary: What it will read.
        training: Whether to train it; False: without what a bundle does not keep.

    Raises:
        ConfigError: If no network of this name is registered, or it cannot be debiased.
        PretrainedModelError: If the pretrained model it starts from cannot be had, or does not fit.
    """
    network = _factory(config.name)(config, vocabulary)
    return ENDEF(network, cast("NetworkConfig", config)) if training and _debiased(config) else network


def _debiased(config: ModelConfig) -> bool:
    return isinstance(config, NetworkConfig) and config.debias is not None


def _factory(name: str) -> NetworkFactory:
    """Return what builds a detector's network, importing it on first use."""
    found = _NETWORKS.get(name)
    if found is None:
        raise ConfigError(f"model.name: found '{name}'; expected one of: {', '.join(sorted(_NETWORKS))}")
    if isinstance(found, str):
        module, _, attribute = found.partition(":")
        found = _NETWORKS[name] = getattr(import_module(module), attribute)
    return found
