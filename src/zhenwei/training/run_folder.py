"""The folder of a run: its files, and the lock for writing to it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from zhenwei.atomic import reason_of, recover_folder
from zhenwei.errors import CheckpointError

# Everything that a run writes; `--overwrite` removes these and nothing else.
RUN_FILES = (
    "config.json", "train.log", "metrics.jsonl", "results.json", "report.html", "tensorboard", "checkpoints",
    "calibration",
)  # fmt: skip
# The lock file is never removed: one process could wait for the removed file while another locks a new one.
LOCK = ".lock"
# A folder with one of these is a run folder: every run writes one of them at once, and little else does.
RUN_MARKERS = ("train.log", "metrics.jsonl", "checkpoints/last", "checkpoints/best")


@dataclass(frozen=True)
class RunFolder:
    """The paths in the folder of a run."""

    path: Path

    @property
    def lock(self) -> Path:
        """Locked by the one process that writes here; the empty file remains after the run."""
        return self.path / LOCK

    @property
    def config(self) -> Path:
        """The settings in canonical form."""
        return self.path / "config.json"

    @property
    def log(self) -> Path:
        """The log."""
        return self.path / "train.log"

    @property
    def metrics(self) -> Path:
        """One JSON object per logged step and per epoch."""
        return self.path / "metrics.jsonl"

    @property
    def results(self) -> Path:
        """The final metrics."""
        return self.path / "results.json"

    @property
    def tensorboard(self) -> Path:
        """Files of TensorBoard."""
        return self.path / "tensorboard"

    @property
    def calibration(self) -> Path:
        """Cross-fitted predictions of training articles."""
        return self.path / "calibration"

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.path / "report.html"

    @property
    def last(self) -> Path:
        """The checkpoint from which the run resumes."""
        return self.path / "checkpoints" / "last"

    @property
    def best(self) -> Path:
        """The bundle with the best weights on val."""
        return self.path / "checkpoints" / "best"


def check_run_folder(path: Path, resume: bool, overwrite: bool) -> RunFolder:
    """Check that a run may be written to a folder, without changing anything.

    Args:
        path: The folder.
        resume: Resume an existing run.
        overwrite: Replace an existing run.

    Raises:
        CheckpointError: If there is a run and neither is set, or the folder contains something else.
    """
    if path.exists() and not path.is_dir():
        raise CheckpointError(f"{path}: is a file; expected a folder for the run")
    occupied = path.exists() and any(entry.name != LOCK for entry in path.iterdir())
    if occupied and not any((path / marker).exists() for marker in RUN_MARKERS):
        raise CheckpointError(f"{path}: the folder is neither empty nor a run's; choose another with output.dir")
    if occupied and not (resume or overwrite):
        raise CheckpointError(
            f"{path}: there is a run already; resume it with --resume, replace it with --overwrite, "
            "or choose another folder with output.dir"
        )
    return RunFolder(path)


@contextmanager
def lock_run_folder(folder: RunFolder, resume: bool, overwrite: bool) -> Iterator[None]:
    """Create and lock the folder of a run within this context; with `overwrite`, remove an older run.

    The operating system releases the lock when the process ends, even if it is killed.

    Args:
        folder: The folder.
        resume: Resume an existing run.
        overwrite: Replace an existing run.

    Raises:
        CheckpointError: If another process writes to the folder, or has done so since it was checked, or it cannot
            be written.
    """
    lock = FileLock(folder.lock, timeout=0)
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise CheckpointError(
            f"{folder.path}: another process is writing this run; wait until it ends, or choose another folder "
            "with output.dir"
        ) from None
    except OSError as error:
        raise CheckpointError(_not_writable(folder.path, error)) from None
    try:
        check_run_folder(folder.path, resume, overwrite)  # again: another process may have been here in the meantime
        _clean(folder, overwrite and not resume)
        yield
    finally:
        lock.release()


@contextmanager
def lock_bundle(folder: Path) -> Iterator[None]:
    """Lock the run of a bundle within this context, to change the bundle; a bundle outside a run has no lock.

    Raises:
        CheckpointError: If another process writes to the run.
    """
    run = folder.parent.parent
    if folder != RunFolder(run).best:
        yield
        return
    lock = FileLock(RunFolder(run).lock, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise CheckpointError(f"{run}: another process is writing this run; wait until it ends") from None
    except OSError as error:
        raise CheckpointError(_not_writable(run, error)) from None
    try:
        yield
    finally:
        lock.release()


def _clean(folder: RunFolder, overwrite: bool) -> None:
    try:
        if overwrite:
            _remove_run(folder.path)
        recover_folder(folder.last)
        recover_folder(folder.best)
    except OSError as error:
        raise CheckpointError(_not_writable(folder.path, error)) from None


def _not_writable(path: Path, error: OSError) -> str:
    return f"{path}: the run folder cannot be written: {reason_of(error)}"


def _remove_run(path: Path) -> None:
    for name in RUN_FILES:
        entry = path / name
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink(missing_ok=True)
