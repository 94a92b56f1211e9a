"""The folder of a run: which folders are accepted, what is removed, and the lock."""

import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zhenwei.errors import CheckpointError, DataError
from zhenwei.training.run_folder import RunFolder, check_run_folder, lock_run_folder
from zhenwei.training.trainer import Trainer


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run, with a file of the user."""
    folder = tmp_path / "run"
    (folder / "checkpoints" / "last").mkdir(parents=True)
    (folder / "tensorboard").mkdir()
    for name in ("config.json", "train.log", "metrics.jsonl", "results.json", "my-notes.txt"):
        (folder / name).touch()
    return folder


def open_run_folder(path: Path, resume: bool, overwrite: bool) -> RunFolder:
    """Check and lock a folder, as a run does."""
    folder = check_run_folder(path, resume, overwrite)
    with lock_run_folder(folder, resume, overwrite):
        return folder


def test_checking_changes_nothing(run: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    check_run_folder(run, resume=False, overwrite=True)
    check_run_folder(tmp_path / "new", resume=False, overwrite=False)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_new_folder_is_created_with_its_parents(tmp_path: Path) -> None:
    assert open_run_folder(tmp_path / "runs" / "new", resume=False, overwrite=False).path.is_dir()


def test_an_empty_folder_is_accepted(tmp_path: Path) -> None:
    open_run_folder(tmp_path, resume=False, overwrite=False)


def test_a_run_is_neither_resumed_nor_replaced_by_default(run: Path) -> None:
    with pytest.raises(CheckpointError, match=r"there is a run already; .*--resume.*--overwrite"):
        open_run_folder(run, resume=False, overwrite=False)


def test_resume_changes_no_file(run: Path) -> None:
    before = {*run.rglob("*")}
    open_run_folder(run, resume=True, overwrite=False)
    assert {*run.rglob("*")} == before | {run / ".lock"}


def test_overwrite_removes_the_files_of_a_run_only(run: Path) -> None:
    open_run_folder(run, resume=False, overwrite=True)
    assert {path.name for path in run.iterdir()} == {"my-notes.txt", ".lock"}


def test_overwrite_does_not_follow_links(run: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").touch()
    (run / "tensorboard").rmdir()
    (run / "tensorboard").symlink_to(elsewhere)
    open_run_folder(run, resume=False, overwrite=True)
    assert (elsewhere / "file").exists()


@pytest.mark.parametrize("files", [["letter.txt"], ["config.json", "vocab.txt"], ["results.json", "train.json"]])
@pytest.mark.parametrize("how", [{"resume": True}, {"overwrite": True}, {}])
def test_a_folder_of_other_files_is_refused_and_not_changed(
    tmp_path: Path, files: list[str], how: dict[str, bool]
) -> None:
    for name in files:
        (tmp_path / name).touch()
    with pytest.raises(CheckpointError, match="neither empty nor a run's"):
        open_run_folder(tmp_path, **{"resume": False, "overwrite": False, **how})
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(files)


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").touch()
    with pytest.raises(CheckpointError, match="is a file; expected a folder for the run"):
        open_run_folder(tmp_path / "run", resume=False, overwrite=False)


def test_a_folder_that_cannot_be_created_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="cannot be written"):
        open_run_folder(tmp_path / "file" / "run", resume=False, overwrite=False)


class TestLock:
    @pytest.mark.parametrize("how", [{"resume": True}, {"overwrite": True}])
    def test_a_locked_folder_is_refused_and_not_changed(self, run: Path, how: dict[str, bool]) -> None:
        wanted = {"resume": False, "overwrite": False, **how}
        with lock_run_folder(RunFolder(run), resume=True, overwrite=False):
            before = sorted(run.rglob("*"))
            with pytest.raises(CheckpointError, match="another process is writing this run"):
                open_run_folder(run, **wanted)
            assert sorted(run.rglob("*")) == before
        open_run_folder(run, **wanted)

    def test_a_run_written_since_the_check_is_refused_and_not_changed(self, tmp_path: Path) -> None:
        folder = check_run_folder(tmp_path, resume=False, overwrite=False)
        (tmp_path / "train.log").write_text("the other's")
        with (
            pytest.raises(CheckpointError, match="there is a run already"),
            lock_run_folder(folder, resume=False, overwrite=False),
        ):
            pass
        assert (tmp_path / "train.log").read_text() == "the other's"

    @pytest.mark.parametrize("how", [{"resume": True}, {"overwrite": True}, {}])
    def test_the_lock_of_a_killed_run_is_released(self, tmp_path: Path, how: dict[str, bool]) -> None:
        run = tmp_path / "run"
        child = os.fork()
        if child == 0:
            with lock_run_folder(RunFolder(run), resume=False, overwrite=False):
                os.kill(os.getpid(), signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        assert [path.name for path in run.iterdir()] == [".lock"]
        open_run_folder(run, **{"resume": False, "overwrite": False, **how})

    def test_a_training_locks_its_folder_to_its_end(
        self, tmp_path: Path, tiny_settings: Callable[..., dict[str, Any]]
    ) -> None:
        run = tmp_path / "run"
        refusals = []

        class Intruder(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                if record.getMessage().startswith(("epoch 1: training loss", "test (24 articles)")):
                    with pytest.raises(CheckpointError, match="another process is writing this run"):
                        open_run_folder(run, resume=True, overwrite=False)
                    refusals.append(record)

        logger, intruder = logging.getLogger("zhenwei"), Intruder()
        logger.addHandler(intruder)
        logger.setLevel(logging.INFO)
        try:
            Trainer(tiny_settings(run, training={"epochs": 1})).train()
        finally:
            logger.removeHandler(intruder)
            logger.setLevel(logging.NOTSET)
        assert len(refusals) == 2
        open_run_folder(run, resume=True, overwrite=False)


def test_a_run_that_cannot_start_does_not_replace_an_earlier_run(run: Path, tmp_path: Path) -> None:
    settings = {"data": {"root_path": str(tmp_path / "nowhere")}, "output": {"dir": str(run)}}
    before = sorted(run.rglob("*"))
    with pytest.raises(DataError, match="no such folder"):
        Trainer(settings, overwrite=True).train()
    assert sorted(run.rglob("*")) == before


def test_a_run_that_cannot_start_leaves_nothing_behind(tmp_path: Path) -> None:
    settings = {"data": {"root_path": str(tmp_path / "nowhere")}, "output": {"dir": str(tmp_path / "run")}}
    with pytest.raises(DataError, match="no such folder"):
        Trainer(settings).train()
    assert not (tmp_path / "run").exists()
