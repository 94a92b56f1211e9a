"""The port that the service takes."""

import socket

import pytest

from zhenwei.errors import ConfigError
from zhenwei.serving.server import open_port
from zhenwei.serving.settings import ServingSettings


def test_the_port_is_known_to_be_tcp_so_that_answers_are_not_held_back() -> None:
    with open_port(ServingSettings(port=0)) as listener:
        assert listener.proto == socket.IPPROTO_TCP  # asyncio sets TCP_NODELAY on no other
        assert listener.getsockname()[0] == "127.0.0.1"


def test_a_host_that_has_no_address() -> None:
    with pytest.raises(ConfigError, match=r"serve: cannot listen on no\.such\.host\.invalid, port 0: "):
        open_port(ServingSettings(host="no.such.host.invalid", port=0))
