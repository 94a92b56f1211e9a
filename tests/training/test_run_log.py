"""Logging of a run."""

import errno
import io
import json
import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from accelerate import Accelerator

from zhenwei.training.loop import Step
from zhenwei.training.run_log import RunLog, logging_to

logger = logging.getLogger("zhenwei.training.test")


@pytest.fixture
def terminal() -> Any:
    """A handler of the user, as `logging.basicConfig` sets it."""
    handler = logging.StreamHandler(io.StringIO())
    logging.root.addHandler(handler)
    yield handler
    logging.root.removeHandler(handler)


@pytest.fixture
def make_log(tmp_path: Path, make_accelerator: Callable[..., Accelerator]) -> Callable[..., RunLog]:
    def log(interval: int = 2, done: int = 0, losses: list[float] | None = None) -> RunLog:
        return RunLog(
            tmp_path / "metrics.jsonl", make_accelerator(), interval, total=10, done=done,
            losses=[] if losses is None else losses, show=False,
        )  # fmt: skip

    return log


def step(loss: float, grad_norm: float = 1.0) -> Step:
    return Step(loss, lr=0.1, grad_norm=grad_norm, n_texts=8, width=20)


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


class TestLog:
    def test_the_file_gets_lines_that_a_quiet_terminal_does_not_show(
        self, tmp_path: Path, terminal: "logging.StreamHandler[io.StringIO]"
    ) -> None:
        assert logging.root.level == logging.WARNING  # what pytest leaves, and --quiet sets
        with logging_to(tmp_path / "train.log", main_process=True) as begin:
            begin()
            logger.info("a detail")
            logger.warning("a warning")
        assert "INFO a detail" in (tmp_path / "train.log").read_text()
        assert terminal.stream.getvalue().splitlines() == ["a warning"]

    def test_lines_after_the_run_are_not_in_its_file(self, tmp_path: Path) -> None:
        with logging_to(tmp_path / "train.log", main_process=True) as begin:
            begin()
            logger.info("now")
        logger.warning("later")
        assert "later" not in (tmp_path / "train.log").read_text()
        assert logging.getLogger("zhenwei").level == logging.NOTSET

    def test_lines_before_the_file_is_opened_come_first_in_it(self, tmp_path: Path) -> None:
        with logging_to(tmp_path / "run" / "train.log", main_process=True) as begin:
            logger.info("before")
            assert not (tmp_path / "run").exists()
            (tmp_path / "run").mkdir()
            begin()
            logger.info("after")
        lines = (tmp_path / "run" / "train.log").read_text().splitlines()
        assert [line.rsplit(" ", 1)[1] for line in lines] == ["before", "after"]

    def test_a_file_that_is_never_opened_is_not_created(self, tmp_path: Path) -> None:
        with logging_to(tmp_path / "train.log", main_process=True):
            logger.info("in vain")
        assert not (tmp_path / "train.log").exists()

    @pytest.mark.parametrize("name", ["mine", "zhenwei.mine"])
    def test_a_logger_of_the_user_receives_each_line_once(
        self, tmp_path: Path, terminal: "logging.StreamHandler[io.StringIO]", name: str
    ) -> None:
        user_logger, handler = logging.getLogger(name), logging.StreamHandler(io.StringIO())
        user_logger.addHandler(handler)
        user_logger.setLevel(logging.INFO)
        try:
            with logging_to(tmp_path / "train.log", main_process=True, user_logger=user_logger) as open_file:
                open_file()
                logger.info("a detail")
                logger.debug("too much detail")
                logger.warning("a warning")
        finally:
            user_logger.removeHandler(handler)
            user_logger.setLevel(logging.NOTSET)
        assert handler.stream.getvalue().splitlines() == ["a detail", "a warning"]
        assert terminal.stream.getvalue().splitlines() == ["a warning"]
        assert len((tmp_path / "train.log").read_text().splitlines()) == 2

    def test_only_the_main_process_logs(self, tmp_path: Path, terminal: "logging.StreamHandler[io.StringIO]") -> None:
        with logging_to(tmp_path / "train.log", main_process=False):
            logger.warning("a warning")
        assert terminal.stream.getvalue() == ""
        assert not (tmp_path / "train.log").exists()

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
    def test_a_full_disk_raises_an_error_and_prints_no_traceback(self, capfd: pytest.CaptureFixture[str]) -> None:
        def log() -> None:
            with logging_to(Path("/dev/full"), main_process=True) as begin:
                begin()
                logger.info("a detail")

        with pytest.raises(OSError, match="No space left"):
            log()
        assert "Traceback" not in capfd.readouterr().err


class TestMetrics:
    def test_a_line_is_the_mean_of_the_steps_since_the_last(
        self, make_log: Callable[..., RunLog], tmp_path: Path
    ) -> None:
        log = make_log(interval=2)
        for number, loss in enumerate([1.0, 2.0, 3.0, 5.0, 9.0], 1):
            log.step(step(loss), number, epoch=1)
        assert [(line["step"], line["loss"]) for line in lines(tmp_path)] == [(2, 1.5), (4, 4.0)]

    def test_a_resumed_run_averages_losses_from_before_the_kill(
        self, make_log: Callable[..., RunLog], tmp_path: Path
    ) -> None:
        losses: list[float] = []
        make_log(losses=losses).step(step(1.0), 1, epoch=1)
        make_log(done=1, losses=losses).step(step(2.0), 2, epoch=1)
        assert [line["loss"] for line in lines(tmp_path)] == [1.5]

    def test_lines_after_the_checkpoint_and_incomplete_lines_are_dropped(
        self, make_log: Callable[..., RunLog], tmp_path: Path
    ) -> None:
        log = make_log(interval=1)
        for number in range(1, 5):
            log.step(step(1.0), number, epoch=1)
        with (tmp_path / "metrics.jsonl").open("a") as file:
            file.write('{"step": 5, "lo')
        make_log(interval=1, done=2).step(step(1.0), 3, epoch=1)
        assert [line["step"] for line in lines(tmp_path)] == [1, 2, 3]

    def test_a_file_that_cannot_be_rewritten_is_not_changed(
        self, make_log: Callable[..., RunLog], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        log = make_log(interval=1)
        for number in range(1, 5):
            log.step(step(1.0), number, epoch=1)

        def full(path: Path, *_: Any, **__: Any) -> int:
            path.touch()
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(Path, "write_text", full)
        with pytest.raises(OSError, match="No space left"):
            make_log(done=2)
        assert [line["step"] for line in lines(tmp_path)] == [1, 2, 3, 4]
        assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]

    def test_an_overflowed_gradient_norm_is_null(self, make_log: Callable[..., RunLog], tmp_path: Path) -> None:
        make_log(interval=1).step(step(1.0, grad_norm=math.inf), 1, epoch=1)
        [line] = (tmp_path / "metrics.jsonl").read_text().splitlines()
        assert json.loads(line, parse_constant=pytest.fail)["grad_norm"] is None
