"""One raw row of a file, before it is parsed."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RawRow:
    """One row as its file holds it.

    Attributes:
        number: Its number among the rows, from 1.
        value: Its content; a dict if the file is right.
        line: The line on which it starts, if the format has lines.
        problem: Why it cannot be read at all, or None.
    """

    number: int
    value: object = None
    line: int | None = None
    problem: str | None = None

    @property
    def location(self) -> str:
        """Where the row is, for messages: its number, and its line if that differs."""
        return f"row {self.number}" if self.line in (None, self.number) else f"row {self.number} (line {self.line})"
