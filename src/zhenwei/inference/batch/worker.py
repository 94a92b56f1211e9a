"""Predict one input file to its shard; every engine runs this, in any process."""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import IO, Literal, TypeVar

from zhenwei.atomic import atomic_file
from zhenwei.config import check_device
from zhenwei.errors import CheckpointError, ConfigError, DataError, ZhenweiError
from zhenwei.hashing import file_sha256
from zhenwei.inference.batch.shards import Shard, ShardRecord, bundle_version, read_record
from zhenwei.inference.batch.writers import shard_writer
from zhenwei.inference.detector import CHUNK, Detector
from zhenwei.inference.prediction import Prediction
from zhenwei.news import Article
from zhenwei.news.io.files import iter_numbered_articles
from zhenwei.news.io.raw_row import RawRow
from zhenwei.news.io.validation import BadRows

OnError = Literal["skip", "fail"]
OnRows = Callable[[int], object]  # called with the number of new rows

T = TypeVar("T")
NumberedArticle = tuple[int, Article]
NumberedPrediction = tuple[int, Prediction]


@dataclass(frozen=True)
class ShardOutcome:
    """The result for one input file.

    Attributes:
        stem: File name of the shard, without its suffix.
        rows: Number of rows in the shard.
        bad_rows: Number of rows of the input that could not be used.
        fake: Number of rows predicted as fake.
        unsure: Number of rows without a verdict.
        problem: Why there is no shard; None if there is one.
        process: Id of the process that wrote it.
    """

    stem: str
    rows: int = 0
    bad_rows: int = 0
    fake: int = 0
    unsure: int = 0
    problem: str | None = None
    process: int = field(default_factory=os.getpid)


@dataclass(frozen=True)
class ShardWorker:
    """Predicts input files to shards; it can be pickled, and loads its detector on first use in a process.

    Attributes:
        run: The folder of a run or a bundle.
        bundle: Expected version of the bundle.
        device: As `Detector` takes it.
        with_text: Whether the shards contain the texts.
        on_error: `skip`: bad rows are listed and skipped; `fail`: a file with a bad row has no shard.
        precision: As `Detector` takes it.
        always: As `Detector` takes it.
        threads: Number of PyTorch's threads; None: its default.
    """

    run: Path
    bundle: str
    device: str = "auto"
    with_text: bool = False
    on_error: OnError = "skip"
    precision: str = "float32"
    always: bool = False
    threads: int | None = None

    @cached_property
    def detector(self) -> Detector:
        """The detector.

        Raises:
            CheckpointError: If there is no detector, or it is of another version.
        """
        if self.threads is not None:
            import torch  # noqa: PLC0415 - the main process does not need it

            torch.set_num_threads(self.threads)
        detector = Detector.load(self.run, self.device, self.precision, always=self.always)
        if bundle_version(self.run) != self.bundle:
            raise CheckpointError(f"{self.run}: the bundle has changed meanwhile; start again")
        return detector

    def check(self) -> None:
        """Check the detector once, before any worker process starts.

        Raises:
            CheckpointError: If there is no detector, or it is damaged.
            ConfigError: If the device is unknown.
        """
        Detector.load(self.run, "cpu")
        try:
            check_device(self.device)
        except ValueError as error:
            raise ConfigError(f"device: {error}") from None

    def __call__(self, shard: Shard, on_rows: OnRows | None = None) -> ShardOutcome:
        """Predict one input file; an error is returned as the problem of the outcome, and no shard is written."""
        try:
            record = self._write(shard, on_rows or (lambda _count: None))
        except ZhenweiError as error:
            return ShardOutcome(shard.path.stem, problem=str(error))
        return ShardOutcome(shard.path.stem, record.rows, record.bad_rows, record.fake, record.unsure)

    def _write(self, shard: Shard, on_rows: OnRows) -> ShardRecord:
        """Write shard, bad rows and record; the record is renamed into place first, with the digest of the shard.

        A shard without a record is therefore not ours, and a record without its shard means an interruption.
        """
        old_record, stat = read_record(shard), _read(shard.source, _size_and_mtime)
        input_sha256 = _read(shard.source, file_sha256)
        with atomic_file(shard.path) as temporary:
            with atomic_file(shard.errors) as error_list:
                verdicts, bad_rows = self._predict(shard, temporary, error_list, on_rows)
            if not bad_rows:
                shard.errors.unlink()
            if _read(shard.source, _size_and_mtime) != stat:
                raise DataError(f"{shard.source}: changed during the prediction; start again")
            record = ShardRecord(
                shard.path.name, file_sha256(temporary), shard.source.name, input_sha256, self.bundle, self.with_text,
                self.precision, self.always, verdicts.total(), bad_rows, verdicts["fake"], verdicts["unsure"],
            )  # fmt: skip
            with atomic_file(shard.record) as path:
                path.write_text(record.to_json(), encoding="utf-8")
        if old_record is not None and old_record.shard != shard.path.name:  # of another format
            shard.path.with_name(old_record.shard).unlink(missing_ok=True)
        return record

    def _predict(self, shard: Shard, target: Path, error_list: Path, on_rows: OnRows) -> tuple[Counter[str], int]:
        """Stream predictions and bad rows to two files; return the number of rows by verdict, and of bad rows."""
        verdicts: Counter[str] = Counter()
        with error_list.open("w", encoding="utf-8", errors="backslashreplace") as file:
            rows = _InputRows(shard.source, self.on_error, file)
            with shard_writer(target, shard.path.suffix[1:], self.with_text) as write:
                for chunk in rows.predict(self.detector):
                    for number, prediction in chunk:
                        write(number, prediction)
                        verdicts[prediction.verdict] += 1
                    on_rows(len(chunk))
        return verdicts, rows.bad.count


