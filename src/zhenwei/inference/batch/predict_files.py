"""Predict on files of any size: plan the shards, run an engine on those that are missing, and summarize."""

import glob
import logging
import os
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, Literal

from tqdm import tqdm

from zhenwei.bundle.device import check_prediction_precision
from zhenwei.errors import ConfigError, DataError
from zhenwei.inference.batch.local import predict_locally
from zhenwei.inference.batch.ray import LOCAL, predict_on_ray
from zhenwei.inference.batch.shards import Shard, ShardRecord, bundle_version, lock_folder, plan_shards, reusable_record
from zhenwei.inference.batch.summary import (
    BatchSummary,
    IncompleteBatchError,
    InterruptedBatchError,
    ShardReport,
    State,
    check_complete,
)
from zhenwei.inference.batch.worker import OnError, OnRows, ShardOutcome, ShardWorker
from zhenwei.inference.batch.writers import SHARD_FORMATS, ShardFormat
from zhenwei.news.io.files import check_article_file

logger = logging.getLogger(__name__)

__all__ = ["BatchSummary", "Engine", "IncompleteBatchError", "InterruptedBatchError", "find_files", "predict_files"]

Engine = Literal["local", "ray"]


def find_files(patterns: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Return the files that paths and patterns name, each once, in the order of the patterns, then by name.

    Raises:
        DataError: If a pattern matches nothing, or a file is missing, empty, or of an unknown format.
    """
    files: dict[Path, None] = {}
    for pattern in (os.fspath(each) for each in patterns):
        plain = Path(pattern).exists() or not glob.has_magic(pattern)
        matches = [pattern] if plain else sorted(glob.glob(pattern, recursive=True))
        if not matches:
            raise DataError(f"--file: no file matches {pattern!r}")
        files |= dict.fromkeys(map(check_article_file, matches))
    return list(files)


def predict_files(
    run: str | os.PathLike[str],
    files: Iterable[str | os.PathLike[str]],
    folder: str | os.PathLike[str],
    *,
    engine: Engine = "local",
    workers: int | None = None,
    address: str | None = None,
    device: str = "auto",
    precision: str = "float32",
    always: bool = False,
    on_error: OnError = "skip",
    format: ShardFormat | None = None,
    with_text: bool = False,
    overwrite: bool = False,
    progress: bool = True,
) -> BatchSummary:
    """Predict on files of articles, and write one shard for each file to a folder.

    Memory does not grow with the number of rows. A complete shard of the same input and bundle is reused, so that the
    same call resumes after an interruption.

    Args:
        run: The folder of a run or a bundle.
        files: Files, or patterns such as `posts/*.parquet`.
        folder: The folder of the shards.
        engine: `local`, or `ray` for Ray Data.
        workers: Number of processes, each with its own detector. Default: 1; with Ray, the number of GPUs or CPUs. Each
            file is processed by one worker.
        address: Of a Ray cluster, or `auto`; None starts Ray on this machine.
        device: As `Detector` takes it.
        precision: As `Detector` takes it.
        always: As `Detector` takes it.
        on_error: `skip`: bad rows are listed beside the shard and skipped, and an unreadable file does not stop the
            others; `fail`: the first file with a bad row stops the call.
        format: Of the shards; None: that of each input, with JSON lines for JSON.
        with_text: Whether the shards contain the texts.
        overwrite: Whether shards of another bundle, input, precision or format may be replaced.
        progress: Whether to show a progress bar if standard error is a terminal.

    Returns:
        The results for all files.

    Raises:
        ConfigError: If a setting is invalid, or Ray is not available.
        CheckpointError: If there is no bundle, or it is damaged.
        DataError: If a file is missing, the folder contains other files, or another process writes to it.
        IncompleteBatchError: If files failed.
        InterruptedBatchError: On Ctrl-C.
    """
    _check_settings(engine, workers, address, on_error, format)
    check_prediction_precision(precision)
    target, version = Path(folder), bundle_version(Path(run))
    shards = plan_shards(find_files(files), target, format)
    summary = BatchSummary(str(target), version, engine)
    with lock_folder(target):
        pending: dict[str, tuple[Shard, ShardReport]] = {}
        for shard in shards:
            report = ShardReport(str(shard.source), str(shard.path))
            summary.shards.append(report)
            record = reusable_record(
                shard, bundle=version, with_text=with_text, precision=precision, always=always,
                allow_bad_rows=on_error == "skip", overwrite=overwrite,
            )  # fmt: skip
            if record is None:
                pending[shard.path.stem] = (shard, report)
            else:
                _fill(report, shard, "reused", record)
        if pending:
            worker = ShardWorker(Path(run), version, device, with_text, on_error, precision, always)
            predict = partial(predict_on_ray, address=address or LOCAL) if engine == "ray" else predict_locally
            _run(predict, worker, pending, summary, workers, progress)
    check_complete(summary)
    return summary


def _check_settings(engine: str, workers: int | None, address: str | None, on_error: str, format: str | None) -> None:
    choices = (
        ("--engine", engine, ("local", "ray")),
        ("--on-error", on_error, ("skip", "fail")),
        ("--format", format, (*SHARD_FORMATS, None)),
    )
    for name, value, expected in choices:
        if value not in expected:
            raise ConfigError(f"{name}: found {value!r}; expected {', '.join(filter(None, expected))}")
    if workers is not None and workers < 1:
        raise ConfigError(f"--workers: found {workers}; expected 1 or more")
    if address is not None and engine != "ray":
        raise ConfigError("--address: is of a Ray cluster; expected --engine ray with it")


def _run(
    predict: Callable[[ShardWorker, Sequence[Shard], int | None, OnRows], Generator[ShardOutcome]],
    worker: ShardWorker,
    pending: dict[str, tuple[Shard, ShardReport]],
    summary: BatchSummary,
    workers: int | None,
    progress: bool,
) -> None:
    """Run an engine on the pending shards, and fill in their reports."""
    start = time.perf_counter()
    shards = [shard for shard, _ in pending.values()]
    with tqdm(unit=" posts", disable=None if progress else True, dynamic_ncols=True) as bar:
        bar.set_postfix_str(f"{summary.complete}/{len(summary.shards)} files")
        try:
            with closing(predict(worker, shards, workers, bar.update)) as outcomes:
                for outcome in outcomes:
                    _report(outcome, *pending[outcome.stem], summary, bar)
                    if outcome.problem is not None and worker.on_error == "fail":
                        break
        except KeyboardInterrupt:
            raise InterruptedBatchError(f"interrupted: {summary.progress}") from None
        finally:
            summary.seconds = time.perf_counter() - start


def _report(outcome: ShardOutcome, shard: Shard, report: ShardReport, summary: BatchSummary, bar: Any) -> None:
    if outcome.problem is None:
        _fill(report, shard, "predicted", outcome)
    else:
        report.state, report.problem = "failed", outcome.problem
    bar.set_postfix_str(f"{summary.complete}/{len(summary.shards)} files")
    if bar.disable:  # a log instead of a bar
        result = f"{outcome.rows:,} rows, {outcome.bad_rows:,} bad" if outcome.problem is None else "failed"
        logger.info("%s: %s (%d of %d files)", shard.path, result, summary.complete, len(summary.shards))


def _fill(report: ShardReport, shard: Shard, state: State, counts: ShardOutcome | ShardRecord) -> None:
    report.state, report.rows, report.bad_rows = state, counts.rows, counts.bad_rows
    report.fake, report.unsure = counts.fake, counts.unsure
    report.errors = str(shard.errors) if counts.bad_rows else None
