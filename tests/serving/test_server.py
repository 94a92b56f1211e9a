"""The port of the service."""

import socket

import pytest

from zhenwei.errors import ConfigError
from zhenwei.serving.server import open_port
from zhenwei.serving.settings import ServingSettings


def test_the_socket_has_its_protocol_so_that_responses_are_not_delayed() -> None:
    with open_port(ServingSettings(port=0)) as listener:
        assert listener.proto == socket.IPPROTO_TCP  # asyncio sets TCP_NODELAY on no other
        assert listener.getsockname()[0] == "127.0.0.1"


def test_a_host_without_an_address() -> None:
    with pytest.raises(ConfigError, match=r"serve: cannot listen on no\.such\.host\.invalid, port 0: "):
        open_port(ServingSettings(host="no.such.host.invalid", port=0))
