"""Parts of the OpenAPI document that FastAPI does not derive from the routes."""

from typing import Any

from fastapi import FastAPI

from zhenwei.serving.schemas.responses import ErrorResponse
from zhenwei.serving.settings import ServingSettings

BODY_ERRORS = (400, 401, 403, 408, 413, 415, 422, 503)


def error_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the errors of an endpoint, for FastAPI's `responses`."""
    return {status: {"model": ErrorResponse} for status in sorted(statuses)}


def openapi_with_limits(app: FastAPI, settings: ServingSettings) -> dict[str, Any]:
    """Return the OpenAPI document, with this service's limits of texts in the schemas of requests."""
    if app.openapi_schema is None:
        schemas = FastAPI.openapi(app)["components"]["schemas"]
        for name in [name for name in schemas if name.endswith("Request")]:
            fields = schemas[name]["properties"]
            fields["text"]["maxLength"] = settings.max_characters
            if "texts" in fields:
                fields["texts"]["maxItems"] = settings.max_texts
                fields["texts"]["items"]["maxLength"] = settings.max_characters
    return FastAPI.openapi(app)
