"""What all sections of the settings share: strict types, frozen values, errors in words a user can act on."""

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

_WORDING = {
    "Input should be": "expected",
    "greater than or equal to": "at least",
    "less than or equal to": "at most",
    "a valid string": "text",
    "a valid list": "a list",
    "a valid boolean": "true or false",
    "a valid number": "a number",
    "a valid integer": "a whole number",
}


_KIND = re.compile(r"constrained-|literal\[|(int|float|str|bool)$")  # how pydantic calls one of a setting's kinds


class Section(BaseModel):
    """A group of settings. Unknown keys and wrong types are refused; values do not change once set."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        use_attribute_docstrings=True,
        validate_default=True,
        protected_namespaces=(),
    )


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """Return the choice most like a mistyped word, or None where none is near."""
    close = difflib.get_close_matches(word, list(choices), n=1, cutoff=0.6)
    return close[0] if close else None


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return the end of a sentence about an unknown word: ``did you mean 'x'?``, or the list of choices."""
    choices = sorted(choices)
    guess = nearest(word, choices)
    if guess is not None:
        return f"did you mean '{guess}'?"
    return "expected one of: " + ", ".join(choices)


def explain(
    error: ValidationError, where: str, known: Mapping[str, Iterable[str]], aliases: Mapping[str, str]
) -> list[str]:
    """Turn pydantic's report into one sentence per mistake.

    Args:
        error: What pydantic found.
        where: The file (or other origin) that the settings came from.
        known: The names of the settings by section ("" for the top level), for suggestions.
        aliases: Other names of settings, and the full names that are meant by them, for suggestions.
    """
    return [f"{where}: {_sentence(found, known, aliases)}" for found in _merged(error)]


def _merged(error: ValidationError) -> list[dict[str, Any]]:
    """Return pydantic's findings, those on one setting that may be of several kinds made one."""
    merged: dict[tuple[Any, ...], dict[str, Any]] = {}
    for number, each in enumerate(error.errors()):
        found: dict[str, Any] = dict(each)
        place = tuple(found["loc"])
        if not _KIND.match(str(place[-1] if place else "")):
            merged[(number,)] = found
        elif place[:-1] in merged:
            merged[place[:-1]]["msg"] += " or " + found["msg"].removeprefix("Input should be ")
        else:
            merged[place[:-1]] = {**found, "loc": place[:-1]}
    return list(merged.values())


def _sentence(found: dict[str, Any], known: Mapping[str, Iterable[str]], aliases: Mapping[str, str]) -> str:
    """Word one finding of pydantic: which setting, what was found, what would be right."""
    path = [str(part) for part in found["loc"]]
    name = ".".join(path)
    if found["type"] == "extra_forbidden":
        return f"unknown setting '{name}'; {_suggestion(path, known, aliases)}"
    if found["type"] == "value_error":  # raised by our own validators: already a sentence
        message = str(found["ctx"]["error"])
        if not name:
            return message
        # A section's own check names the setting within it; a setting's check begins with what it found.
        return f"{name}: {message}" if message.startswith("found ") else f"{name}.{message}"
    expected = re.sub(r"a valid dictionary or instance of \w+", "an object of settings", found["msg"])
    for theirs, ours in _WORDING.items():
        expected = expected.replace(theirs, ours)
    return f"{name}: found {short(found['input'])}; {expected}"


def _suggestion(path: list[str], known: Mapping[str, Iterable[str]], aliases: Mapping[str, str]) -> str:
    """Name the nearest right setting: the one so called elsewhere, else of the same section, else of any other."""
    section, word = ".".join(path[:-1]), path[-1]
    if word in aliases:
        return f"did you mean '{aliases[word]}'?"
    own = list(known.get(section, ()))
    guess = nearest(word, own)
    if guess is not None:
        return f"did you mean '{'.'.join([*path[:-1], guess])}'?"
    elsewhere = {key: f"{other}.{key}" if other else key for other, keys in known.items() for key in keys}
    guess = nearest(word, elsewhere)
    if guess is not None:
        return f"did you mean '{elsewhere[guess]}'?"
    return "expected one of: " + ", ".join(sorted(own))


def short(value: Any, limit: int = 60) -> str:
    """Return a value as a user would recognise it, cut to a readable length."""
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."