class _InputRows:
    """The rows of one input file; bad ones are counted and listed."""

    def __init__(self, source: Path, on_error: OnError, error_list: IO[str]) -> None:
        self.bad = BadRows(source)
        self._source, self._on_error, self._error_list = source, on_error, error_list
        self._last = 0

    def predict(self, detector: Detector) -> Iterator[list[NumberedPrediction]]:
        """Predict on the rows; the chunks, and so the probabilities, are the same for every engine.

        Raises:
            DataError: If the file cannot be read, or it has bad rows and `on_error` is `fail`.
        """
        articles = iter_numbered_articles(self._source, report_repeats=False, on_bad_row=self._add_bad_row)
        while chunk := list(islice(articles, CHUNK)):
            self._last = max(self._last, chunk[-1][0])
            if self._on_error == "fail" and self.bad.count:
                continue  # there will be no shard: the other rows are read only to report the bad ones
            yield self._predict_chunk(detector, chunk)
        if self._on_error == "fail":
            self.bad.raise_if_any(self._last)

    def _predict_chunk(self, detector: Detector, chunk: list[NumberedArticle]) -> list[NumberedPrediction]:
        try:
            return _predict(detector, chunk)
        except DataError:  # an article lacks a field that this detector needs: find it
            return _predict(detector, [row for row in chunk if self._is_usable(detector, row)])

    def _is_usable(self, detector: Detector, row: NumberedArticle) -> bool:
        try:
            _predict(detector, [row])
        except DataError as error:
            self._add_bad_row(RawRow(row[0]), str(error).removeprefix("row 1: "))
            return False
        return True

    def _add_bad_row(self, row: RawRow, problem: str) -> None:
        self._last = max(self._last, row.number)
        self.bad.add(row.location, problem)
        location = {"row": row.number} if row.line is None else {"row": row.number, "line": row.line}
        entry = {"file": self._source.name, **location, "problem": problem}
        self._error_list.write(json.dumps(entry, ensure_ascii=False) + "\n")


def _predict(detector: Detector, chunk: list[NumberedArticle]) -> list[NumberedPrediction]:
    predictions = detector.predict_articles(article for _, article in chunk)
    return [(number, prediction) for (number, _), prediction in zip(chunk, predictions, strict=True)]


def _read(path: Path, read: Callable[[Path], T]) -> T:
    """Return what a function reads of a file; an error becomes a `DataError`."""
    try:
        return read(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None


def _size_and_mtime(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns
