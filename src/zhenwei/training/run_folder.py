"""A run's folder: what lies where, and who may write into it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from zhenwei.atomic import reason_of, recover_folder
from zhenwei.errors import CheckpointError

# All that a run leaves behind; `--overwrite` removes these and nothing else.
CONTENTS = (
    "config.json", "train.log", "metrics.jsonl", "results.json", "report.html", "tensorboard", "checkpoints",
    "calibration",
)  # fmt: skip
# Beside these, LOCK: it is never removed, lest somebody waits for a file that is gone while a third takes a new one.
LOCK = ".lock"
# By these a run's folder is known: every run leaves one of them at once, and hardly anything else does.
MARKS = ("train.log", "metrics.jsonl", "checkpoints/last", "checkpoints/best")


@dataclass(frozen=True)
class RunFolder:
    """The paths in a run's folder."""

    path: Path

    @property
    def lock(self) -> Path:
        """Held by the one process that writes here; it stays, empty, when the run has ended."""
        return self.path / LOCK

    @property
    def config(self) -> Path:
        """The settings in canonical form."""
        return self.path / "config.json"

    @property
    def log(self) -> Path:
        """What was said while it ran."""
        return self.path / "train.log"

    @property
    def metrics(self) -> Path:
        """One JSON object per logged step and per epoch."""
        return self.path / "metrics.jsonl"

    @property
    def results(self) -> Path:
        """The final scores."""
        return self.path / "results.json"

    @property
    def tensorboard(self) -> Path:
        """What TensorBoard shows."""
        return self.path / "tensorboard"

    @property
    def calibration(self) -> Path:
        """What detectors like this one said of training articles that they had not seen."""
        return self.path / "calibration"

    @property
    def report(self) -> Path:
        """The page about the run."""
        return self.path / "report.html"

    @property
    def last(self) -> Path:
        """The checkpoint from which the run goes on exactly."""
        return self.path / "checkpoints" / "last"

    @property
    def best(self) -> Path:
        """The bundle: the best weights on val."""
        return self.path / "checkpoints" / "best"


def check_run_folder(path: Path, resume: bool, overwrite: bool) -> RunFolder:
    """Check that a run may be written into a folder; nothing is changed yet.

    Args:
        path: The folder.
        resume: Go on with the run that is there, if there is one.
        overwrite: Replace the run that is there, if there is one.

    Raises:
        CheckpointError: If there is a run and neither is set, or the folder holds something else than a run.
    """
    if path.exists() and not path.is_dir():
        raise CheckpointError(f"{path}: is a file; expected the name of a folder for the run")
    occupied = path.exists() and any(entry.name != LOCK for entry in path.iterdir())
    if occupied and not any((path / mark).exists() for mark in MARKS):
        raise CheckpointError(f"{path}: the folder is neither empty nor a run's; choose another with output.dir")
    if occupied and not (resume or overwrite):
        raise CheckpointError(
            f"{path}: there is a run already; go on with it by --resume, replace it by --overwrite, "
            "or choose another folder with output.dir"
        )
    return RunFolder(path)


@contextmanager
def lock_run_folder(folder: RunFolder, resume: bool, overwrite: bool) -> Iterator[None]:
    """Make a run's folder ready to be written into, and keep every other process out of it while the block runs.

    The system lets go of the lock when the process ends, however it ends.

    Args:
        folder: The folder, once all that the run reads is known to be good.
        resume: Go on with the run that is there, if there is one.
        overwrite: Replace the run that is there, if there is one.

    Raises:
        CheckpointError: If another process writes there, or has written there since the folder was checked, or the
            folder cannot be written.
    """
    lock = FileLock(folder.lock, timeout=0)
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise CheckpointError(
            f"{folder.path}: another process is writing this run; wait for its end, or choose another folder with "
            "output.dir"
        ) from None
    except OSError as error:
        raise CheckpointError(_not_ready(folder.path, error)) from None
    try:
        check_run_folder(folder.path, resume, overwrite)  # again: somebody may have been here in the meantime
        _make_ready(folder, overwrite and not resume)
        yield
    finally:
        lock.release()


@contextmanager
def lock_bundle(folder: Path) -> Iterator[None]:
    """Keep every other process out of a bundle while the block changes it; a bare bundle has no lock to hold.

    Raises:
        CheckpointError: If another process writes the run that the bundle belongs to.
    """
    run = folder.parent.parent
    if folder != RunFolder(run).best:
        yield
        return
    lock = FileLock(RunFolder(run).lock, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise CheckpointError(f"{run}: another process is writing this run; wait for its end") from None
    except OSError as error:
        raise CheckpointError(_not_ready(run, error)) from None
    try:
        yield
    finally:
        lock.release()


def _make_ready(folder: RunFolder, overwrite: bool) -> None:
    try:
        if overwrite:
            _remove_run(folder.path)
        recover_folder(folder.last)
        recover_folder(folder.best)
    except OSError as error:
        raise CheckpointError(_not_ready(folder.path, error)) from None


def _not_ready(path: Path, error: OSError) -> str:
    return f"{path}: the run folder cannot be made ready: {reason_of(error)}"


def _remove_run(path: Path) -> None:
    for name in CONTENTS:
        entry = path / name
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink(missing_ok=True)
