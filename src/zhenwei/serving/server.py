"""The process that serves: its port, its signals, and its end without losing a request."""

import asyncio
import contextlib
import ctypes
import logging
import signal
import socket
import struct
import sys
from collections.abc import Callable
from types import FrameType

import uvicorn

from zhenwei.errors import ConfigError
from zhenwei.serving.app import build_app
from zhenwei.serving.service import Service
from zhenwei.serving.settings import ServingSettings

logger = logging.getLogger(__name__)

ACCEPT = 0.05  # seconds to accept those who connected just before nobody was let in any more
LINGER = 1.0  # seconds for all who are connected to send their requests
NEWCOMERS = 5.0  # seconds for those of them who have sent none yet: where the computer is busy, they may be slow
BACKLOG = 2048
SO_ATTACH_FILTER = 26  # Linux, asm-generic/socket.h; the socket module does not name it
DROP_ALL = struct.pack("HBBI", 0x06, 0, 0, 0)  # one BPF instruction: return 0, keep nothing of the packet


def open_port(settings: ServingSettings) -> socket.socket:
    """Take the port, so that one that is taken is known before a detector is loaded.

    Raises:
        ConfigError: If there is no such address, or the port is taken or not allowed.
    """
    host, port = settings.host, settings.port
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        # With its protocol named: only then asyncio turns off Nagle's algorithm, which holds answers back for 40 ms.
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError:
            listener.close()
            raise
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"serve: cannot listen on {host}, port {port}: {reason}; choose another --host or --port"
        ) from None
    return listener


def serve(service: Service, listener: socket.socket, announce: Callable[[], None]) -> None:
    """Serve until SIGTERM or Ctrl-C, then finish what was accepted; a second one ends at once.

    Args:
        service: The service; it is started and closed here.
        listener: The port.
        announce: Is called once requests are accepted.
    """
    settings = service.settings
    config = uvicorn.Config(
        build_app(service),
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=settings.max_connections,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=int(settings.timeout) + 5,
        backlog=BACKLOG,
        ws="none",
    )
    service.start()
    try:
        _Server(config, service, announce).run(sockets=[listener])
    finally:
        service.close()


def refuse_newcomers(listener: socket.socket) -> None:
    """Let nobody connect any more, while those whom the kernel has let in already can still be accepted.

    Closing a port resets the connections that wait to be accepted, and their clients, who may have sent a request by
    then, cannot know whether it was read. With this filter a newcomer's first packet is dropped instead; the client
    sends it again a second later and is told that the port is closed. Elsewhere than on Linux nothing is done.
    """
    if sys.platform != "linux":
        return
    instructions = ctypes.create_string_buffer(DROP_ALL)
    program = struct.pack("HP", 1, ctypes.addressof(instructions))  # struct sock_fprog
    with contextlib.suppress(OSError):  # a sandbox may forbid it: then the port is closed as it is everywhere else
        listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


class _Server(uvicorn.Server):
    """uvicorn's server, with an end in three steps.

    First /readyz says 503 and answers ask clients to close their connections, while all is served still; then nobody is
    let in any more, the port is closed, and those who came before are served; then uvicorn waits for the requests under
    way.
    """

    def __init__(self, config: uvicorn.Config, service: Service, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self.service, self.announce = service, announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept requests, and say so."""
        await super().startup(sockets)
        self.announce()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end; uvicorn would send itself the signal again at the end, and so not end with status 0."""
        if self.should_exit:
            self.force_exit = True
        self.service.draining = self.should_exit = True
        logger.info("%s: draining", signal.Signals(sig).name)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End; see the class."""
        await self._until(lambda: False, self.service.settings.drain_seconds)
        for listener in sockets or []:
            refuse_newcomers(listener)
        await asyncio.sleep(ACCEPT)
        for server in self.servers:
            server.close()
        await self._until(lambda: not self.server_state.connections, LINGER)
        await self._until(lambda: not self._newcomers(), NEWCOMERS - LINGER)
        await super().shutdown(sockets)
        logger.info("drained")

    def _newcomers(self) -> bool:
        """Whether somebody is connected who has not asked anything yet; uvicorn has a `cycle` for each request."""
        return any(getattr(connection, "cycle", None) is None for connection in self.server_state.connections)

    async def _until(self, condition: Callable[[], bool], seconds: float) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while not condition() and not self.force_exit and loop.time() < end:
            await asyncio.sleep(0.02)
