"""Base class of all settings: strict types, frozen values, and errors that a user can act on."""

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

Count = Annotated[int, Field(ge=0)]
AtLeastOne = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
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


_UNION_MEMBER = re.compile(r"constrained-|literal\[|(int|float|str|bool)$")  # pydantic's names of a union's members


class Section(BaseModel):
    """A group of settings. Unknown keys and wrong types are refused; values are frozen."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        use_attribute_docstrings=True,
        validate_default=True,
        protected_namespaces=(),
    )


def nearest(word: str, choices: Iterable[str], similarity: float = 0.6) -> str | None:
    """Return the choice most similar to a mistyped word, or None if no choice is similar enough (1: equal)."""
    return next(iter(difflib.get_close_matches(word, list(choices), n=1, cutoff=similarity)), None)


def edit_distance(first: str, second: str) -> int:
    """Return the Levenshtein distance of two words: the fewest inserted, deleted or replaced characters."""
    previous = list(range(len(second) + 1))
    for row, character in enumerate(first, start=1):
        current = [row]
        for column, other in enumerate(second, start=1):
            substitution = previous[column - 1] + (character != other)
            current.append(min(previous[column] + 1, current[-1] + 1, substitution))
        previous = current
    return previous[-1]


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return the end of a sentence about an unknown word: ``did you mean 'x'?``, or the list of choices."""
    choices = sorted(choices)
    guess = nearest(word, choices)
    return f"did you mean '{guess}'?" if guess is not None else "expected one of: " + ", ".join(choices)


def format_errors(
    error: ValidationError, source: str, known: Mapping[str, Iterable[str]], aliases: Mapping[str, str]
) -> list[str]:
    """Return one sentence per error of pydantic's report.

    Args:
        error: The report.
        source: The file (or other origin) of the settings.
        known: The names of the settings by section ("" for the top level), for suggestions.
        aliases: Other names of settings, mapped to their full names, for suggestions.
    """
    return [f"{source}: {_sentence(details, known, aliases)}" for details in _merge_unions(error)]


def _merge_unions(error: ValidationError) -> list[dict[str, Any]]:
    """Return pydantic's errors, with those about the members of one union type merged into one."""
    merged: dict[tuple[Any, ...], dict[str, Any]] = {}
    for number, each in enumerate(error.errors()):
        details: dict[str, Any] = dict(each)
        location = tuple(details["loc"])
        if not _UNION_MEMBER.match(str(location[-1] if location else "")):
            merged[(number,)] = details
        elif location[:-1] in merged:
            merged[location[:-1]]["msg"] += " or " + details["msg"].removeprefix("Input should be ")
        else:
            merged[location[:-1]] = {**details, "loc": location[:-1]}
    return list(merged.values())


def _sentence(details: dict[str, Any], known: Mapping[str, Iterable[str]], aliases: Mapping[str, str]) -> str:
    """Return one error of pydantic as a sentence: the setting, what was found, what was expected."""
    path = [str(part) for part in details["loc"]]
    name = ".".join(path)
    if details["type"] == "extra_forbidden":
        return f"unknown setting '{name}'; {_suggestion(path, known, aliases)}"
    if details["type"] == "value_error":  # raised by our own validators: already a sentence
        message = str(details["ctx"]["error"])
        if not name:
            return message
        # The validator of a section names the setting; the validator of a setting begins with "found".
        return f"{name}: {message}" if message.startswith("found ") else f"{name}.{message}"
    expected = re.sub(r"a valid dictionary or instance of \w+", "an object of settings", details["msg"])
    for theirs, ours in _WORDING.items():
        expected = expected.replace(theirs, ours)
    return f"{name}: found {short(details['input'])}; {expected}"


def _suggestion(path: list[str], known: Mapping[str, Iterable[str]], aliases: Mapping[str, str]) -> str:
    """Suggest a setting: by alias, else similar in the same section, else similar in any section."""
    own = {key: ".".join([*path[:-1], key]) for key in known.get(".".join(path[:-1]), ())}
    elsewhere = {key: f"{other}.{key}" if other else key for other, keys in known.items() for key in keys}
    for names, similarity in ((aliases, 1.0), (own, 0.6), (elsewhere, 0.6)):
        guess = nearest(path[-1], names, similarity)
        if guess is not None:
            return f"did you mean '{names[guess]}'?"
    return "expected one of: " + ", ".join(sorted(own))


def short(value: Any, limit: int = 60) -> str:
    """Return the repr of a value, cut to a readable length."""
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."
