"""Shards: what each input file becomes, where it lies, and whether one that is there may stay.

    scored/part-01.jsonl                        the verdicts on posts/part-01.parquet
    scored/_account/part-01.json                its record: of which input and bundle, with which digests
    scored/_account/part-01.errors.jsonl        the rows that could not be used, if there are any

Nothing but shards lies in the folder itself, so that it can be read as one data set: readers of whole folders (pyarrow,
pandas, Spark) pass over names that begin with an underscore.
"""

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from filelock import FileLock, Timeout

import zhenwei
from zhenwei.atomic import reason_of
from zhenwei.bundle.bundle import DESCRIPTION, find_bundle
from zhenwei.errors import DataError
from zhenwei.hashing import file_sha256
from zhenwei.inference.batch.writers import SHARD_FORMATS, ShardFormat

logger = logging.getLogger(__name__)

ACCOUNT = "_account"
LOCK = ".lock"


@dataclass(frozen=True)
class Shard:
    """One input file, and the file that it becomes."""

    source: Path
    path: Path

    @property
    def record(self) -> Path:
        """Where its record lies; written last but for the shard's own rename, it is what makes the shard whole."""
        return self.path.parent / ACCOUNT / f"{self.path.stem}.json"

    @property
    def errors(self) -> Path:
        """Where its bad rows are listed."""
        return self.path.parent / ACCOUNT / f"{self.path.stem}.errors.jsonl"

    def absolute(self) -> "Shard":
        """The same for a process with another working folder."""
        return Shard(self.source.absolute(), self.path.absolute())


@dataclass(frozen=True)
class ShardRecord:
    """What is known of a whole shard.

    Attributes:
        shard: The shard's file name.
        shard_sha256: Its digest: a shard that differs is not the one that was written.
        input: The input's file name.
        input_sha256: Its digest when it was scored.
        bundle: The version of the bundle that scored it; see `bundle_version`.
        with_text: Whether the shard holds the texts.
        precision: In which it was scored, as `Detector` takes it.
        rows: Rows in the shard.
        bad_rows: Rows of the input that could not be used.
        fake: Rows in the shard that were called fake.
        zhenwei_version: What wrote it.
    """

    shard: str
    shard_sha256: str
    input: str
    input_sha256: str
    bundle: str
    with_text: bool
    precision: str
    rows: int
    bad_rows: int
    fake: int
    zhenwei_version: str = zhenwei.__version__

    def to_json(self) -> str:
        """The record as its file holds it."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"


def read_record(shard: Shard) -> ShardRecord | None:
    """Return a shard's record, or None where there is none that can be read."""
    try:
        values = {"precision": "float32"} | json.loads(shard.record.read_text(encoding="utf-8"))  # there was no other
        if set(values) != {field.name for field in fields(ShardRecord)}:
            return None
        return ShardRecord(**values)
    except (OSError, ValueError, TypeError):
        return None


def bundle_version(run: Path) -> str:
    """Return what tells a bundle from every other: the digest of its description.

    The description holds the digests of weights, tokenizer and settings, the threshold and the calibration: all that
    a score depends on.

    Raises:
        CheckpointError: There is no bundle.
    """
    return file_sha256(find_bundle(run) / DESCRIPTION)


def plan_shards(sources: Sequence[Path], folder: Path, format: ShardFormat | None) -> list[Shard]:
    """Say which shard each input file becomes.

    Args:
        sources: The input files.
        folder: Where the shards shall lie.
        format: Of all shards; None: each like its input, JSON as JSON lines.

    Raises:
        DataError: Two files would become the same shard, or the folder is an input's own.
    """
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder}: is a file; expected the name of a folder for the shards")
    shards: dict[str, Shard] = {}
    for source in sources:
        if source.resolve().parent == folder.resolve():
            raise DataError(f"{folder}: is the folder of the input {source.name}; choose another one for the shards")
        own = source.suffix.lower().removeprefix(".")
        suffix = format or (own if own in SHARD_FORMATS else "jsonl")
        shard = Shard(source, folder / f"{source.stem}.{suffix}")
        earlier = shards.setdefault(source.stem.casefold(), shard)
        if earlier is not shard:
            raise DataError(
                f"{earlier.source} and {source} would both become {shard.path}; score them into different folders"
            )
    return list(shards.values())


def kept_record(
    shard: Shard, *, bundle: str, with_text: bool, precision: str, without_bad_rows: bool, overwrite: bool
) -> ShardRecord | None:
    """Say whether a shard is there already, whole and as it would be made now.

    Args:
        shard: The shard.
        bundle: Version of the bundle that would score it.
        with_text: Whether the texts are wanted in it.
        precision: In which it would be scored.
        without_bad_rows: Whether one whose input had bad rows does not count.
        overwrite: Whether one that is of something else may be replaced.

    Returns:
        Its record if it may stay, None if it is to be scored.

    Raises:
        DataError: Something else is there, and may not be replaced.
    """
    record = read_record(shard)
    if record is None:
        if shard.path.exists() and not shard.record.exists() and not overwrite:
            raise DataError(
                f"{shard.path}: is there, but was not written by this command; choose another folder, or --overwrite"
            )
        return None
    difference = _difference(shard, record, bundle, with_text, precision)
    if difference is not None:
        if overwrite:
            return None
        raise DataError(f"{shard.path.with_name(record.shard)}: {difference}; choose another folder, or --overwrite")
    if not shard.path.exists() or (without_bad_rows and record.bad_rows):
        return None
    if file_sha256(shard.path) != record.shard_sha256:
        logger.warning("%s: is not the file that was written (sha256 differs): it is scored again", shard.path)
        return None
    return record


def _difference(shard: Shard, record: ShardRecord, bundle: str, with_text: bool, precision: str) -> str | None:
    """What tells the shard that is there from the one that is wanted, in words."""
    if record.bundle != bundle:
        return f"was scored by another bundle ({record.bundle[:12]}, this one is {bundle[:12]})"
    if record.shard != shard.path.name:
        return f"is the shard of {record.input} already, in another format"
    if record.with_text != with_text:
        return f"was written {'with' if record.with_text else 'without'} the texts"
    if record.precision != precision:
        return f"was scored in precision '{record.precision}', not '{precision}'"
    if record.input_sha256 != file_sha256(shard.source):
        return f"was scored from another content of {record.input} than that of {shard.source}"
    return None


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Make a folder of shards ready, keep every other scoring out of it, and leave no half-written file in it.

    Raises:
        DataError: Another process scores into it, or it cannot be written.
    """
    account = folder / ACCOUNT
    lock = FileLock(account / LOCK, timeout=0)
    try:
        account.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise DataError(f"{folder}: another process is scoring into it; wait for its end, or choose another") from None
    except OSError as error:
        raise DataError(f"{folder}: cannot be written ({reason_of(error)})") from None
    try:
        _clear(folder)
        yield
    finally:
        _clear(folder)  # what a worker left that was killed
        lock.release()


def _clear(folder: Path) -> None:
    for place in (folder, folder / ACCOUNT):
        for leftover in place.glob(".*.tmp"):
            leftover.unlink(missing_ok=True)
