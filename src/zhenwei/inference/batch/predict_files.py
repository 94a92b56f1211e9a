"""Files of any size to shards of verdicts: planned, scored by an engine, resumable, and accounted for."""

import glob
import logging
import os
import time
from collections.abc import Generator, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

from tqdm import tqdm

from zhenwei.bundle.device import check_prediction_precision
from zhenwei.errors import ConfigError, DataError
from zhenwei.inference.batch.local import score_locally
from zhenwei.inference.batch.ray import LOCAL, score_on_ray
from zhenwei.inference.batch.shards import Shard, bundle_version, kept_record, lock_folder, plan_shards
from zhenwei.inference.batch.summary import (
    InterruptedScoringError,
    ScoringSummary,
    ShardReport,
    UnfinishedScoringError,
    conclude,
    how_to_go_on,
)
from zhenwei.inference.batch.worker import OnError, OnRows, ShardOutcome, ShardScorer
from zhenwei.inference.batch.writers import SHARD_FORMATS, ShardFormat
from zhenwei.news.io.files import check_article_file

logger = logging.getLogger(__name__)

__all__ = ["Engine", "InterruptedScoringError", "ScoringSummary", "UnfinishedScoringError", "find_files", "score_files"]

Engine = Literal["local", "ray"]


def find_files(patterns: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Return the files that paths and patterns name, each once, in the order of the patterns and then by name.

    Raises:
        DataError: A pattern matches nothing, or a file is missing, empty, or of a format that is none of ours.
    """
    found: dict[Path, None] = {}
    for pattern in [os.fspath(pattern) for pattern in patterns]:
        plain = Path(pattern).exists() or not glob.has_magic(pattern)
        matches = [pattern] if plain else sorted(glob.glob(pattern, recursive=True))
        if not matches:
            raise DataError(f"--file: no file matches {pattern!r}")
        found |= dict.fromkeys(map(check_article_file, matches))
    return list(found)


def score_files(
    run: str | os.PathLike[str],
    files: Iterable[str | os.PathLike[str]],
    folder: str | os.PathLike[str],
    *,
    engine: Engine = "local",
    workers: int | None = None,
    address: str | None = None,
    device: str = "auto",
    precision: str = "float32",
    on_error: OnError = "skip",
    format: ShardFormat | None = None,
    with_text: bool = False,
    overwrite: bool = False,
    progress: bool = True,
) -> ScoringSummary:
    """Score files of articles into a folder of shards, one for each file.

    Memory does not grow with the rows. A shard that is there already, whole, of the same input and the same bundle
    is kept: the same call goes on where an earlier one ended, however it ended.

    Args:
        run: The run's folder, or the bundle.
        files: Files or patterns such as `posts/*.parquet`.
        folder: Where the shards shall lie.
        engine: `local`, or `ray` for Ray Data.
        workers: How many processes, each with a detector of its own; by default 1, and with Ray as many as it has
            GPUs or CPUs. A file is scored by one of them: more workers than files are of no use.
        address: Of the Ray cluster, or `auto`; None: a Ray of our own on this machine.
        device: As `Detector` takes it.
        precision: As `Detector` takes it.
        on_error: `skip`: bad rows are left out and listed beside the shard, and a file that cannot be read does not
            stop the others; `fail`: the first file with a bad row ends it.
        format: Of the shards; None: each like its input, JSON as JSON lines.
        with_text: Whether the shards hold the texts, too.
        overwrite: Whether shards of another bundle, input, precision or format may be replaced.
        progress: Whether to show a progress bar, where standard error is a terminal.

    Returns:
        What became of each file.

    Raises:
        ConfigError: A setting is none of ours, or Ray is not there.
        CheckpointError: There is no bundle, or it is damaged.
        DataError: A file is missing, something else is in the folder, or another process scores into it.
        UnfinishedScoringError: Files could not be scored.
        InterruptedScoringError: Ctrl-C.
    """
    _check(engine, workers, address, on_error, format)
    check_prediction_precision(precision)
    place, version = Path(folder), bundle_version(Path(run))
    shards = plan_shards(find_files(files), place, format)
    summary = ScoringSummary(str(place), version, engine)
    with lock_folder(place):
        todo: dict[str, tuple[Shard, ShardReport]] = {}
        for shard in shards:
            report = ShardReport(str(shard.source), str(shard.path))
            summary.shards.append(report)
            record = kept_record(
                shard, bundle=version, with_text=with_text, precision=precision, without_bad_rows=on_error == "fail",
                overwrite=overwrite,
            )  # fmt: skip
            if record is None:
                todo[shard.path.stem] = (shard, report)
            else:
                _fill(report, shard, "kept", record.rows, record.bad_rows, record.fake)
        if todo:
            scorer = ShardScorer(Path(run), version, device, with_text, on_error, precision)
            _carry_out(scorer, todo, summary, engine, workers, address or LOCAL, progress)
    conclude(summary)
    return summary


def _check(engine: str, workers: int | None, address: str | None, on_error: str, format: str | None) -> None:
    choices = (
        ("--engine", engine, ("local", "ray")),
        ("--on-error", on_error, ("skip", "fail")),
        ("--format", format, (*SHARD_FORMATS, None)),
    )
    for name, found, expected in choices:
        if found not in expected:
            raise ConfigError(f"{name}: found {found!r}; expected {', '.join(filter(None, expected))}")
    if workers is not None and workers < 1:
        raise ConfigError(f"--workers: found {workers}; expected 1 or more")
    if address is not None and engine != "ray":
        raise ConfigError("--address: is of a Ray cluster; expected --engine ray with it")


def _carry_out(
    scorer: ShardScorer,
    todo: dict[str, tuple[Shard, ShardReport]],
    summary: ScoringSummary,
    engine: Engine,
    workers: int | None,
    address: str,
    progress: bool,
) -> None:
    """Let an engine score what is to be scored, and note what becomes of it."""
    begun = time.perf_counter()
    shards = [shard for shard, _ in todo.values()]
    with tqdm(unit=" posts", disable=None if progress else True, dynamic_ncols=True) as bar:
        bar.set_postfix_str(f"{summary.whole}/{len(summary.shards)} files")
        try:
            with closing(_outcomes(scorer, shards, engine, workers, address, bar.update)) as outcomes:
                for outcome in outcomes:
                    _note(outcome, *todo[outcome.stem], summary, bar)
                    if outcome.problem is not None and scorer.on_error == "fail":
                        break
        except KeyboardInterrupt:
            raise InterruptedScoringError(f"interrupted: {how_to_go_on(summary)}") from None
        finally:
            summary.seconds = time.perf_counter() - begun


def _outcomes(
    scorer: ShardScorer, shards: list[Shard], engine: Engine, workers: int | None, address: str, on_rows: OnRows
) -> Generator[ShardOutcome]:
    if engine == "ray":
        scorer.check()
        return score_on_ray(scorer, shards, workers, on_rows, address)
    return score_locally(scorer, shards, workers or 1, on_rows)


def _note(outcome: ShardOutcome, shard: Shard, report: ShardReport, summary: ScoringSummary, bar: Any) -> None:
    if outcome.problem is None:
        _fill(report, shard, "scored", outcome.rows, outcome.bad_rows, outcome.fake)
    else:
        report.state, report.problem = "failed", outcome.problem
    bar.set_postfix_str(f"{summary.whole}/{len(summary.shards)} files")
    if bar.disable:  # a log without a bar
        told = f"{outcome.rows:,} rows, {outcome.bad_rows:,} bad" if outcome.problem is None else "failed"
        logger.info("%s: %s (%d of %d files)", shard.path, told, summary.whole, len(summary.shards))


def _fill(
    report: ShardReport, shard: Shard, state: Literal["scored", "kept"], rows: int, bad_rows: int, fake: int
) -> None:
    report.state, report.rows, report.bad_rows, report.fake = state, rows, bad_rows, fake
    report.errors = str(shard.errors) if bad_rows else None
