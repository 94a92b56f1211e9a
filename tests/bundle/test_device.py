"""Devices and precisions, and warnings if they are not available."""

import logging
import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from accelerate import Accelerator

from zhenwei.bundle.device import cpu_computes_bf16, resolve_device, resolve_precision
from zhenwei.errors import ConfigError, DataError
from zhenwei.training.accelerator import check_trackers, on_all_ranks

without_gpu = pytest.mark.skipif(
    torch.cuda.is_available() or torch.backends.mps.is_available(), reason="this machine has an accelerator"
)


@without_gpu
@pytest.mark.parametrize("setting", ["cuda", "cuda:3", "mps"])
def test_an_unavailable_device_falls_back_to_the_cpu_with_one_warning(
    setting: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert resolve_device(setting) == "cpu"
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert setting in record.getMessage()


@without_gpu
@pytest.mark.parametrize("setting", ["auto", "cpu"])
def test_the_cpu_needs_no_warning(setting: str, caplog: pytest.LogCaptureFixture) -> None:
    assert resolve_device(setting) == "cpu"
    assert not caplog.records


def test_auto_is_the_best_precision_of_the_device() -> None:
    assert resolve_precision("auto", "cpu") == ("bf16" if cpu_computes_bf16() else "no")
    assert resolve_precision("auto", "mps") == "no"


def test_fp16_on_the_cpu_becomes_bf16_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    assert resolve_precision("fp16", "cpu") == "bf16"
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


@pytest.mark.parametrize("setting", ["no", "bf16"])
def test_other_settings_are_used_as_they_are(setting: str) -> None:
    assert resolve_precision(setting, "cpu") == setting


def test_a_tracker_that_is_not_installed_is_refused() -> None:
    check_trackers(["tensorboard"])
    check_trackers([])
    with pytest.raises(ConfigError, match=r"output\.trackers: 'no-such-tracker' is not installed"):
        check_trackers(["tensorboard", "no-such-tracker"])


def test_on_all_ranks_returns_the_result_or_raises_the_error(make_accelerator: Callable[..., Accelerator]) -> None:
    def fail() -> None:
        raise DataError("bad rows")

    assert on_all_ranks(make_accelerator(), lambda: 7) == 7
    with pytest.raises(DataError, match="bad rows"):
        on_all_ranks(make_accelerator(), fail)


@pytest.mark.slow
@pytest.mark.nightly
def test_loading_a_detector_imports_no_library_of_training() -> None:
    program = (
        "import sys; from zhenwei import Detector; from zhenwei.bundle import load_bundle;"
        "print([name for name in ('accelerate', 'transformers', 'sklearn', 'tensorboardX')"
        " if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
