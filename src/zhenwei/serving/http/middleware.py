"""What every request passes: its id, who may come in, what is logged and counted, and the headers of its answer."""

import json
import logging
import re
import time
import uuid
from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zhenwei.serving.http.errors import Refusal
from zhenwei.serving.service import Service

logger = logging.getLogger("zhenwei.serving.requests")

REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
ENDPOINTS = frozenset(
    {
        "/v1/about", "/v1/predict", "/v1/explain", "/v1/neighbours", "/v1/feedback", "/v1/drift", "/v1/reload",
        "/healthz", "/readyz", "/metrics", "/openapi.json",
    }
)  # fmt: skip
# The page gets all it needs from this service, and nothing may frame it or run in it that is not its own.
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
SAFETY = [
    (b"content-security-policy", CONTENT_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]


class Gate:
    """ASGI middleware around all endpoints and the page.

    Args:
        app: What lies behind.
        service: The service.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app, self.service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = time.perf_counter()
        headers = dict(scope["headers"])
        request_id = _request_id(headers)
        facts = scope.setdefault("state", {})["facts"] = {"request_id": request_id}
        status, unread = 0, _has_body(headers)

        async def receive_and_see() -> Message:
            nonlocal unread
            message = await receive()
            if not message.get("more_body", False):
                unread = False
            return message

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *SAFETY, (b"x-request-id", request_id.encode())]
                if scope["path"].startswith("/v1/"):
                    message["headers"].append((b"cache-control", b"no-store"))
                # Clients go elsewhere before the port is closed; and what was not read of a body would be taken for
                # the next request.
                closed = any(name == b"connection" for name, _ in message["headers"])
                if not closed and (self.service.draining or unread):
                    message["headers"].append((b"connection", b"close"))
            await send(message)

        try:
            refusal = self._refusal(scope, headers)
            if refusal is not None:
                await send_refusal(refusal, request_id, send_with_headers)
            else:
                await self.app(scope, receive_and_see, send_with_headers)
        except Exception:
            logger.exception("a request failed", extra={"fields": facts})
            if not status:
                await send_refusal(Refusal(500, "an error of the service; see its log"), request_id, send_with_headers)
        finally:
            self._tell(scope, status, time.perf_counter() - begun, facts)

    def _refusal(self, scope: Scope, headers: Mapping[bytes, bytes]) -> Refusal | None:
        """Return why a request may not come in; None: it may."""
        path, keys = scope["path"], self.service.keys
        if keys and (path.startswith("/v1/") or path == "/metrics") and not keys.admit(_key(headers)):
            return Refusal(
                401,
                "this service wants a key that it knows, as `Authorization: Bearer KEY` or `X-API-Key: KEY`",
                headers={"www-authenticate": "Bearer"},
            )
        origin = headers.get(b"origin")
        if origin is not None and scope["method"] == "POST" and not _same_origin(origin, headers.get(b"host", b"")):
            return Refusal(403, "origin: web pages of other sites may not use this service")
        return None

    def _tell(self, scope: Scope, status: int, seconds: float, facts: dict[str, Any]) -> None:
        """Count and log a request; texts only where that was asked for."""
        path = scope["path"]
        self.service.metrics.request(path if path in ENDPOINTS else "page", status, seconds)
        client = scope.get("client")
        fields = {
            **facts,
            "method": scope["method"],
            "path": path[:200],
            "status": status,
            "ms": round(seconds * 1000, 2),
            "client": client[0] if client else None,
        }
        logger.info("request", extra={"fields": fields})


async def send_refusal(refusal: Refusal, request_id: str, send: Send) -> None:
    """Answer with a refusal."""
    body = refusal_body(refusal, request_id)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(name.encode(), value.encode()) for name, value in refusal.headers.items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def refusal_body(refusal: Refusal, request_id: str) -> bytes:
    """Return the JSON of a refusal."""
    told = {"error": refusal.message, "field": refusal.field, "request_id": request_id}
    return json.dumps(told, ensure_ascii=False).encode("utf-8", "replace")


def _has_body(headers: Mapping[bytes, bytes]) -> bool:
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0").strip(b"0 ") != b""


def _request_id(headers: Mapping[bytes, bytes]) -> str:
    """Return the id that the client gave, if it is fit for a log, else a new one."""
    given = headers.get(b"x-request-id", b"")
    return given.decode() if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def _key(headers: Mapping[bytes, bytes]) -> str:
    scheme, _, key = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else headers.get(b"x-api-key", b"").decode("latin-1")


def _same_origin(origin: bytes, host: bytes) -> bool:
    _, _, place = origin.partition(b"://")
    return bool(place) and place.lower() == host.lower()
