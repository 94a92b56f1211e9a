"""Shards: the output file of each input file, its record, and whether an existing shard can be reused.

    predicted/part-01.jsonl                     the predictions on posts/part-01.parquet
    predicted/_records/part-01.json             its record: input and bundle, with their digests
    predicted/_records/part-01.errors.jsonl     the rows that could not be used, if there are any

The folder itself contains only shards, so that it can be read as one dataset: readers of whole folders (pyarrow,
pandas, Spark) skip names that begin with an underscore.
"""

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

import zhenwei
from zhenwei.atomic import reason_of
from zhenwei.bundle.bundle import DESCRIPTION, find_bundle
from zhenwei.errors import DataError
from zhenwei.hashing import file_sha256
from zhenwei.inference.batch.writers import SHARD_FORMATS, ShardFormat

logger = logging.getLogger(__name__)

RECORDS = "_records"
LOCK = ".lock"


@dataclass(frozen=True)
class Shard:
    """An input file and its output file."""

    source: Path
    path: Path

    @property
    def record(self) -> Path:
        """Path of its record, which is written just before the shard: a shard without one is not ours."""
        return self.path.parent / RECORDS / f"{self.path.stem}.json"

    @property
    def errors(self) -> Path:
        """Path of the list of its bad rows."""
        return self.path.parent / RECORDS / f"{self.path.stem}.errors.jsonl"


@dataclass(frozen=True)
class ShardRecord:
    """The record of a complete shard.

    Attributes:
        shard: File name of the shard.
        shard_sha256: Its digest, by which a changed shard is detected.
        input: File name of the input.
        input_sha256: Digest of the input.
        bundle: Version of the bundle; see `bundle_version`.
        with_text: Whether the shard contains the texts.
        precision: As `Detector` takes it.
        always: As `Detector` takes it.
        rows: Number of rows in the shard.
        bad_rows: Number of rows of the input that could not be used.
        fake: Number of rows predicted as fake.
        unsure: Number of rows without a verdict.
        zhenwei_version: The version that wrote it.
    """

    shard: str
    shard_sha256: str
    input: str
    input_sha256: str
    bundle: str
    with_text: bool
    precision: str
    always: bool
    rows: int
    bad_rows: int
    fake: int
    unsure: int
    zhenwei_version: str = zhenwei.__version__

    def to_json(self) -> str:
        """Return the content of the record's file."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"


def read_record(shard: Shard) -> ShardRecord | None:
    """Return the record of a shard, or None if it is missing or invalid."""
    try:
        return ShardRecord(**json.loads(shard.record.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def bundle_version(run: Path) -> str:
    """Return the version of a bundle: the digest of its manifest.

    The manifest contains the digests of weights, tokenizer and settings, the threshold and the calibration: everything
    that a prediction depends on.

    Raises:
        CheckpointError: If there is no bundle.
    """
    return file_sha256(find_bundle(run) / DESCRIPTION)


def plan_shards(sources: Sequence[Path], folder: Path, format: ShardFormat | None) -> list[Shard]:
    """Return the shard of each input file.

    Args:
        sources: The input files.
        folder: The folder of the shards.
        format: Of all shards; None: that of each input, with JSON lines for JSON.

    Raises:
        DataError: If two files have the same shard, or the folder contains an input.
    """
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder}: is a file; expected the name of a folder for the shards")
    shards: dict[str, Shard] = {}
    for source in sources:
        if source.resolve().parent == folder.resolve():
            raise DataError(f"{folder}: is the folder of the input {source.name}; choose another one for the shards")
        suffix = source.suffix.lower().removeprefix(".")
        shard = Shard(source, folder / f"{source.stem}.{format or (suffix if suffix in SHARD_FORMATS else 'jsonl')}")
        other = shards.setdefault(source.stem.casefold(), shard)
        if other is not shard:
            raise DataError(f"{other.source} and {source} have the same shard {shard.path}; use different folders")
    return list(shards.values())


def reusable_record(
    shard: Shard, *, bundle: str, with_text: bool, precision: str, always: bool, allow_bad_rows: bool, overwrite: bool
) -> ShardRecord | None:
    """Return the record of an existing shard that is complete and equal to what would be written now.

    Args:
        shard: The shard.
        bundle: Version of the bundle.
        with_text: Whether the shard must contain the texts.
        precision: Of the prediction.
        always: Whether every row has a verdict.
        allow_bad_rows: Whether a shard whose input has bad rows is complete.
        overwrite: Whether a shard with other settings may be replaced.

    Returns:
        Its record; None if it must be written.

    Raises:
        DataError: If there is another file or shard, and `overwrite` is false.
    """
    record = read_record(shard)
    if record is None:
        if shard.path.exists() and not shard.record.exists() and not overwrite:
            raise DataError(
                f"{shard.path}: exists, but was not written by this command; choose another folder, or --overwrite"
            )
        return None
    difference = _difference(shard, record, bundle, with_text, precision, always)
    if difference is not None:
        if overwrite:
            return None
        raise DataError(f"{shard.path.with_name(record.shard)}: {difference}; choose another folder, or --overwrite")
    if not shard.path.exists() or (record.bad_rows and not allow_bad_rows):
        return None
    if file_sha256(shard.path) != record.shard_sha256:
        logger.warning("%s: changed since it was written (sha256 differs): predicting again", shard.path)
        return None
    return record


def _difference(
    shard: Shard, record: ShardRecord, bundle: str, with_text: bool, precision: str, always: bool
) -> str | None:
    """Return how an existing shard differs from the requested one."""
    if record.bundle != bundle:
        return f"was predicted by another bundle ({record.bundle[:12]}, this one is {bundle[:12]})"
    if record.shard != shard.path.name:
        return f"is the shard of {record.input} in another format"
    if record.with_text != with_text:
        return f"was written {'with' if record.with_text else 'without'} the texts"
    if record.precision != precision:
        return f"was predicted in precision '{record.precision}', not '{precision}'"
    if record.always != always:
        return f"was predicted with{'' if record.always else 'out'} --always"
    same_input = record.input_sha256 == file_sha256(shard.source)
    return None if same_input else f"was predicted from another content of {record.input} than that of {shard.source}"


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Create and lock a folder of shards; temporary files in it are deleted before and after.

    Raises:
        DataError: If another process has locked it, or it cannot be written.
    """
    records = folder / RECORDS
    lock = FileLock(records / LOCK, timeout=0)
    try:
        records.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise DataError(f"{folder}: another process is writing to it; wait until it ends, or choose another") from None
    except OSError as error:
        raise DataError(f"{folder}: cannot be written ({reason_of(error)})") from None
    try:
        _delete_temporary(folder)
        yield
    finally:
        _delete_temporary(folder)  # of a killed worker
        lock.release()


def _delete_temporary(folder: Path) -> None:
    for parent in (folder, folder / RECORDS):
        for path in parent.glob(".*.tmp"):
            path.unlink(missing_ok=True)
