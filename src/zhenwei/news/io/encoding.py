"""Check the encoding of text files."""

from pathlib import Path

from zhenwei.errors import DataError


def check_utf8(path: Path) -> None:
    """Check that a text file is UTF-8.

    Raises:
        DataError: It is not; the message names the first invalid byte and its position.
    """
    position = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                byte = line[error.start]
                raise DataError(
                    f"{path}: not UTF-8: found byte 0x{byte:02x} at position {position + error.start} "
                    f"(line {number}); save the file as UTF-8"
                ) from None
            position += len(line)
