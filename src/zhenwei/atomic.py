"""Write folders and files atomically: a killed process leaves the old version or the new one, never a part."""

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from zhenwei.errors import CheckpointError, DataError

_DISK_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}  # the disk, or the user's quota


@contextmanager
def atomic_folder(final: Path, then: str = "rerun with --resume") -> Iterator[Path]:
    """Yield a folder to write into, which replaces `final` when the block ends without an error.

    The new folder is written beside the old one, flushed to the disk, and swapped in by two renames. A process that is
    killed between them leaves the old folder under another name, from which `recover_folder` restores it.

    Args:
        final: The path of the folder; an older folder is replaced.
        then: What the user should do after fixing what kept the folder from being written.

    Raises:
        CheckpointError: The folder cannot be written, as on a full disk; the older folder is unchanged.
    """
    temporary = final.with_name(f".{final.name}.new")
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        recover_folder(final)
        temporary.mkdir()
        yield temporary
        for path in [*temporary.rglob("*"), temporary]:
            _sync(path)  # before the files get their final names
        _swap(temporary, final)
    except BaseException as error:
        with suppress(OSError):
            recover_folder(final)
        if isinstance(error, OSError):
            raise CheckpointError(_save_error(final, error, then)) from None
        raise


def recover_folder(final: Path) -> None:
    """Clean up after a process that died in `atomic_folder`: delete the partial folder, restore the old one."""
    old = _backup(final)
    shutil.rmtree(final.with_name(f".{final.name}.new"), ignore_errors=True)
    if not old.exists():
        return
    if final.exists():
        shutil.rmtree(old)
    else:
        old.rename(final)


def resolve_folder(final: Path) -> Path:
    """Return where the complete folder is now; changes nothing, so that readers may call it while a writer swaps."""
    old = _backup(final)
    return old if not final.exists() and old.exists() else final


def _swap(temporary: Path, final: Path) -> None:
    old = _backup(final)
    if final.exists():
        final.rename(old)
    temporary.rename(final)
    _sync(final.parent)
    shutil.rmtree(old, ignore_errors=True)


def _backup(final: Path) -> Path:
    return final.with_name(f".{final.name}.old")


def _sync(path: Path) -> None:
    """Flush a file or a folder to the disk."""
    if os.name == "nt" and path.is_dir():
        return  # Windows cannot open a folder
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _save_error(final: Path, error: OSError, then: str) -> str:
    state = f"the previous '{final}' is intact" if final.exists() else "nothing was saved there before"
    advice = "Free disk space" if error.errno in _DISK_FULL else "Fix this"
    return f"'{final}' cannot be saved: {reason_of(error)}; {state}. {advice}, then {then}"


def write_atomic(text: str, path: Path) -> None:
    """Write a text file under a temporary name, then rename it.

    Raises:
        OSError: The file cannot be written; an older file is unchanged.
    """
    temporary = path.with_name(f".{path.name}.new")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; it is renamed to `path` when the block ends without an error, else deleted.

    Raises:
        DataError: The file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except UnicodeEncodeError as error:
        raise DataError(f"{path}: cannot be written: found text that UTF-8 cannot hold ({error})") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error})") from None
    finally:  # also after KeyboardInterrupt
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def reason_of(error: OSError) -> str:
    """Return in a few words why a file could not be read or written."""
    if error.errno == errno.ENOSPC:
        return "no space left on the device"
    return error.strerror or str(error)
