"""Reading a request's body: its type, its size, and how long it takes; then the texts in it."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from starlette.requests import ClientDisconnect, Request

from zhenwei.news.fields import is_blank
from zhenwei.serving.http.errors import Refusal, too_busy
from zhenwei.serving.http.parsing import AnyBody, parse_body
from zhenwei.serving.schemas.requests import CONTROLS
from zhenwei.serving.settings import ServingSettings

MOST_LET_PASS = (
    32 * 2**20
)  # bytes beyond the limit that are taken, and dropped: most clients read no answer before all is sent


class BodyReader:
    """Reads bodies, of which only so many bytes are held at once.

    Args:
        settings: The limits.
    """

    def __init__(self, settings: ServingSettings) -> None:
        self.settings = settings
        self.held = 0  # bytes of all bodies that are being received

    async def read(self, request: Request, kind: type[AnyBody]) -> AnyBody:
        """Read a request's body.

        Raises:
            Refusal: 400 broken JSON, 408 too slow, 413 too large, 415 not JSON, 422 a field that cannot be used, 499
                the client has gone, 503 too many bodies at once.
        """
        _check_type(request)
        body = _Arriving(_declared(request))
        try:
            async with asyncio.timeout(self.settings.timeout):
                await self._receive(request, body)
            return parse_body(b"".join(body.held), kind)
        except TimeoutError:
            if body.size > self.settings.max_body:  # no time would be enough
                raise self._too_large(body.size) from None
            raise Refusal(
                408,
                f"the body did not arrive within {self.settings.timeout:g} seconds",
                headers={"connection": "close"},
            ) from None
        except ClientDisconnect:
            raise Refusal(499, "the client has gone") from None
        finally:
            self._let_go(body)

    async def _receive(self, request: Request, body: "_Arriving") -> None:
        most, declared = self.settings.max_body, body.declared
        # Who asks first (Expect: 100-continue) reads the refusal at once; others must have sent all, or nearly so.
        if declared > most + MOST_LET_PASS or (declared > most and "expect" in request.headers):
            raise self._too_large(declared)
        async for chunk in request.stream():
            body.arrived += len(chunk)
            if body.arrived > most + MOST_LET_PASS:
                raise self._too_large(body.size)
            if body.size > most:
                self._let_go(body)
                continue
            body.held.append(chunk)
            self.held += len(chunk)
            if self.held > self.settings.max_bodies:
                raise too_busy("busy: too much is being received at once; try again later", 1)
        if body.arrived > most:
            raise self._too_large(body.arrived)

    def _let_go(self, body: "_Arriving") -> None:
        """Hold what has arrived of a body no longer."""
        self.held -= sum(map(len, body.held))
        body.held.clear()

    def _too_large(self, found: int) -> Refusal:
        # What was not read would be taken for the next request: the connection ends with the answer.
        message = f"body: found {found} bytes; at most {self.settings.max_body} are taken: send fewer texts per request"
        return Refusal(413, message, "body", {"connection": "close"})

    def check_texts(self, texts: Iterable[str], names: Iterable[str]) -> None:
        """Check texts beyond what their type says.

        Raises:
            Refusal: 422: one is blank, too long, or holds control characters.
        """
        for text, name in zip(texts, names, strict=False):
            if len(text) > self.settings.max_characters:
                raise Refusal(
                    422, f"{name}: found {len(text)} characters; expected at most {self.settings.max_characters}", name
                )
            control = CONTROLS.search(text)
            if control is not None:
                raise Refusal(
                    422,
                    f"{name}: found the control character U+{ord(control.group()):04X} at character "
                    f"{control.start() + 1}; expected plain text",
                    name,
                )
            if is_blank(text):
                raise Refusal(422, f"{name}: found a blank text; expected one that says something", name)


@dataclass
class _Arriving:
    """A body on its way: the bytes that it is declared to have, that have arrived, and that are held."""

    declared: int
    arrived: int = 0
    held: list[bytes] = field(default_factory=list)

    @property
    def size(self) -> int:
        """The bytes that it has at the least, or says to have."""
        return max(self.arrived, self.declared)


def _declared(request: Request) -> int:
    """Return the bytes that a body is declared to have; 0 where it is not, or comes in chunks, which ends it then."""
    if "transfer-encoding" in request.headers:
        return 0
    declared = request.headers.get("content-length", "")
    return int(declared[:20]) if declared.isdecimal() else 0


def _check_type(request: Request) -> None:
    found = request.headers.get("content-type", "")
    kind, _, parameters = found.partition(";")
    if kind.strip().lower() != "application/json":
        raise Refusal(415, f"content-type: found '{found[:100]}'; expected application/json", "content-type")
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    if charset not in ("", "utf-8", "utf8"):
        raise Refusal(415, f"content-type: found charset {charset[:40]}; expected utf-8", "content-type")
