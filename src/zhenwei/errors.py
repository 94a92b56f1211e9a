"""The errors that a user can act on.

Each carries one clear sentence (or a short list of them): which file, row, field or setting, what was found
and what would be right. The command line prints the message, without a traceback, and exits with status 2.
"""


class ZhenweiError(Exception):
    """Anything that the user of zhenwei can mend."""


class ConfigError(ZhenweiError):
    """A setting is unknown, of a wrong type or range, or contradicts another."""


class DataError(ZhenweiError):
    """A file of articles is missing, unreadable, or has rows that cannot be used."""


class MissingFieldError(DataError):
    """An article lacks a field that the detector needs.

    Attributes:
        field: the field, as an article calls it.
        row: the article's number.
        expected: what the field should hold.
    """

    def __init__(self, field: str, row: int, expected: str) -> None:
        super().__init__(field, row, expected)  # all three: an error that several processes share is pickled
        self.field, self.row, self.expected = field, row, expected

    def __str__(self) -> str:
        return f"row {self.row}: no field '{self.field}', which this detector needs; expected {self.expected}"


class PretrainedModelError(ZhenweiError):
    """A pretrained model or tokenizer cannot be found or does not fit."""


class CheckpointError(ZhenweiError):
    """A run folder, checkpoint or bundle exists already, is damaged, foreign, or cannot be written."""


class TrainingError(ZhenweiError):
    """Training cannot go on: the loss is no longer a finite number."""


def first_line(error: BaseException) -> str:
    """Say in one line why a library refused: the first of its words, its name where it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
