"""What became of a scoring's files, for people and for programs."""

import logging
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from zhenwei.errors import DataError

logger = logging.getLogger(__name__)

_SHOWN = 10  # files that an error names
_FILES_WITH_BAD_ROWS_SHOWN = 3


@dataclass
class ShardReport:
    """What became of one input file.

    Attributes:
        file: The input.
        shard: What it became.
        state: `scored` now, `kept` from an earlier time, `failed`, or `waiting` for its turn.
        rows: Rows in the shard.
        bad_rows: Rows of the input that could not be used.
        fake: Rows that were called fake.
        errors: The file that lists the bad rows, if there are any.
        problem: Why it failed.
    """

    file: str
    shard: str
    state: Literal["scored", "kept", "failed", "waiting"] = "waiting"
    rows: int = 0
    bad_rows: int = 0
    fake: int = 0
    errors: str | None = None
    problem: str | None = None


@dataclass
class ScoringSummary:
    """What became of all input files.

    Attributes:
        folder: Where the shards are.
        bundle: The version of the bundle.
        engine: What scored them.
        shards: One report for each input file, in their order.
        seconds: How long the scoring took, start of the workers included.
    """

    folder: str
    bundle: str
    engine: str
    shards: list[ShardReport] = field(default_factory=list)
    seconds: float = 0.0

    def count(self, state: str) -> int:
        """How many shards are in a state."""
        return sum(shard.state == state for shard in self.shards)

    @property
    def whole(self) -> int:
        """How many shards are in the folder, whole."""
        return self.count("scored") + self.count("kept")

    def to_dict(self) -> dict[str, Any]:
        """The figures by their names."""
        totals = {name: sum(getattr(shard, name) for shard in self.shards) for name in ("rows", "bad_rows", "fake")}
        scored = sum(shard.rows for shard in self.shards if shard.state == "scored")
        counts = {state: self.count(state) for state in ("scored", "kept", "failed", "waiting")}
        speed = scored / self.seconds if scored and self.seconds else None
        return {
            "folder": self.folder, "bundle": self.bundle, "engine": self.engine, **totals, **counts,
            "seconds": self.seconds, "rows_per_second": speed, "shards": [asdict(shard) for shard in self.shards],
        }  # fmt: skip


class UnfinishedScoringError(DataError):
    """Some files could not be scored; the shards of the others are whole.

    Attributes:
        summary: What became of all of them.
    """

    def __init__(self, message: str, summary: ScoringSummary) -> None:
        super().__init__(message)
        self.summary = summary


class InterruptedScoringError(KeyboardInterrupt):
    """Ctrl-C; the shards that were finished are whole. The message says how to go on."""


def conclude(summary: ScoringSummary) -> None:
    """Say what was left out, and refuse to call finished what is not.

    Raises:
        UnfinishedScoringError: Files could not be scored, or no row of any could be used.
    """
    failed = [shard for shard in summary.shards if shard.state == "failed"]
    bad = [shard for shard in summary.shards if shard.bad_rows]
    bad_rows = sum(shard.bad_rows for shard in bad)
    if failed:
        of = f"{len(failed)} of {len(summary.shards)} files could not be scored; {how_to_go_on(summary)}"
        problems = [shard.problem or "" for shard in failed[:_SHOWN]]
        raise UnfinishedScoringError("\n  ".join([of, *problems]), summary)
    if bad_rows and not any(shard.rows for shard in summary.shards):
        raise UnfinishedScoringError(
            f"none of {bad_rows} rows can be used; {bad[0].errors} says why of those of {bad[0].file}", summary
        )
    if bad_rows:
        files = ", ".join(str(shard.errors) for shard in bad[:_FILES_WITH_BAD_ROWS_SHOWN])
        more = f" and {len(bad) - _FILES_WITH_BAD_ROWS_SHOWN} more" if len(bad) > _FILES_WITH_BAD_ROWS_SHOWN else ""
        logger.warning("%d rows could not be used and were left out; they are listed in %s%s", bad_rows, files, more)


def how_to_go_on(summary: ScoringSummary) -> str:
    """Say what is done already, and what to do for the rest."""
    return (
        f"{summary.whole} of {len(summary.shards)} shards are whole in {summary.folder}; the same command goes on "
        "with the others"
    )
