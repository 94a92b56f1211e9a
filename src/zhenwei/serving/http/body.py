"""Middleware that reads request bodies within limits of size, memory and time."""

import asyncio

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zhenwei.serving.http.errors import ApiError, error_response, unavailable
from zhenwei.serving.settings import ServingSettings

# Bytes beyond the limit that are read and discarded: most clients read no response before they have sent everything.
MAX_DISCARDED = 32 * 2**20


class BodyLimitMiddleware:
    """ASGI middleware that reads a request's body before the application sees the request.

    An error response closes the connection: what was not read of the body would be parsed as the next request.

    Args:
        app: The application.
        settings: The limits.
    """

    def __init__(self, app: ASGIApp, settings: ServingSettings) -> None:
        self.app, self.settings = app, settings
        self.buffered = 0  # bytes of all bodies that are being received

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body, then call the application; or answer 408, 413, 415, 499 or 503."""
        if scope["type"] != "http" or not has_body(headers := Headers(scope=scope)):
            await self.app(scope, receive, send)
            return
        try:
            if scope["method"] == "POST":
                _check_content_type(headers)
            body = await self.read(headers, receive)
        except ApiError as error:
            error.headers = {**(error.headers or {}), "connection": "close"}
            await error_response(error, scope["state"]["log_fields"]["request_id"])(scope, receive, send)
            return
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive_body() -> Message:
            return messages.pop() if messages else await receive()

        await self.app(scope, receive_body, send)

    async def read(self, headers: Headers, receive: Receive) -> bytes:
        """Read a whole body.

        Raises:
            ApiError: 408 too slow, 413 too large, 499 the client has disconnected, 503 too many bodies at once.
        """
        limit, size, body = self.settings.max_body, _declared_size(headers), bytearray()
        # A client that sends `Expect: 100-continue` waits for the response; others must be allowed to send everything.
        if size > limit + MAX_DISCARDED or (size > limit and "expect" in headers):
            raise self._too_large(size)
        received, more = 0, True
        try:
            async with asyncio.timeout(self.settings.timeout):
                while more and received <= limit + MAX_DISCARDED:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise ApiError(499, "the client has disconnected")
                    chunk, more = message.get("body", b""), message.get("more_body", False)
                    received += len(chunk)
                    size = max(size, received)
                    if size <= limit:
                        body += chunk
                        self.buffered += len(chunk)
                    if self.buffered > self.settings.max_bodies:
                        raise unavailable("busy: too many request bodies at once; try again later", 1)
        except TimeoutError:
            if size <= limit:
                raise ApiError(408, f"the body did not arrive within {self.settings.timeout:g} seconds") from None
        finally:
            self.buffered -= len(body)
        if size > limit:
            raise self._too_large(size)
        return bytes(body)

    def _too_large(self, size: int) -> ApiError:
        limit = self.settings.max_body
        return ApiError(413, f"body: found {size} bytes; expected at most {limit}: send fewer texts at once", "body")


def has_body(headers: Headers) -> bool:
    """Return whether a request has a body."""
    return "transfer-encoding" in headers or headers.get("content-length", "0").strip("0 ") != ""


def _declared_size(headers: Headers) -> int:
    """Return the `Content-Length` in bytes; 0 if there is none, or if the body is chunked."""
    declared = headers.get("content-length", "")
    return int(declared[:20]) if declared.isdecimal() and "transfer-encoding" not in headers else 0


def _check_content_type(headers: Headers) -> None:
    content_type = headers.get("content-type", "")
    media_type, _, parameters = content_type.partition(";")
    if media_type.strip().lower() != "application/json":
        raise ApiError(415, f"content-type: found '{content_type[:100]}'; expected application/json", "content-type")
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    if charset not in ("", "utf-8", "utf8"):
        raise ApiError(415, f"content-type: found charset {charset[:40]}; expected utf-8", "content-type")
