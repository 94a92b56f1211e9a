"""A run's folder: what lies where, and who may write into it."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from zhenwei.errors import CheckpointError
from zhenwei.training.whole_folder import reason_of, recover_folder

# All that a run leaves behind; `--overwrite` removes these and nothing else.
CONTENTS = ("config.json", "train.log", "metrics.jsonl", "results.json", "report.html", "tensorboard", "checkpoints")
# By these a run's folder is known: every run leaves one of them at once, and hardly anything else does.
MARKS = ("train.log", "metrics.jsonl", "checkpoints/last", "checkpoints/best")


@dataclass(frozen=True)
class RunFolder:
    """The paths in a run's folder."""

    path: Path

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
    occupied = path.exists() and any(path.iterdir())
    if occupied and not any((path / mark).exists() for mark in MARKS):
        raise CheckpointError(f"{path}: the folder is neither empty nor a run's; choose another with output.dir")
    if occupied and not (resume or overwrite):
        raise CheckpointError(
            f"{path}: there is a run already; go on with it by --resume, replace it by --overwrite, "
            "or choose another folder with output.dir"
        )
    return RunFolder(path)


def make_run_folder(folder: RunFolder, overwrite: bool) -> None:
    """Make a run's folder ready to be written into, once all that the run reads is known to be good.

    Args:
        folder: The folder, checked before.
        overwrite: Remove the run that is there.

    Raises:
        CheckpointError: If the folder cannot be written.
    """
    try:
        if overwrite:
            _remove_run(folder.path)
        folder.path.mkdir(parents=True, exist_ok=True)
        recover_folder(folder.last)
        recover_folder(folder.best)
    except OSError as error:
        raise CheckpointError(f"{folder.path}: the run folder cannot be made ready: {reason_of(error)}") from None


def _remove_run(path: Path) -> None:
    for name in CONTENTS:
        entry = path / name
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink(missing_ok=True)
