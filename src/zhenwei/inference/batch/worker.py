"""One input file to its shard: what every engine does, in whichever process it does it."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import IO, Literal

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
OnRows = Callable[[int], object]  # is told how many more rows have been scored

Numbered = tuple[int, Article]


@dataclass(frozen=True)
class ShardOutcome:
    """What became of one input file.

    Attributes:
        stem: The shard's name, without its suffix.
        rows: Rows in the shard.
        bad_rows: Rows of the input that could not be used.
        fake: Rows that were called fake.
        problem: Why there is no shard, in words; None where there is one.
        worker: Id of the process that did it.
    """

    stem: str
    rows: int = 0
    bad_rows: int = 0
    fake: int = 0
    problem: str | None = None
    worker: int = field(default_factory=os.getpid)


@dataclass(frozen=True)
class ShardScorer:
    """Turns input files into shards; it can be pickled, and loads its one detector where it is first used.

    Attributes:
        run: The run's folder, or the bundle.
        bundle: The version that the bundle must be of.
        device: As `Detector` takes it.
        with_text: Whether the shards hold the texts.
        on_error: Whether a bad row is left out and listed (`skip`), or its file has no shard (`fail`).
        precision: As `Detector` takes it.
        threads: Threads that PyTorch may use; None: its own choice.
    """

    run: Path
    bundle: str
    device: str = "auto"
    with_text: bool = False
    on_error: OnError = "skip"
    precision: str = "float32"
    threads: int | None = None

    @cached_property
    def detector(self) -> Detector:
        """The detector, of the right version.

        Raises:
            CheckpointError: There is none, or another one than the scoring began with.
        """
        if self.threads is not None:
            import torch  # noqa: PLC0415 - the process that only hands out the work does without

            torch.set_num_threads(self.threads)
        detector = Detector.load(self.run, self.device, self.precision)
        if bundle_version(self.run) != self.bundle:
            raise CheckpointError(f"{self.run}: the bundle has changed since the scoring began; start it again")
        return detector

    def check(self) -> None:
        """Find out here, and not in each of the workers, that the detector cannot be used.

        Raises:
            CheckpointError: There is none, or it is damaged.
            ConfigError: No device is so called.
        """
        Detector.load(self.run, "cpu")
        try:
            check_device(self.device)
        except ValueError as error:
            raise ConfigError(f"device: {error}") from None

    def __call__(self, shard: Shard, on_rows: OnRows | None = None) -> ShardOutcome:
        """Score one input file; a mistake of the user's comes back as the outcome's problem, and leaves no shard."""
        try:
            record = self._write(shard, on_rows or (lambda _count: None))
        except ZhenweiError as error:
            return ShardOutcome(shard.path.stem, problem=str(error))
        return ShardOutcome(shard.path.stem, record.rows, record.bad_rows, record.fake)

    def _write(self, shard: Shard, on_rows: OnRows) -> ShardRecord:
        """Write shard, bad rows and record: the record comes into place first, and holds the shard's digest.

        So a shard without a record is somebody else's file, and a record without its very shard means that the
        writing was interrupted.
        """
        earlier, before = read_record(shard), _stamp(shard.source)
        input_sha256 = _digest(shard.source)
        with atomic_file(shard.path) as neighbour:
            with atomic_file(shard.errors) as listing:
                written, fake, bad_rows = self._score(shard, neighbour, listing, on_rows)
            if not bad_rows:
                shard.errors.unlink()
            if _stamp(shard.source) != before:
                raise DataError(f"{shard.source}: was changed while it was being scored; start again")
            record = ShardRecord(
                shard.path.name, file_sha256(neighbour), shard.source.name, input_sha256, self.bundle, self.with_text,
                self.precision, written, bad_rows, fake,
            )  # fmt: skip
            with atomic_file(shard.record) as beside:
                beside.write_text(record.to_json(), encoding="utf-8")
        if earlier is not None and earlier.shard != shard.path.name:  # an older one, in another format
            shard.path.with_name(earlier.shard).unlink(missing_ok=True)
        return record

    def _score(self, shard: Shard, target: Path, listing: Path, on_rows: OnRows) -> tuple[int, int, int]:
        """Stream an input's verdicts and its bad rows to two files; returns rows, those called fake, and bad rows."""
        written = fake = 0
        with listing.open("w", encoding="utf-8", errors="backslashreplace") as file:
            rows = _Rows(shard.source, self.on_error, file)
            with shard_writer(target, shard.path.suffix[1:], self.with_text) as write:
                for chunk in rows.chunks(self.detector):
                    for number, prediction in chunk:
                        write(number, prediction)
                        fake += prediction.verdict == "fake"
                    written += len(chunk)
                    on_rows(len(chunk))
        return written, fake, rows.bad.count


class _Rows:
    """The rows of one input: judged chunk by chunk, the bad ones counted and listed."""

    def __init__(self, source: Path, on_error: OnError, listing: IO[str]) -> None:
        self.bad = BadRows(source)
        self._source, self._on_error, self._listing = source, on_error, listing
        self._last = 0

    def chunks(self, detector: Detector) -> Iterator[list[tuple[int, Prediction]]]:
        """Judge the rows; the chunks are the same for every engine, and so are the scores.

        Raises:
            DataError: The file cannot be read, or it has bad rows and none may be left out.
        """
        articles = iter_numbered_articles(self._source, report_repeats=False, on_bad_row=self._note)
        while chunk := list(islice(articles, CHUNK)):
            self._last = max(self._last, chunk[-1][0])
            if self._on_error == "fail" and self.bad.count:
                continue  # there will be no shard: the rest is read only to name its bad rows, too
            yield self._judged(detector, chunk)
        if self._on_error == "fail":
            self.bad.raise_if_any(self._last)

    def _judged(self, detector: Detector, chunk: list[Numbered]) -> list[tuple[int, Prediction]]:
        try:
            return _judge(detector, chunk)
        except DataError:  # an article lacks what this detector needs: find out which
            readable = [row for row in chunk if self._can_be_judged(detector, row)]
            return _judge(detector, readable)

    def _can_be_judged(self, detector: Detector, row: Numbered) -> bool:
        try:
            _judge(detector, [row])
        except DataError as error:
            self._note(RawRow(row[0]), str(error).removeprefix("row 1: "))
            return False
        return True

    def _note(self, row: RawRow, problem: str) -> None:
        self._last = max(self._last, row.number)
        self.bad.add(row.location, problem)
        place = {"row": row.number} if row.line is None else {"row": row.number, "line": row.line}
        told = {"file": self._source.name, **place, "problem": problem}
        self._listing.write(json.dumps(told, ensure_ascii=False) + "\n")


def _judge(detector: Detector, chunk: list[Numbered]) -> list[tuple[int, Prediction]]:
    predictions = detector.predict_articles(article for _, article in chunk)
    return [(number, prediction) for (number, _), prediction in zip(chunk, predictions, strict=True)]


def _digest(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None
    return status.st_size, status.st_mtime_ns
