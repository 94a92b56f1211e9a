"""Logging of a run: log file, metrics file, trackers and progress bar."""

import json
import logging
import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import InitVar, dataclass
from logging.handlers import MemoryHandler
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from zhenwei.atomic import write_atomic
from zhenwei.training.loop import Step

logger = logging.getLogger(__name__)
ROOT_LOGGER = "zhenwei"
LINE_FORMAT = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%d %H:%M:%S")


@contextmanager
def logging_to(
    path: Path, main_process: bool, user_logger: logging.Logger | None = None
) -> Iterator[Callable[[], None]]:
    """Copy the log of the package to a file within this context, and to the terminal if no handler shows it.

    Handlers of the user keep their levels: a quiet terminal stays quiet.

    Args:
        path: The file; lines are appended.
        main_process: Whether this is the main process; the others log nothing.
        user_logger: Receives the log, too.

    Yields:
        A function that opens the file once its folder exists. Earlier lines are buffered until then, and dropped if it
        is never called.

    Raises:
        OSError: If the file cannot be written, here or, as on a full disk, wherever something is logged.
    """
    root = logging.getLogger(ROOT_LOGGER)
    with ExitStack() as undo:
        if not main_process:
            undo.callback(root.setLevel, root.level)
            root.setLevel(logging.CRITICAL)
            yield lambda: None
            return
        _keep_user_levels(root, undo)
        file = _LogFile(path, encoding="utf-8", delay=True)
        file.setFormatter(LINE_FORMAT)
        undo.callback(file.close)
        buffer = MemoryHandler(capacity=1, flushOnClose=False)  # keeps all lines until it has a target

        def open_file() -> None:
            buffer.setTarget(file)
            buffer.flush()

        handlers: list[logging.Handler] = [buffer]
        if user_logger is not None:
            handlers.append(_ForwardingHandler(user_logger))
        elif not root.hasHandlers():
            handlers.append(logging.StreamHandler())
        for handler in handlers:
            handler.setFormatter(LINE_FORMAT)
            root.addHandler(handler)
            undo.callback(handler.close)
            undo.callback(root.removeHandler, handler)
        undo.callback(root.setLevel, root.level)
        root.setLevel(logging.INFO)
        with logging_redirect_tqdm(loggers=[each for each in (root, logging.root) if _on_terminal(each)]):
            yield open_file


def _keep_user_levels(root: logging.Logger, undo: ExitStack) -> None:
    """Let existing handlers show only what they showed before, although more is logged for the file."""
    level = root.getEffectiveLevel()

    def is_shown(record: logging.LogRecord) -> bool:
        return record.levelno >= level or not record.name.startswith(ROOT_LOGGER)

    for handler in {*root.handlers, *logging.root.handlers}:
        handler.addFilter(is_shown)  # not a level: the progress bar's handler copies only filters
        undo.callback(handler.removeFilter, is_shown)


def _on_terminal(each: logging.Logger) -> bool:
    """Return whether a logger writes to the terminal, where its lines must not break the progress bar."""
    return any(getattr(handler, "stream", None) in (sys.stderr, sys.stdout) for handler in each.handlers)


class _ForwardingHandler(logging.Handler):
    """Passes records on to a logger of the user."""

    def __init__(self, target: logging.Logger) -> None:
        super().__init__()
        self.target = target

    def emit(self, record: logging.LogRecord) -> None:
        """Pass a record on to the handlers of the logger and its parents, but those that receive it anyway."""
        if not self.target.isEnabledFor(record.levelno):
            return
        each: logging.Logger | None = self.target
        while each is not None and each not in (logging.root, logging.getLogger(ROOT_LOGGER)):
            for handler in each.handlers:
                if record.levelno >= handler.level:
                    handler.handle(record)
            each = each.parent if each.propagate else None


