"""Reading a request's body: its size, type and JSON are checked, then its fields; each refusal is one sentence."""

import asyncio
import json
from collections.abc import Iterable
from typing import Any, TypeVar

from pydantic import ValidationError
from starlette.requests import ClientDisconnect, Request

from zhenwei.config.section import did_you_mean
from zhenwei.news.fields import is_blank
from zhenwei.serving.bodies import CONTROLS, Body
from zhenwei.serving.refusals import Refusal, too_busy
from zhenwei.serving.settings import ServingSettings

AnyBody = TypeVar("AnyBody", bound=Body)

_WORDING = {
    "Input should be a valid string": "expected a text",
    "Input should be a valid list": "expected a list",
    "Input should be a valid integer": "expected a whole number",
    "Input should be a valid number": "expected a number",
    "Input should be a valid boolean": "expected true or false",
    "Input should be": "expected",
}


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
        self._check_length(request.headers.get("content-length"))
        held: list[bytes] = []
        try:
            async with asyncio.timeout(self.settings.timeout):
                await self._receive(request, held)
            return parse_body(b"".join(held), kind)
        except TimeoutError:
            raise Refusal(
                408,
                f"the body did not arrive within {self.settings.timeout:g} seconds",
                headers={"connection": "close"},
            ) from None
        except ClientDisconnect:
            raise Refusal(499, "the client has gone") from None
        finally:
            self.held -= sum(map(len, held))

    async def _receive(self, request: Request, held: list[bytes]) -> None:
        size = 0
        async for chunk in request.stream():
            held.append(chunk)
            size += len(chunk)
            self.held += len(chunk)
            if size > self.settings.max_body:
                raise self._too_large("more")
            if self.held > self.settings.max_bodies:
                raise too_busy("busy: too much is being received at once; try again later", 1)

    def _check_length(self, declared: str | None) -> None:
        if declared is not None and declared.isdecimal() and int(declared[:20]) > self.settings.max_body:
            raise self._too_large(declared)

    def _too_large(self, found: str) -> Refusal:
        # What is not read would be taken for the next request: the connection ends with the answer.
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


def _check_type(request: Request) -> None:
    found = request.headers.get("content-type", "")
    kind, _, parameters = found.partition(";")
    if kind.strip().lower() != "application/json":
        raise Refusal(415, f"content-type: found '{found[:100]}'; expected application/json", "content-type")
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    if charset not in ("", "utf-8", "utf8"):
        raise Refusal(415, f"content-type: found charset {charset[:40]}; expected utf-8", "content-type")


def parse_body(content: bytes, kind: type[AnyBody]) -> AnyBody:
    """Turn bytes into a body.

    Raises:
        Refusal: 400 broken JSON, 422 a field that cannot be used.
    """
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        found = error.errors(include_url=False)[0]
    if found["type"] != "json_invalid":
        raise _bad_field(dict(found), kind)
    field = _surrogate(content)
    if field is not None:
        raise Refusal(422, f"{field}: found half of a surrogate pair; expected text that UTF-8 can hold", field)
    reason = found["msg"].removeprefix("Invalid JSON: ")
    raise Refusal(400, f"body: not JSON: {reason}", "body")


def _bad_field(found: dict[str, Any], kind: type[Body]) -> Refusal:
    """Word one finding of pydantic: which field, what was found, what would be right."""
    field = _name(found["loc"])
    if found["type"] == "extra_forbidden":
        return Refusal(422, f"{field}: unknown field; {did_you_mean(field, kind.model_fields)}", field)
    if found["type"] == "missing":
        return Refusal(422, f"{field}: missing", field)
    if found["type"] == "value_error":
        message = str(found["ctx"]["error"])
        named = message.partition(":")[0]
        return Refusal(422, message, named if named in kind.model_fields else None)
    if found["type"] == "model_type":
        return Refusal(422, f"body: found {_kind(found['input'])}; expected an object", "body")
    if found["type"] == "string_pattern_mismatch" and field != "bundle_version":
        return Refusal(422, f"{field}: found control characters; expected plain text", field)
    if found["type"] in ("too_short", "string_too_short"):
        return Refusal(
            422, f"{field}: found {_kind(found['input'])}; expected at least {found['ctx']['min_length']}", field
        )
    if found["type"] == "string_too_long":
        return Refusal(
            422, f"{field}: found {_kind(found['input'])}; expected at most {found['ctx']['max_length']}", field
        )
    message = found["msg"]
    for theirs, ours in _WORDING.items():
        message = message.replace(theirs, ours)
    return Refusal(422, f"{field}: found {_kind(found['input'])}; {message}", field)


def _name(place: Iterable[int | str]) -> str:
    """Name a field as JSON would be walked: `texts[3]`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part[:60]}" for part in place).lstrip(".")


def _kind(value: object) -> str:
    """Say what a value is, without telling a text's content."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int | float):
        return str(value)[:40]
    if isinstance(value, str):
        return f"a text of {len(value)} characters"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return "an object"


def _surrogate(content: bytes) -> str | None:
    """Return the field that holds half of a surrogate pair; None where that is not what is wrong."""
    try:
        parsed = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return _holder(parsed) if isinstance(parsed, dict) else None


def _holder(fields: dict[str, Any]) -> str | None:
    for name, value in fields.items():
        for number, item in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(item, str) and any("\ud800" <= character <= "\udfff" for character in item):
                return f"{name}[{number}]" if isinstance(value, list) else name
    return None
