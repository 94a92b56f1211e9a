"""Pieces of the OpenAPI document that FastAPI cannot tell from our endpoints, which read their bodies themselves."""

from typing import Any

from zhenwei.serving.schemas.responses import RefusalAnswer

_REASONS = {
    400: "The body is not JSON.",
    401: "The key is missing or unknown.",
    403: "Not from here.",
    404: "There is no such thing here.",
    408: "The body came too slowly.",
    409: "The new bundle was refused; the old one is still served.",
    413: "The body is too large.",
    415: "The body is not declared as application/json.",
    422: "A field cannot be used.",
    503: "Busy; try again after the seconds that Retry-After names.",
    504: "Not done in time.",
}


def refusals_of(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the refusals that an endpoint may answer with, for FastAPI's `responses`."""
    return {status: {"model": RefusalAnswer, "description": _REASONS[status]} for status in sorted(statuses)}


def body_of(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a request's body, for FastAPI's `openapi_extra`."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
