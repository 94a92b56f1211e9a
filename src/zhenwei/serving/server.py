"""The process of the service: its port, its signals, and its end."""

import asyncio
import logging
import signal
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn

from zhenwei.errors import ConfigError
from zhenwei.serving.app import build_app
from zhenwei.serving.service import Service
from zhenwei.serving.settings import ServingSettings

logger = logging.getLogger(__name__)


def open_port(settings: ServingSettings) -> socket.socket:
    """Bind the port, so that an address in use is reported before a detector is loaded.

    Raises:
        ConfigError: If there is no such address, or the port is in use or not allowed.
    """
    host, port = settings.host, settings.port
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = addresses[0]
        # With its protocol: only then does asyncio turn off Nagle's algorithm, which delays responses by 40 ms.
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
    """Serve until SIGTERM or Ctrl-C, then drain; a second signal ends the service at once.

    Args:
        service: The service; it is started and closed here.
        listener: The port.
        announce: Called once requests are accepted.
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
        ws="none",
    )
    service.start()
    try:
        _Server(config, service, announce).run(sockets=[listener])
    finally:
        service.close()


class _Server(uvicorn.Server):
    """uvicorn's server, which keeps serving for `drain_seconds` after a signal.

    During that time /readyz answers 503, and responses close their connections, so that load balancers and clients go
    elsewhere. Then uvicorn closes the port and finishes the requests that it has accepted.
    """

    def __init__(self, config: uvicorn.Config, service: Service, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self.service, self.announce = service, announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to accept requests, and announce it."""
        await super().startup(sockets)
        self.announce()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Start to drain; unlike uvicorn's own, the signal is not raised again at the end: the exit status is 0."""
        if self.should_exit:
            self.force_exit = True
        self.service.draining = self.should_exit = True
        logger.info("%s: draining", signal.Signals(sig).name)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve for `drain_seconds` more, then shut down."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.service.settings.drain_seconds
        while loop.time() < deadline and not self.force_exit:
            await asyncio.sleep(0.05)
        await super().shutdown(sockets)
        logger.info("drained")
