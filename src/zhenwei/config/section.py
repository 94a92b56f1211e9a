"""What all sections of the settings share: strict types, frozen values, errors in words a user can act on."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from zhenwei.errors import ConfigError


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

    def updated(self, **changes: Any) -> Self:
        """Return a copy with some settings changed, validated as if it had been loaded so.

        Raises:
            ConfigError: If a change is unknown, of a wrong type, or contradicts another setting.
        """
        try:
            return type(self).model_validate({**self.model_dump(), **changes})
        except ValidationError as error:
            raise ConfigError("\n".join(explain(error, where=type(self).__name__))) from None


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """Return the choice most like a mistyped word, or None where none is near."""
    close = difflib.get_close_matches(word, list(choices), n=1, cutoff=0.6)
    return close[0] if close else None


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` or the list of choices, to end a sentence with."""
    choices = sorted(choices)
    guess = nearest(word, choices)
    if guess is not None:
        return f"did you mean '{guess}'?"
    return "expected one of: " + ", ".join(choices)


def explain(error: ValidationError, where: str, known: Mapping[str, Iterable[str]] | None = None) -> list[str]:
    """Turn pydantic's report into one sentence per mistake.

    Args:
        error: What pydantic found.
        where: The file (or other origin) that the settings came from.
        known: The names of the settings by section ("" for the top level), for suggestions.
    """
    return [f"{where}: {_sentence(dict(found), known or {})}" for found in error.errors()]


def _sentence(found: dict[str, Any], known: Mapping[str, Iterable[str]]) -> str:
    """Word one finding of pydantic: which setting, what was found, what would be right."""
    path = [str(part) for part in found["loc"]]
    name = ".".join(path)
    if found["type"] == "extra_forbidden":
        return f"unknown setting '{name}'; {_suggestion(path, known)}"
    if found["type"] == "value_error":  # raised by our own validators: already a sentence
        message = str(found["ctx"]["error"])
        return f"{name}.{message}" if name in known else f"{name}: {message}" if name else message
    if found["type"] == "missing":
        return f"the setting '{name}' is missing"
    expected = found["msg"].replace("Input should be", "expected")
    return f"{name}: found {short(found['input'])}; {expected}"


def _suggestion(path: list[str], known: Mapping[str, Iterable[str]]) -> str:
    """Name the nearest right setting: of the same section first, else of any other."""
    section, word = ".".join(path[:-1]), path[-1]
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
