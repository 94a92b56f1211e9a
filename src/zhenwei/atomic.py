"""Folders and files that are there whole or not at all, whatever kills the process that writes them."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from zhenwei.errors import CheckpointError

NO_ROOM = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}  # the disk is full, or the user's share of it


@contextmanager
def atomic_folder(final: Path, then: str = "go on with --resume") -> Iterator[Path]:
    """Give a folder to write into, which takes the place of `final` once the block has ended well.

    The new folder is written beside the old one, flushed to the disk, and swapped in by two renames. Killed between
    these, the process leaves the old one under another name, from which `recover_folder` brings it back.

    Args:
        final: Where the folder shall be; an older one is replaced.
        then: What its user should do once what kept it from being written is mended.

    Raises:
        CheckpointError: If it cannot be written, as on a full disk; the older folder is left as it was.
    """
    beside = final.with_name(f".{final.name}.new")
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        recover_folder(final)
        beside.mkdir()
        yield beside
        _flush(beside)
        _swap(beside, final)
    except BaseException as error:
        with suppress(OSError):
            recover_folder(final)
        if isinstance(error, OSError):
            raise CheckpointError(_cannot_save(final, error, then)) from None
        raise


def recover_folder(final: Path) -> None:
    """Clean up after a process that died in `atomic_folder`: drop what is half written, restore what was set aside."""
    old = _set_aside(final)
    shutil.rmtree(final.with_name(f".{final.name}.new"), ignore_errors=True)
    if not old.exists():
        return
    if final.exists():
        shutil.rmtree(old)
    else:
        old.rename(final)


def resolve_folder(final: Path) -> Path:
    """Return where a folder's whole content is now, changing nothing: readers may come while a writer swaps."""
    old = _set_aside(final)
    return old if not final.exists() and old.exists() else final


def _swap(beside: Path, final: Path) -> None:
    old = _set_aside(final)
    if final.exists():
        final.rename(old)
    beside.rename(final)
    _sync(final.parent)
    shutil.rmtree(old, ignore_errors=True)


def _set_aside(final: Path) -> Path:
    return final.with_name(f".{final.name}.old")


def _flush(folder: Path) -> None:
    """Ask the system to write a folder's files to the disk before they are given their names."""
    for path in [*folder.rglob("*"), folder]:
        _sync(path)


def _sync(path: Path) -> None:
    if os.name == "nt" and path.is_dir():
        return  # Windows cannot open a folder
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _cannot_save(final: Path, error: OSError, then: str) -> str:
    kept = f"the previous '{final}' is whole" if final.exists() else "nothing was saved there before"
    advice = "Make room" if error.errno in NO_ROOM else "Mend that"
    return f"'{final}' cannot be saved: {reason_of(error)}; {kept}. {advice}, then {then}"


def write_atomic(text: str, path: Path) -> None:
    """Write a text file whole or not at all: beside, then renamed into place.

    Raises:
        OSError: If it cannot be written; an older file is left as it was.
    """
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def reason_of(error: OSError) -> str:
    """Say in few words why a file could not be read or written."""
    if error.errno == errno.ENOSPC:
        return "no space left on the device"
    return error.strerror or str(error)
