"""The folder of a run: its files, and the lock for writing to it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
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


class RunFolder:
    """The paths in the folder of a run.

    Attributes:
        path: The folder itself.
        lock: Locked by the one process that writes here; the empty file remains after the run.
        config: The settings in canonical form.
        log: The log.
        metrics: One JSON object per logged step and per epoch.
        results: The final metrics.
        tensorboard: Files of TensorBoard.
        calibration: Cross-fitted predictions of training articles.
        report: The HTML report.
        last: The checkpoint from which the run resumes.
        best: The bundle with the best weights on val.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = path / LOCK
        self.config = path / "config.json"
        self.log = path / "train.log"
        self.metrics = path / "metrics.jsonl"
        self.results = path / "results.json"
        self.tensorboard = path / "tensorboard"
        self.calibration = path / "calibration"
        self.report = path / "report.html"
        self.last = path / "checkpoints" / "last"
        self.best = path / "checkpoints" / "best"


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
    with _lock(folder, ", or choose another folder with output.dir"):
        check_run_folder(folder.path, resume, overwrite)  # again: another process may have been here in the meantime
        with _writing(folder):
            if overwrite and not resume:
                _remove_run(folder.path)
            recover_folder(folder.last)
            recover_folder(folder.best)
        yield


@contextmanager
def lock_bundle(folder: Path) -> Iterator[None]:
    """Lock the run of a bundle within this context, to change the bundle; a bundle outside a run has no lock.

    Raises:
        CheckpointError: If another process writes to the run.
    """
    run = RunFolder(folder.parent.parent)
    with _lock(run) if folder == run.best else nullcontext():
        yield


@contextmanager
def _lock(folder: RunFolder, alternative: str = "") -> Iterator[None]:
    """Lock the folder of a run, which is created if it does not exist, within this context."""
    with _writing(folder, alternative):
        folder.path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.lock, timeout=0).acquire()
    with lock:
        yield


@contextmanager
def _writing(folder: RunFolder, alternative: str = "") -> Iterator[None]:
    """Translate the errors that the folder of a run is locked or cannot be written."""
    try:
        yield
    except Timeout:
        raise CheckpointError(
            f"{folder.path}: another process is writing this run; wait until it ends{alternative}"
        ) from None
    except OSError as error:
        raise CheckpointError(f"{folder.path}: the run folder cannot be written: {reason_of(error)}") from None


def _remove_run(path: Path) -> None:
    for name in RUN_FILES:
        entry = path / name
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink(missing_ok=True)
