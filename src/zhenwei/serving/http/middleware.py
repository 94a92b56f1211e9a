"""Middleware around all endpoints: request id, access, log, metrics, and headers of the response."""

import logging
import re
import time
import uuid
from collections.abc import Callable
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zhenwei.serving.http.api_keys import ApiKeys
from zhenwei.serving.http.body import has_body
from zhenwei.serving.http.errors import ApiError, error_response
from zhenwei.serving.metrics import ServiceMetrics

logger = logging.getLogger("zhenwei.serving.requests")

REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
ENDPOINTS = frozenset(
    {
        "/v1/about", "/v1/predict", "/v1/explain", "/v1/neighbours", "/v1/feedback", "/v1/drift", "/v1/reload",
        "/healthz", "/readyz", "/metrics", "/openapi.json", "/docs",
    }
)  # fmt: skip
# The page loads everything from this service; no other site may frame it.
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
# FastAPI's /docs has an inline script, and loads Swagger UI from a CDN.
DOCS_POLICY = CONTENT_POLICY.replace(
    "script-src 'self'; style-src 'self'",
    "script-src 'unsafe-inline' https://cdn.jsdelivr.net; style-src 'unsafe-inline' https://cdn.jsdelivr.net",
)
SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class RequestMiddleware:
    """ASGI middleware around all endpoints and the page.

    Args:
        app: The application.
        keys: The API keys that are accepted.
        metrics: Counts the requests.
        is_draining: Returns whether the service is about to close its port: responses then close their connections.
    """

    def __init__(self, app: ASGIApp, keys: ApiKeys, metrics: ServiceMetrics, is_draining: Callable[[], bool]) -> None:
        self.app, self.keys, self.metrics, self.is_draining = app, keys, metrics, is_draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, log it and count it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start = time.perf_counter()
        path, headers, status = scope["path"], Headers(scope=scope), 0
        request_id = headers.get("x-request-id", "")
        if not REQUEST_ID.fullmatch(request_id):
            request_id = uuid.uuid4().hex
        log_fields = scope.setdefault("state", {})["log_fields"] = {"request_id": request_id}
        policy = DOCS_POLICY if path == "/docs" else CONTENT_POLICY

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                added = MutableHeaders(scope=message)
                added.update({**SECURITY_HEADERS, "content-security-policy": policy, "x-request-id": request_id})
                if path.startswith("/v1/"):
                    added["cache-control"] = "no-store"
                if self.is_draining():
                    added["connection"] = "close"
            await send(message)

        try:
            error = self._access_error(scope["method"], path, headers)
            app = self.app if error is None else error_response(error, request_id)
            await app(scope, receive, send_with_headers)
        except Exception:
            logger.exception("request failed", extra={"fields": log_fields})
            if not status:
                error = ApiError(500, "internal error; the log of the service has the details")
                await error_response(error, request_id)(scope, receive, send_with_headers)
        finally:
            self._record(scope, status, time.perf_counter() - start, log_fields)

    def _access_error(self, method: str, path: str, headers: Headers) -> ApiError | None:
        """Return why a request is not allowed; None if it is."""
        # The unread body would be parsed as the next request.
        close = {"connection": "close"} if has_body(headers) else {}
        needs_key = path.startswith("/v1/") or path == "/metrics"
        if self.keys and needs_key and not self.keys.accepts(_key(headers)):
            message = "this service requires an API key, as `Authorization: Bearer KEY` or `X-API-Key: KEY`"
            return ApiError(401, message, headers={"www-authenticate": "Bearer", **close})
        if method == "POST" and "origin" in headers and not _is_same_origin(headers):
            return ApiError(403, "origin: pages of other sites must not use this service", headers=close)
        return None

    def _record(self, scope: Scope, status: int, seconds: float, log_fields: dict[str, Any]) -> None:
        """Count and log a request, without its texts unless the route added them."""
        path, client = scope["path"], scope.get("client")
        self.metrics.request(path if path in ENDPOINTS else "page", status, seconds)
        fields = {
            **log_fields,
            "method": scope["method"],
            "path": path[:200],
            "status": status,
            "ms": round(seconds * 1000, 2),
            "client": client[0] if client else None,
        }
        logger.info("request", extra={"fields": fields})


def _key(headers: Headers) -> str:
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")


def _is_same_origin(headers: Headers) -> bool:
    host = headers["origin"].partition("://")[2]
    return bool(host) and host.lower() == headers.get("host", "").lower()