class _LogFile(logging.FileHandler):
    """A log file that raises an error if it cannot be written, instead of printing a traceback and continuing."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # name of logging
        """Raise the error that is being handled."""
        raise  # noqa: PLE0704

    def close(self) -> None:
        """Close the file; on a full disk, unwritten lines are lost."""
        with suppress(OSError):
            super().close()


@dataclass
class RunLog:
    """Writes each logged step and each epoch to the log, `metrics.jsonl`, the trackers and the progress bar.

    Args:
        path: `metrics.jsonl`; lines are appended.
        accelerator: Its main process writes; it holds the trackers.
        interval: Steps between two lines.
        total: Steps in the whole training.
        done: Steps that a resumed run has done; lines of later steps are dropped.
        losses: Losses of the steps since the last line; changed in place, and saved in checkpoints.
        show: Whether to show a progress bar.
    """

    path: Path
    accelerator: Accelerator
    interval: int
    total: InitVar[int]
    done: InitVar[int]
    losses: list[float]
    show: InitVar[bool]

    def __post_init__(self, total: int, done: int, show: bool) -> None:
        """Drop the lines of later steps, and open the progress bar."""
        self.is_main = self.accelerator.is_main_process
        if self.is_main:
            _drop_lines_after(self.path, done)
        self.bar = tqdm(
            total=total, initial=done, unit="step", disable=None if show and self.is_main else True, dynamic_ncols=True
        )
        self._line_start, self._n_texts = time.perf_counter(), 0

    def step(self, step: Step, number: int, epoch: int) -> None:
        """Record an optimizer step; write a line every `interval` steps.

        Args:
            step: The step.
            number: Its number since the start of the training, from 1.
            epoch: Counted from 1.
        """
        self.losses.append(step.loss)
        self._n_texts += step.n_texts
        self.bar.update()
        if number % self.interval:
            return
        rate = self._n_texts / max(time.perf_counter() - self._line_start, 1e-9)
        loss = sum(self.losses) / len(self.losses)
        norm = step.grad_norm if math.isfinite(step.grad_norm) else None  # fp16 overflows; JSON has no infinity
        values = {"loss": loss, "lr": step.lr, "grad_norm": norm, "texts_per_second": rate}
        self.bar.set_postfix(epoch=epoch, loss=f"{loss:.4f}", lr=f"{step.lr:.2e}", texts_s=f"{rate:.0f}")
        self._write({"event": "step", "epoch": epoch, "step": number} | values)
        self._track({f"train/{name}": value for name, value in values.items()}, number)
        logger.info(
            "epoch %d step %d: loss %.4f, lr %.3g, gradient norm %.3f, %.0f texts/s",
            epoch, number, loss, step.lr, step.grad_norm, rate,
        )  # fmt: skip
        self._begin_line()

    def epoch(self, record: dict[str, Any], number: int, note: str) -> None:
        """Write the record of an epoch.

        Args:
            record: Its number, training loss and metrics on val.
            number: Optimizer steps so far.
            note: What was saved or stopped, in words.
        """
        scores = record["val"]
        self._write({"event": "epoch", **record})
        self._track(
            {"train/epoch_loss": record["train_loss"]} | {f"val/{name}": value for name, value in scores.items()},
            number,
        )
        logger.info(
            "epoch %d: training loss %.4f; val (%d articles): loss %.4f, macro-F1 %.4f, AUC %.4f, accuracy %.4f; %s",
            record["epoch"], record["train_loss"], scores["n"], scores["loss"], scores["macro_f1"], scores["auc"],
            scores["acc"], note,
        )  # fmt: skip
        self._begin_line()

    def close(self) -> None:
        """Close the progress bar and the trackers."""
        self.bar.close()
        for tracker in self.accelerator.trackers:
            tracker.finish()

    def _begin_line(self) -> None:
        self.losses.clear()
        self._line_start, self._n_texts = time.perf_counter(), 0

    def _write(self, record: dict[str, Any]) -> None:
        if self.is_main:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"time": round(time.time(), 3), **record}, ensure_ascii=False) + "\n")

    def _track(self, values: dict[str, float | None], number: int) -> None:
        self.accelerator.log({name: value for name, value in values.items() if value is not None}, step=number)


def _drop_lines_after(path: Path, step: int) -> None:
    """Drop the lines that a killed run wrote after its checkpoint; the resumed run writes them again."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line + "\n")
        except (ValueError, KeyError, TypeError):
            continue  # a line that was cut off when the process was killed
    write_atomic("".join(kept), path)
