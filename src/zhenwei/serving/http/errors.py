"""What a request is answered with where it cannot be served: one status, one sentence."""

from collections.abc import Mapping


class Refusal(Exception):  # noqa: N818  # an answer; nothing went wrong here
    """A request that is not served.

    Attributes:
        status: The status of the answer, 4xx or 503/504.
        message: One sentence: which field, what was found, what would be right.
        field: The field of the body, as in `texts[3]`; None where it is not about a field.
        headers: Headers of the answer, in lower case.
    """

    def __init__(
        self, status: int, message: str, field: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.field, self.headers = status, message, field, dict(headers or {})


def too_busy(message: str, seconds: float) -> Refusal:
    """Return a refusal of status 503, which says when to come back: in 1 to 60 seconds."""
    return Refusal(503, message, headers={"retry-after": str(min(max(round(seconds), 1), 60))})
