"""The edit: a named family of changes of a text that leave its meaning."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Edit:
    """A family of harmless edits.

    Attributes:
        name: Its name in commands and results: `full_text`.
        description: What it does, in a few words.
        apply: Returns the edited text; all random choices are drawn from the generator. A text without anything to
            edit is returned unchanged.
    """

    name: str
    description: str
    apply: Callable[[str, Random], str]
