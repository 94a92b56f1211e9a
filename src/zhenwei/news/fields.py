"""Parse the fields of an article: every accepted notation, and the one stored form.

Each function takes a raw value as a file holds it and returns the stored form, or raises a `FieldError` with a message
of the form "found X; expected Y". Nothing is coerced silently: an ambiguous value is refused.
"""

import json
import re
import sys
import unicodedata
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal

Label = Literal["real", "fake"]

_QUOTED_LENGTH = 40
_LABELS: dict[str, Label] = {
    "real": "real",
    "fake": "fake",
    "0": "real",
    "1": "fake",
    "0.0": "real",  # pandas writes a column with gaps as floats
    "1.0": "fake",
}
_EPOCH = datetime(1970, 1, 1)
_STARTS_WITH_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?![0-9-])")
_NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?")
_FIRST_MILLISECONDS = 10**11  # as seconds this is the year 5138; as milliseconds, 1973
_TIME_EXPECTED = "'YYYY-MM-DD' with optional time of day, ISO 8601, or Unix seconds"


class FieldError(ValueError):
    """A value cannot be stored in a field: `found X; expected Y`."""

    def __init__(self, value: object, expected: str) -> None:
        super().__init__(value, expected)

    def __str__(self) -> str:
        value, expected = self.args
        return f"found {format_value(value)}; expected {expected}"


def format_value(value: object) -> str:
    """Return a value as an error message quotes it: its repr, cut to about 40 characters; `null` for None."""
    if value is None:
        return "null"
    if isinstance(value, str):  # cut before repr: the value may be a whole book
        return repr(value) if len(value) <= _QUOTED_LENGTH else repr(value[:_QUOTED_LENGTH])[:-1] + "...'"
    text = repr(value)
    return text if len(text) <= _QUOTED_LENGTH else text[:_QUOTED_LENGTH] + "..."


def parse_content(value: object) -> str:
    """Return the text of an article: a string with at least one visible character that UTF-8 can encode."""
    if not isinstance(value, str):
        raise FieldError(value, "a text")
    if not value[:1].isalnum() and is_blank(value):  # the first test decides most texts, and is fast
        raise FieldError(value, "a text that is not blank")
    return _encodable(value)


def is_blank(text: str) -> bool:
    """Tell whether a text has no visible character: only white space, zero-width and control characters."""
    # Z*: spaces; Cc: controls; Cf: formats, among them every zero-width character and the byte-order mark.
    return all(unicodedata.category(c) in {"Zs", "Zl", "Zp", "Cc", "Cf"} for c in text)


def parse_name(value: object) -> str | None:
    """Return an id or a domain: a string, or the digits of a whole number; None for an empty string."""
    if value is None or value == "":
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise FieldError(value, "a string or a whole number")
    return _encodable(value)


def parse_label(value: object) -> Label | None:
    """Return the label of 'real'/'fake' in any case, or of 0/1 as int, float or digits."""
    if value is None:
        return None
    label: Label | None = None
    if isinstance(value, str):
        label = _LABELS.get(value.strip().lower())
    elif isinstance(value, int | float) and not isinstance(value, bool) and value in (0, 1):
        label = "fake" if value == 1 else "real"
    if label is None:
        raise FieldError(value, "'real', 'fake', 0 or 1")
    return label


def parse_time(value: object) -> datetime | None:
    """Return the time of publication as a naive datetime: in UTC if the value has a time zone, else as written.

    Unix seconds are UTC by definition. A bare year, digits that spell a date (20210203) and milliseconds are refused,
    because they would be read as Unix seconds of another day.
    """
    if value is None:
        return None
    if isinstance(value, datetime):  # a pandas Timestamp is one too: rebuild it as a plain datetime
        return _naive_utc(value, datetime.combine(value.date(), value.timetz()))
    if isinstance(value, date):
        return datetime.combine(value, time())
    if isinstance(value, str):
        text = value.strip()
        if _NUMBER.fullmatch(text):
            return _from_unix_seconds(value, float(text) if "." in text else int(text))
        if not _STARTS_WITH_DATE.match(text):
            raise FieldError(value, _TIME_EXPECTED)
        try:
            return _naive_utc(value, datetime.fromisoformat(text))
        except ValueError:
            raise FieldError(value, f"a date that exists, as {_TIME_EXPECTED}") from None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _from_unix_seconds(value, value)
    raise FieldError(value, _TIME_EXPECTED)


def parse_entities(value: object) -> tuple[str, ...] | None:
    """Return named entities from `[{"entity": "..."}]` (ENDEF's form), a list of strings, or JSON text of either."""
    if value is None:
        return None
    expected = """a list of {"entity": "..."} or of strings"""
    entities = []
    for item in _items(value, expected):
        entity = item.get("entity") if isinstance(item, dict) else item
        if not isinstance(entity, str):
            raise FieldError(item, expected)
        entities.append(_encodable(entity))
    return tuple(entities)


def parse_emotion(value: object) -> tuple[float, ...] | None:
    """Return the emotion features: a list of finite numbers, or JSON text of one."""
    if value is None:
        return None
    expected = "a list of finite numbers"
    numbers = tuple(_items(value, expected))
    for number in numbers:
        # `type` first: the usual case, a float, skips the slower test.
        if type(number) is not float and (isinstance(number, bool) or not isinstance(number, int | float)):
            raise FieldError(number, expected)
        if not abs(number) <= sys.float_info.max:  # false for NaN too
            raise FieldError(number, expected)
    if not numbers:
        raise FieldError(value, expected)
    return tuple(map(float, numbers))


def _items(value: object, expected: str) -> Iterable[Any]:
    """Return the members of a list, or of a list written as JSON text (a cell of a CSV file)."""
    if isinstance(value, str):
        try:
            members = json.loads(value)
        except (ValueError, RecursionError):
            raise FieldError(value, expected) from None
    else:
        members = value
    if not isinstance(members, list | tuple):
        raise FieldError(value, expected)
    return members


def _encodable(text: str) -> str:
    """Return the text itself; refuse a lone surrogate."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise FieldError(text, "text without lone surrogates (it was cut within a character)") from None
    return text


def _naive_utc(raw: object, moment: datetime) -> datetime:
    if moment.tzinfo is None:
        return moment
    try:
        return moment.astimezone(UTC).replace(tzinfo=None)
    except OverflowError:  # the time zone moves the year 1 or 9999 out of the calendar
        raise FieldError(raw, _TIME_EXPECTED) from None


def _from_unix_seconds(raw: object, seconds: float) -> datetime:
    if not abs(seconds) < _FIRST_MILLISECONDS:  # true for NaN and infinity too
        raise FieldError(raw, "Unix time in seconds (milliseconds: divide by 1000)")
    if seconds == int(seconds) and seconds > 0:
        digits = str(int(seconds))
        if len(digits) == 4:
            raise FieldError(raw, f"{_TIME_EXPECTED}; a year alone is ambiguous")
        if len(digits) == 8 and _spells_a_date(digits):
            raise FieldError(raw, f"{_TIME_EXPECTED}; a date needs its hyphens")
    try:
        return _EPOCH + timedelta(seconds=seconds)
    except OverflowError:  # before the year 1
        raise FieldError(raw, _TIME_EXPECTED) from None


def _spells_a_date(digits: str) -> bool:
    try:
        return 1900 <= date.fromisoformat(digits).year <= 2100
    except ValueError:
        return False
