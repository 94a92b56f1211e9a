"""A full disk: one clear line, the last checkpoint stays complete, and the run resumes once there is room."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits and mounts are set as Linux does"),
]

AT_STEP_6 = {"event": "log", "text": "epoch 1 step 6:"}
Settings = Callable[..., dict[str, Any]]
Jobs = Callable[..., list[tuple[int, str]]]
MakeJob = Callable[..., dict[str, Any]]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 MiB, which only root can make."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small disk")
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this system lets nobody mount a disk")
    yield disk
    subprocess.run(["umount", disk], check=True)


def assert_one_line(output: str) -> str:
    """Check that the run ended with one error line and no traceback; return that line."""
    assert "Traceback" not in output
    assert "Logging error" not in output
    [line] = [line for line in output.splitlines() if line.startswith("error:")]
    return line


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "checkpoints" / "last" / "network.safetensors")


@pytest.mark.parametrize(
    ("left", "trackers"),
    [
        (16384, []),
        pytest.param(0, [], marks=pytest.mark.nightly),
        pytest.param(16384, ["tensorboard"], marks=pytest.mark.nightly),
    ],
)
@pytest.mark.nightly
def test_a_run_resumes_from_the_checkpoint_before_the_disk_was_full(
    small_disk: Path, tmp_path: Path, run_settings: Settings, run_jobs: Jobs, train_job: MakeJob,
    left: int, trackers: list[str],
) -> None:  # fmt: skip
    run, filler = small_disk / "run", small_disk / "filler"
    settings = run_settings(run, training={"epochs": 1}, output={"trackers": trackers})
    job = train_job(settings, at=AT_STEP_6, fill=str(filler), leave=left)
    [(status, output)] = run_jobs([job])
    line = assert_one_line(output)
    assert status == 2, output
    assert "no space left on the device" in line
    assert "--resume" in line
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["last"]  # of step 4, complete

    filler.unlink()
    undisturbed = tmp_path / "undisturbed"
    again = train_job(settings, "--resume")
    [(resumed, went_on), (other, _)] = run_jobs([again, train_job(run_settings(undisturbed, training={"epochs": 1}))])
    assert (resumed, other) == (0, 0), went_on
    assert "step 4" in went_on
    for name, weight in weights(undisturbed).items():
        assert torch.equal(weight, weights(run)[name]), name


@pytest.mark.nightly
def test_a_file_that_cannot_be_written_ends_the_run_with_one_line(
    tmp_path: Path, run_settings: Settings, run_jobs: Jobs, train_job: MakeJob
) -> None:
    run = tmp_path / "run"
    [(status, output)] = run_jobs([train_job(run_settings(run), at=AT_STEP_6, file_limit=4096)])
    assert status == 2, output
    assert re.search(
        "checkpoints/last' cannot be saved: File too large; the previous .* is intact", assert_one_line(output)
    )
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["last"]


def test_a_log_that_cannot_be_written_ends_the_run_with_one_line(
    tmp_path: Path, run_settings: Settings, run_jobs: Jobs, train_job: MakeJob
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "train.log").symlink_to("/dev/full")
    [(status, output)] = run_jobs([train_job(run_settings(run), "--resume")])
    assert status == 2, output
    assert "no space left on the device" in assert_one_line(output)
