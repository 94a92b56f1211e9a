"""Errors that a user can fix.

The message is one clear sentence, or a short list of them: which file, row, field or setting, what was found, and what
was expected. The command line prints it without a traceback and exits with status 2.
"""


class ZhenweiError(Exception):
    """Base class of all errors that the user of zhenwei can fix."""


class ConfigError(ZhenweiError):
    """A setting is unknown, of a wrong type or range, or contradicts another."""


class DataError(ZhenweiError):
    """A file of articles is missing, unreadable, or has rows that cannot be used."""


class MissingFieldError(DataError):
    """An article lacks a field that the detector needs.

    Attributes:
        field: The name of the field.
        row: The article's number.
        expected: What the field should hold.
    """

    def __init__(self, field: str, row: int, expected: str) -> None:
        super().__init__(field, row, expected)  # all three: the error is pickled to reach other processes
        self.field, self.row, self.expected = field, row, expected

    def __str__(self) -> str:
        return f"row {self.row}: no field '{self.field}', which this detector needs; expected {self.expected}"


class PretrainedModelError(ZhenweiError):
    """A pretrained model or tokenizer cannot be found or does not fit."""


class CheckpointError(ZhenweiError):
    """A run folder, checkpoint or bundle exists already, is damaged or foreign, or cannot be written."""


class TrainingError(ZhenweiError):
    """Training cannot continue: the loss is not finite."""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or the error's name if it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
