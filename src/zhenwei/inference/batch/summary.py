"""The summary of a batch prediction, and its errors."""

import logging
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from zhenwei.errors import DataError

logger = logging.getLogger(__name__)

_MAX_PROBLEMS = 10  # in the message of an error
_MAX_ERROR_FILES = 3  # in a warning

State = Literal["predicted", "reused", "failed", "pending"]


@dataclass
class ShardReport:
    """The result for one input file.

    Attributes:
        file: The input.
        shard: Its output.
        state: `predicted` now, `reused` from an earlier call, `failed`, or `pending`.
        rows: Number of rows in the shard.
        bad_rows: Number of rows of the input that could not be used.
        fake: Number of rows predicted as fake.
        unsure: Number of rows without a verdict.
        errors: File that lists the bad rows, if there are any.
        problem: Why it failed.
    """

    file: str
    shard: str
    state: State = "pending"
    rows: int = 0
    bad_rows: int = 0
    fake: int = 0
    unsure: int = 0
    errors: str | None = None
    problem: str | None = None


@dataclass
class BatchSummary:
    """The results for all input files.

    Attributes:
        folder: The folder of the shards.
        bundle: Version of the bundle.
        engine: `local` or `ray`.
        shards: One report for each input file, in their order.
        seconds: Duration, including the start of the workers.
    """

    folder: str
    bundle: str
    engine: str
    shards: list[ShardReport] = field(default_factory=list)
    seconds: float = 0.0

    def count(self, state: State) -> int:
        """Return the number of shards in a state."""
        return sum(shard.state == state for shard in self.shards)

    @property
    def complete(self) -> int:
        """Number of complete shards."""
        return self.count("predicted") + self.count("reused")

    @property
    def progress(self) -> str:
        """Number of complete shards, and how to get the others."""
        return (
            f"{self.complete} of {len(self.shards)} shards in {self.folder} are complete; run the same command again "
            "for the others"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return totals and reports, ready for JSON."""
        names = ("rows", "bad_rows", "fake", "unsure")
        totals = {name: sum(getattr(shard, name) for shard in self.shards) for name in names}
        rows = sum(shard.rows for shard in self.shards if shard.state == "predicted")
        return {
            "folder": self.folder, "bundle": self.bundle, "engine": self.engine, **totals,
            **{state: self.count(state) for state in get_args(State)}, "seconds": self.seconds,
            "rows_per_second": rows / self.seconds if rows and self.seconds else None,
            "shards": [asdict(shard) for shard in self.shards],
        }  # fmt: skip


class IncompleteBatchError(DataError):
    """Some files failed; the shards of the others are complete.

    Attributes:
        summary: The results for all files.
    """

    def __init__(self, message: str, summary: BatchSummary) -> None:
        super().__init__(message)
        self.summary = summary


class InterruptedBatchError(KeyboardInterrupt):
    """Ctrl-C; the shards that were finished are complete. The message says how to resume."""


def check_complete(summary: BatchSummary) -> None:
    """Log the bad rows, and raise an error if files failed.

    Raises:
        IncompleteBatchError: If files failed, or no row could be used.
    """
    failed = [shard for shard in summary.shards if shard.state == "failed"]
    bad = [shard for shard in summary.shards if shard.bad_rows]
    bad_rows = sum(shard.bad_rows for shard in bad)
    if failed:
        heading = f"{len(failed)} of {len(summary.shards)} files failed; {summary.progress}"
        problems = [shard.problem or "" for shard in failed[:_MAX_PROBLEMS]]
        raise IncompleteBatchError("\n  ".join([heading, *problems]), summary)
    if bad_rows and not any(shard.rows for shard in summary.shards):
        raise IncompleteBatchError(
            f"none of {bad_rows} rows can be used; see {bad[0].errors} for those of {bad[0].file}", summary
        )
    if bad_rows:
        files = ", ".join(str(shard.errors) for shard in bad[:_MAX_ERROR_FILES])
        more = f" and {len(bad) - _MAX_ERROR_FILES} more" if len(bad) > _MAX_ERROR_FILES else ""
        logger.warning("%d rows could not be used and were skipped; they are listed in %s%s", bad_rows, files, more)
