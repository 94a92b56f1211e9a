"""The registry of networks."""

import pytest
from tests.models.test_bigru import VOCABULARY, build

from zhenwei.config import ModelConfig
from zhenwei.errors import ConfigError
from zhenwei.models import Vocabulary, build_network, register_network
from zhenwei.models.bigru import BiGRU


def test_a_name_can_be_registered_once() -> None:
    with pytest.raises(ConfigError, match="a network named 'bigru' is registered already"):
        register_network("bigru", lambda config, vocabulary: build())


def test_settings_without_a_network_are_an_error() -> None:
    with pytest.raises(ConfigError, match=r"model\.name: found 'lstm'; expected one of: .*bigru"):
        build_network(ModelConfig(name="lstm"), VOCABULARY)


def test_a_network_can_be_registered() -> None:
    def factory(config: ModelConfig, vocabulary: Vocabulary) -> BiGRU:
        return build()

    register_network("test-only", factory)
    assert isinstance(build_network(ModelConfig(name="test-only"), VOCABULARY), BiGRU)
