"""What a run says while it goes on: log file, metrics file, trackers, progress bar."""

import json
import logging
import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from zhenwei.atomic import write_atomic
from zhenwei.training.loop import Step

logger = logging.getLogger(__name__)
ROOT_LOGGER = "zhenwei"
LINE = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%d %H:%M:%S")


@contextmanager
def logging_to(path: Path, main_process: bool) -> Iterator[Callable[[], None]]:
    """Copy the project's log to a file while a run goes on, and to the terminal where nobody else shows it.

    What the user's own handlers show stays as the user chose it: a quiet terminal stays quiet.

    Args:
        path: The file; lines are added.
        main_process: Only this one writes and speaks; the others stay silent.

    Yields:
        What begins the file, once its folder is there: what was said before is held until then, and is forgotten
        where it never comes to that.

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
        _keep_as_chosen(root, undo)
        file = _LogFile(path)
        handlers: list[logging.Handler] = [file]
        if not root.hasHandlers():
            handlers.append(logging.StreamHandler())
        for handler in handlers:
            handler.setFormatter(LINE)
            root.addHandler(handler)
            undo.callback(handler.close)
            undo.callback(root.removeHandler, handler)
        undo.callback(root.setLevel, root.level)
        root.setLevel(logging.INFO)
        with logging_redirect_tqdm(loggers=[each for each in (root, logging.root) if _on_terminal(each)]):
            yield file.begin


def _keep_as_chosen(root: logging.Logger, undo: ExitStack) -> None:
    """Let the handlers that are there show what they showed so far, though more is logged for the file."""
    shown = root.getEffectiveLevel()

    def wanted(record: logging.LogRecord) -> bool:
        return record.levelno >= shown or not record.name.startswith(ROOT_LOGGER)

    for handler in {*root.handlers, *logging.root.handlers}:
        handler.addFilter(wanted)  # not a level: the progress bar's handler takes over filters alone
        undo.callback(handler.removeFilter, wanted)


def _on_terminal(which: logging.Logger) -> bool:
    """Tell whether a logger writes to the terminal, where its lines must not tear the progress bar."""
    return any(getattr(handler, "stream", None) in (sys.stderr, sys.stdout) for handler in which.handlers)


class _LogFile(logging.FileHandler):
    """A log file which lets the run know that it cannot be written, instead of printing a traceback and going on."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, encoding="utf-8", delay=True)
        self.held: list[logging.LogRecord] | None = []

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, or hold it until the file is begun."""
        if self.held is None:
            super().emit(record)
        else:
            self.held.append(record)

    def begin(self) -> None:
        """Write what was held, and from now on each line as it comes."""
        held, self.held = self.held or [], None
        for record in held:
            self.handle(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # logging's name
        """Let the error out, of which this is called in the handling."""
        raise  # noqa: PLE0704

    def close(self) -> None:
        """Close the file; what a full disk did not take is lost."""
        with suppress(OSError):
            super().close()


class RunLog:
    """Writes each logged step and each epoch to the log, `metrics.jsonl`, the trackers and the progress bar."""

    def __init__(
        self,
        path: Path,
        accelerator: Accelerator,
        interval: int,
        total: int,
        done: int,
        losses: list[float],
        show: bool,
    ) -> None:
        """Open the files of a run.

        Args:
            path: `metrics.jsonl`; lines are added.
            accelerator: Says which process writes, and holds the trackers.
            interval: Steps between two lines.
            total: Steps in the whole training.
            done: Steps that a resumed run has done already; what was logged after them is dropped.
            losses: Of the steps since the last line; changed in place, for the checkpoint to keep.
            show: Whether to show a progress bar.
        """
        self.accelerator = accelerator
        self.interval = interval
        self.path = path
        self.main = accelerator.is_main_process
        if self.main:
            _keep_up_to(path, done)
        self.bar = tqdm(
            total=total, initial=done, unit="step", disable=None if show and self.main else True, dynamic_ncols=True
        )
        self._losses = losses
        self._since, self._texts = time.perf_counter(), 0

    def step(self, step: Step, number: int, epoch: int) -> None:
        """Take in an optimiser step; every `interval` steps, write a line.

        Args:
            step: What it was.
            number: Its number from the start of the training, from 1.
            epoch: Counted from 1.
        """
        self._losses.append(step.loss)
        self._texts += step.n_texts
        self.bar.update()
        if number % self.interval:
            return
        rate = self._texts / max(time.perf_counter() - self._since, 1e-9)
        loss = sum(self._losses) / len(self._losses)
        norm = step.grad_norm if math.isfinite(step.grad_norm) else None  # overflowed, as fp16 may: no JSON number
        figures = {"loss": loss, "lr": step.lr, "grad_norm": norm, "texts_per_second": rate}
        self.bar.set_postfix(epoch=epoch, loss=f"{loss:.4f}", lr=f"{step.lr:.2e}", texts_s=f"{rate:.0f}")
        self._write({"event": "step", "epoch": epoch, "step": number} | figures)
        self._track({f"train/{name}": value for name, value in figures.items()}, number)
        logger.info(
            "epoch %d step %d: loss %.4f, lr %.3g, gradient norm %.3f, %.0f texts/s",
            epoch, number, loss, step.lr, step.grad_norm, rate,
        )  # fmt: skip
        self._begin_line()

    def epoch(self, record: dict[str, Any], number: int, note: str) -> None:
        """Write what an epoch came to.

        Args:
            record: Its number, training loss and scores on val.
            number: Optimiser steps so far.
            note: What follows from it, in words.
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
        self._losses.clear()
        self._since, self._texts = time.perf_counter(), 0

    def _write(self, record: dict[str, Any]) -> None:
        if self.main:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"time": round(time.time(), 3), **record}, ensure_ascii=False) + "\n")

    def _track(self, figures: dict[str, float | None], number: int) -> None:
        self.accelerator.log({name: value for name, value in figures.items() if value is not None}, step=number)


def _keep_up_to(path: Path, step: int) -> None:
    """Drop the lines that a killed run wrote after its checkpoint; they will be written again."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line + "\n")
        except (ValueError, KeyError, TypeError):
            continue  # a line cut off when the process was killed
    write_atomic("".join(kept), path)
