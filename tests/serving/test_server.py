"""The port that the service takes."""

import socket
import sys

import pytest

from zhenwei.errors import ConfigError
from zhenwei.serving.server import open_port, refuse_newcomers
from zhenwei.serving.settings import ServingSettings


def test_the_port_is_known_to_be_tcp_so_that_answers_are_not_held_back() -> None:
    with open_port(ServingSettings(port=0)) as listener:
        assert listener.proto == socket.IPPROTO_TCP  # asyncio sets TCP_NODELAY on no other
        assert listener.getsockname()[0] == "127.0.0.1"


def test_a_host_that_has_no_address() -> None:
    with pytest.raises(ConfigError, match=r"serve: cannot listen on no\.such\.host\.invalid, port 0: "):
        open_port(ServingSettings(host="no.such.host.invalid", port=0))


@pytest.mark.skipif(sys.platform != "linux", reason="other kernels have no such filter")
def test_those_let_in_can_be_accepted_and_newcomers_are_not_let_in() -> None:
    with open_port(ServingSettings(port=0)) as listener, socket.socket() as first, socket.socket() as late:
        listener.listen()
        first.connect(listener.getsockname())
        refuse_newcomers(listener)
        late.settimeout(0.2)
        with pytest.raises(TimeoutError):
            late.connect(listener.getsockname())
        accepted, _ = listener.accept()
        with accepted:
            listener.settimeout(0.2)
            with pytest.raises(TimeoutError):
                listener.accept()
            listener.close()
            first.sendall(b"asked")
            assert accepted.recv(5) == b"asked"
