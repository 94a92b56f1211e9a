"""Read JSON and JSON Lines as streams of raw rows, and refuse what the parsers cannot handle.

An error of the whole file is raised at once as a DataError; an error in one line of JSON Lines becomes the problem of
that row.
"""

import json
import mmap
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import ijson

from zhenwei.errors import DataError
from zhenwei.news.fields import format_value
from zhenwei.news.io.encoding import check_utf8
from zhenwei.news.io.raw_row import RawRow

_BOM = b"\xef\xbb\xbf"
_LONE_SURROGATE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])"
    rb"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
_LONG_INTEGER = re.compile(rb"[:,\[]\s*+-?[0-9]{19,}")  # 64 bits hold every number of 18 digits
_NO_BRACKET = rb'[^"\[\]{}]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"\[\]{}]*+)*+'  # strings are skipped
# The next bracket outside of strings, after any pairs that hold no other pair.
_NEXT_BRACKET = re.compile(
    _NO_BRACKET + rb"(?:[\[{]" + _NO_BRACKET + rb"[\]}]" + _NO_BRACKET + rb")*+[\[\]{}]", re.DOTALL
)
_MAX_DEPTH = 200


def read_json(path: Path) -> Iterator[RawRow]:
    """Yield the members of a JSON array.

    Raises:
        DataError: The file is not UTF-8, not JSON, cut off, nested too deep, or does not hold an array.
    """
    with path.open("rb") as file:
        _skip_bom(file)
        start = file.tell()
        _check_array(path, file)
        file.seek(start)
        number = 0
        try:
            for value in _choose_parser(path).items(file, "item", use_float=True):
                number += 1
                yield RawRow(number, value)
        except (ijson.JSONError, ValueError, RecursionError, MemoryError) as error:
            check_utf8(path)
            problem = _describe_error(str(error) or type(error).__name__)
            raise DataError(f"{path}: {problem}, after row {number}") from None


def read_jsonl(path: Path) -> Iterator[RawRow]:
    """Yield the lines of a JSON Lines file; blank lines are skipped.

    Raises:
        DataError: The file is not UTF-8.
    """
    number = 0
    with path.open("rb") as file:
        _skip_bom(file)
        for line_number, line in enumerate(file, start=1):
            try:
                text = line.decode("utf-8").strip()
            except UnicodeDecodeError:
                check_utf8(path)
                raise  # unreachable: the check raises for the same byte
            if not text:
                continue
            number += 1
            try:
                yield RawRow(number, json.loads(text, parse_constant=_refuse_constant), line_number)
            except (ValueError, RecursionError, MemoryError) as error:
                yield RawRow(number, None, line_number, f"not JSON ({error})")


def _skip_bom(file: BinaryIO) -> None:
    if file.read(len(_BOM)) != _BOM:
        file.seek(0)


def _check_array(path: Path, file: BinaryIO) -> None:
    """Refuse JSON that is not an array: it would otherwise yield no rows and no error."""
    opening = file.read(4096).lstrip()
    first = opening[:1]
    if first in (b"[", b""):
        return
    check_utf8(path)
    if first == b"{":
        # A line with a whole object, and then another object: JSON Lines with the wrong suffix.
        if re.match(rb"\{[^\n]*\}\s*\n\s*\{", opening):
            raise DataError(
                f"{path}: found one object a line; expected an array of objects: rename it to "
                f"{path.with_suffix('.jsonl').name}"
            )
        raise DataError(
            f"{path}: found an object; expected an array of objects, '[{{\"content\": ...}}, ...]' "
            "(or one object a line in a .jsonl file)"
        )
    try:
        value = json.loads(opening)
    except ValueError:
        text = opening[:80].decode("utf-8", errors="ignore")
        raise DataError(f"{path}: not JSON: found {format_value(text)}; expected an array of objects") from None
    raise DataError(f"{path}: found {format_value(value)}; expected an array of objects")


def _choose_parser(path: Path) -> Any:
    """Return the ijson backend for this file: the C one, unless that one would corrupt the file's values.

    The C parser (yajl) silently turns an escaped lone surrogate into "?", and fails at an integer of more than 64
    bits; ijson's Python parser keeps both, so that the error names the row. The file is searched through the page
    cache and never loaded.

    Raises:
        DataError: The file is nested too deep for any of the parsers.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        _check_depth(path, content)
        unsafe = _LONE_SURROGATE.search(content) or _LONG_INTEGER.search(content)
        return ijson.get_backend("python") if unsafe else ijson


def _check_depth(path: Path, content: mmap.mmap) -> None:
    """Refuse a file that is nested too deep: ijson's memory grows with the square of the depth."""
    depth = position = 0
    while bracket := _NEXT_BRACKET.match(content, position):
        position = bracket.end()
        depth += 1 if content[position - 1] in b"[{" else -1
        if depth > _MAX_DEPTH:
            raise DataError(
                f"{path}: found arrays and objects nested more than {_MAX_DEPTH} deep, at byte {position}; "
                "expected an array of objects"
            )


def _describe_error(message: str) -> str:
    """Return the parser's message in short: its first line, without the excerpt of the file."""
    if "EOF" in message or "ncomplete" in message:
        return "the JSON ends in the middle (the file was cut off)"
    if "overflow" in message:
        return "found a number larger than 1.8e308, the largest floating-point number"
    return f"not JSON ({message.splitlines()[0].strip()})"


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")
