"""What each field of an article may be written as, and the one form it is kept in.

Every function here takes a raw value as a file holds it, and returns the kept form or raises with a message of
the form "found X; expected Y". Nothing is coerced in silence: what could mean two things is refused.
"""

import json
import re
import sys
import unicodedata
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal

from pydantic_core import PydanticCustomError

Label = Literal["real", "fake"]

_SHOWN = 40
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


def format_value(value: object) -> str:
    """A value as an error message quotes it: its repr, cut to about 40 characters; `null` for None."""
    if value is None:
        return "null"
    if isinstance(value, str):  # cut before repr: the value may be a whole book
        return repr(value) if len(value) <= _SHOWN else repr(value[:_SHOWN])[:-1] + "...'"
    text = repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def refusal(value: object, expected: str) -> PydanticCustomError:
    """The error of a field: `found X; expected Y`."""
    return PydanticCustomError(
        "article_field", "{message}", {"message": f"found {format_value(value)}; expected {expected}"}
    )


def parse_content(value: object) -> str:
    """The text of an article: a string with at least one visible character, that UTF-8 can hold."""
    if not isinstance(value, str):
        raise refusal(value, "a text")
    if is_blank(value):
        raise refusal(value, "a text that is not blank")
    return _encodable(value)


def is_blank(text: str) -> bool:
    """Whether nothing of the text can be seen: only white space, zero-width and control characters."""
    # Z*: spaces; Cc: controls; Cf: formats, among them every zero-width character and the byte-order mark.
    return all(unicodedata.category(c) in {"Zs", "Zl", "Zp", "Cc", "Cf"} for c in text)


def parse_name(value: object) -> str | None:
    """An id or a domain: a string, or a whole number kept as its digits; an empty string means none."""
    if value is None or value == "":
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise refusal(value, "a string or a whole number")
    return _encodable(value)


def parse_label(value: object) -> Label | None:
    """The verdict: 'real'/'fake' in any case, or 0/1 as int, float or digits."""
    if value is None:
        return None
    label: Label | None = None
    if isinstance(value, str):
        label = _LABELS.get(value.strip().lower())
    elif isinstance(value, int | float) and not isinstance(value, bool) and value in (0, 1):
        label = "fake" if value == 1 else "real"
    if label is None:
        raise refusal(value, "'real', 'fake', 0 or 1")
    return label


def parse_time(value: object) -> datetime | None:
    """When the article was published, as a naive datetime: UTC where a zone is known, else as written.

    Unix seconds are UTC by definition. A bare year, digits that spell a date (20210203) and milliseconds would
    all pass for Unix seconds of another day, so they are refused.
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
            raise refusal(value, _TIME_EXPECTED)
        try:
            return _naive_utc(value, datetime.fromisoformat(text))
        except ValueError:
            raise refusal(value, f"a date that exists, as {_TIME_EXPECTED}") from None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _from_unix_seconds(value, value)
    raise refusal(value, _TIME_EXPECTED)


def parse_entities(value: object) -> tuple[str, ...] | None:
    """Named entities: `[{"entity": "..."}]` as ENDEF writes them, plain strings, or JSON text of either."""
    if value is None:
        return None
    expected = """a list of {"entity": "..."} or of strings"""
    entities = []
    for item in _items(value, expected):
        entity = item.get("entity") if isinstance(item, dict) else item
        if not isinstance(entity, str):
            raise refusal(item, expected)
        entities.append(_encodable(entity))
    return tuple(entities)


def parse_emotion(value: object) -> tuple[float, ...] | None:
    """The emotion features: a list of finite numbers, or JSON text of one."""
    if value is None:
        return None
    expected = "a list of finite numbers"
    numbers = tuple(_items(value, expected))
    for number in numbers:
        # `type` first: it spares the usual case, a float, the slower test.
        if type(number) is not float and (isinstance(number, bool) or not isinstance(number, int | float)):
            raise refusal(number, expected)
        if not abs(number) <= sys.float_info.max:  # false for NaN too
            raise refusal(number, expected)
    if not numbers:
        raise refusal(value, expected)
    return tuple(map(float, numbers))


def _items(value: object, expected: str) -> Iterable[Any]:
    """The members of a list, or of the list that a text holds as JSON (a cell of a CSV file)."""
    if isinstance(value, str):
        try:
            members = json.loads(value)
        except (ValueError, RecursionError):
            raise refusal(value, expected) from None
    else:
        members = value
    if not isinstance(members, list | tuple):
        raise refusal(value, expected)
    return members


def _encodable(text: str) -> str:
    """The text itself; half a surrogate pair is refused, for UTF-8 cannot hold it and so no file could."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise refusal(text, "text without lone surrogates (it was cut within a character)") from None
    return text


def _naive_utc(raw: object, moment: datetime) -> datetime:
    if moment.tzinfo is None:
        return moment
    try:
        return moment.astimezone(UTC).replace(tzinfo=None)
    except OverflowError:  # the year 1 or 9999, moved out of the calendar by its zone
        raise refusal(raw, _TIME_EXPECTED) from None


def _from_unix_seconds(raw: object, seconds: float) -> datetime:
    if not abs(seconds) < _FIRST_MILLISECONDS:  # true for NaN and infinity too
        raise refusal(raw, "Unix time in seconds (milliseconds: divide by 1000)")
    if seconds == int(seconds) and seconds > 0:
        digits = str(int(seconds))
        if len(digits) == 4:
            raise refusal(raw, f"{_TIME_EXPECTED}; a year alone is ambiguous")
        if len(digits) == 8 and _spells_a_date(digits):
            raise refusal(raw, f"{_TIME_EXPECTED}; a date needs its hyphens")
    try:
        return _EPOCH + timedelta(seconds=seconds)
    except OverflowError:  # before the year 1
        raise refusal(raw, _TIME_EXPECTED) from None


def _spells_a_date(digits: str) -> bool:
    if not "1900" <= digits[:4] <= "2100":
        return False
    try:
        date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return False
    return True
