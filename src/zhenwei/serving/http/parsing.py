"""JSON to a typed body; what is wrong with it is told in one sentence, which never repeats a text."""

import json
from collections.abc import Iterable
from typing import Any, TypeVar

from pydantic import ValidationError

from zhenwei.config.section import did_you_mean
from zhenwei.serving.http.errors import Refusal
from zhenwei.serving.schemas.requests import Body

AnyBody = TypeVar("AnyBody", bound=Body)

# What would have been right, by pydantic's name of what is wrong.
_EXPECTED = {
    "string_type": "a text",
    "string_too_short": "at least {min_length}",
    "string_too_long": "at most {max_length}",
    "string_pattern_mismatch": "plain text without control characters",
    "list_type": "a list",
    "too_short": "at least {min_length}",
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "literal_error": "{expected}",
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
    "model_type": "an object",
}


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
    field = _name(found["loc"]) or "body"
    if found["type"] == "extra_forbidden":
        return Refusal(422, f"{field}: unknown field; {did_you_mean(field, kind.model_fields)}", field)
    if found["type"] == "missing":
        return Refusal(422, f"{field}: missing", field)
    if found["type"] == "value_error":  # raised by our own validators: already a sentence
        message = str(found["ctx"]["error"])
        named = message.partition(":")[0]
        return Refusal(422, message, named if named in kind.model_fields else None)
    expected = "the 64 hex digits of a version"
    if field != "bundle_version" or found["type"] != "string_pattern_mismatch":
        expected = _EXPECTED[found["type"]].format(**found.get("ctx", {}))
    return Refusal(422, f"{field}: found {_kind(found['input'])}; expected {expected}", field)


def _name(place: Iterable[int | str]) -> str:
    """Name a field as JSON would be walked: `texts[3]`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part[:60]}" for part in place).lstrip(".")


def _kind(value: object) -> str:
    """Say what a value is, without telling a text."""
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
