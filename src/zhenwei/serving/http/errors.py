"""Error responses of the HTTP service: one status and one sentence."""

from collections.abc import Mapping

from fastapi import HTTPException
from starlette.responses import JSONResponse


class ApiError(HTTPException):
    """An error that is sent to the client.

    Attributes:
        status_code: 4xx, 500, 503 or 504.
        detail: One sentence: which field, what was found, what is expected.
        field: The field of the request, as in `texts[3]`; None if the error is not about a field.
        headers: Headers of the response, in lower case.
    """

    def __init__(
        self, status: int, message: str, field: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, message, dict(headers or {}))
        self.field = field


def unavailable(message: str, retry_after: float) -> ApiError:
    """Return a 503 with `Retry-After`, limited to 1 to 60 seconds."""
    return ApiError(503, message, headers={"retry-after": str(min(max(round(retry_after), 1), 60))})


def error_response(error: ApiError, request_id: str) -> JSONResponse:
    """Return the response of an error."""
    printable = error.detail.encode("utf-8", "replace").decode()  # a name of a field may hold half a surrogate pair
    content = {"error": printable, "field": error.field, "request_id": request_id}
    return JSONResponse(content, error.status_code, error.headers)
