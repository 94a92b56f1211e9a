"""Exception handlers: every exception of a route becomes an `ApiError`. Messages never repeat a text."""

import json
from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from zhenwei.config.section import did_you_mean
from zhenwei.errors import DataError
from zhenwei.serving.http.errors import ApiError, error_response


def add_exception_handlers(app: FastAPI) -> None:
    """Make an application answer with the errors of this service instead of FastAPI's."""
    for kind in (HTTPException, RequestValidationError, DataError):
        app.add_exception_handler(kind, _handle)


async def _handle(request: Request, error: Exception) -> Response:
    return error_response(_api_error(request, error), request.state.log_fields["request_id"])


def _api_error(request: Request, error: Exception) -> ApiError:
    if isinstance(error, ApiError):
        return error
    if isinstance(error, RequestValidationError):
        return _validation_error(request, error)
    if not isinstance(error, HTTPException):  # DataError: the detector cannot process a text
        return ApiError(422, str(error))
    path = request.url.path[:100]
    messages = {
        400: "body: not valid JSON",
        404: f"not found: {path}; /openapi.json lists all endpoints",
        405: f"{path} does not support {request.method[:20]}; /openapi.json lists what it supports",
    }
    message = messages.get(error.status_code, error.detail)
    return ApiError(error.status_code, message, "body" if error.status_code == 400 else None, error.headers)


def _validation_error(request: Request, error: RequestValidationError) -> ApiError:
    """Describe the first problem that pydantic found: which field, what was found, what is expected."""
    problem = error.errors()[0]
    kind, (source, *path) = problem["type"], problem["loc"]
    field = _field_name(path)
    if kind == "json_invalid":
        return ApiError(400, f"body: not valid JSON: {problem['ctx']['error']} at character {path[0]}", "body")
    if kind == "value_error":  # raised by our own validators: already a sentence
        message = str(problem["ctx"]["error"])
        return ApiError(422, f"{field}: {message}", field) if field else ApiError(422, message)
    field = field or "body"
    if kind == "missing":
        return ApiError(422, f"{field}: missing", field)
    if kind == "extra_forbidden":
        known = request.scope["route"].body_field.field_info.annotation.model_fields
        return ApiError(422, f"{field}: unknown field; {did_you_mean(field, known)}", field)
    if kind == "string_unicode":
        return ApiError(422, f"{field}: found half of a surrogate pair; expected text that UTF-8 can encode", field)
    found = repr(problem["input"])[:60] if source == "query" else _describe(problem["input"])
    expected = "expected an object" if kind == "model_attributes_type" else problem["msg"]
    return ApiError(422, f"{field}: found {found}; {expected.replace('Input should be', 'expected')}", field)


def _field_name(path: Iterable[int | str]) -> str:
    """Write the path of a field as in `texts[3]`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part[:60]}" for part in path).lstrip(".")


def _describe(value: Any) -> str:
    """Describe a value without the content of texts."""
    if isinstance(value, str):
        return f"a text of {len(value)} characters"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return "an object" if isinstance(value, dict) else json.dumps(value)[:40]
